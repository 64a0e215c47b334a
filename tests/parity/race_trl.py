"""The same work in TRL, for docs/performance.md: seconds of a GRPO iteration, or of a
DPO step, on the SmolLM2-135M shape with random weights.

  python race_trl.py grpo [tuned]      8 prompts of 64 tokens, 8 answers of 64 tokens
  python race_trl.py dpo  [tuned]      8 pairs, 64 to 512 tokens a side

tuned: what helps on a CPU: jemalloc-like reuse of memory (glibc's thresholds, set below by
running itself again), denormals flushed, threads pinned to cores, bigger batches.
Made with trl 1.16, transformers 5.23, torch 2.15.
"""
import copy, json, os, random, resource, sys, time

what, tuned = sys.argv[1], "tuned" in sys.argv[2:]
for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)
if tuned and "MALLOC_MMAP_THRESHOLD_" not in os.environ:
    os.environ.update(MALLOC_MMAP_THRESHOLD_="4294967296", MALLOC_TRIM_THRESHOLD_="4294967296",
                      MALLOC_TOP_PAD_="268435456", OMP_PROC_BIND="true", OMP_PLACES="cores",
                      KMP_BLOCKTIME="1")
    os.execv(sys.executable, [sys.executable] + sys.argv)

import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, TrainerCallback

if tuned:
    torch.set_flush_denormal(True)

LETTERS = "abcdefghijklmnopqrstuvwxyz"
VOCAB = {c: i for i, c in enumerate(LETTERS)} | {"<unk>": 26, "<eos>": 49151, "<pad>": 49150}
core = Tokenizer(models.WordLevel(VOCAB, unk_token="<unk>"))
core.pre_tokenizer = pre_tokenizers.Split("", "isolated")
tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<eos>", pad_token="<pad>",
                                    unk_token="<unk>")
torch.manual_seed(1)
model = LlamaForCausalLM(LlamaConfig(
    vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30,
    num_attention_heads=9, num_key_value_heads=3, max_position_embeddings=2048,
    tie_word_embeddings=True, bos_token_id=None, eos_token_id=49151, pad_token_id=49150)).float()
rng = random.Random(1)


def text(n):
    return "".join(rng.choice(LETTERS) for _ in range(n))


class Clock(TrainerCallback):
    seconds = []

    def on_step_begin(self, *a, **k):
        self.began = time.perf_counter()

    def on_step_end(self, *a, **k):
        self.seconds.append(time.perf_counter() - self.began)


shared = dict(output_dir="/tmp/race", use_cpu=True, bf16=False, learning_rate=1e-6, max_steps=2,
              report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True,
              gradient_checkpointing=False)
if what == "grpo":
    from trl import GRPOConfig, GRPOTrainer
    rows = Dataset.from_list([{"prompt": text(64)} for _ in range(8)])
    trainer = GRPOTrainer(
        model=model, processing_class=tokenizer, train_dataset=rows,
        reward_funcs=lambda completions, completion_ids, **k: [c[-1] % 97 / 97 for c in completion_ids],
        args=GRPOConfig(per_device_train_batch_size=64, num_generations=8, max_completion_length=64,
                        beta=0.0, temperature=1.0, **shared), callbacks=[Clock()])
else:
    from trl import DPOConfig, DPOTrainer
    lengths = [64, 512, 128, 320, 96, 448, 192, 256]
    rows = Dataset.from_list([{"prompt": text(32), "chosen": text(n - 32),
                               "rejected": text(lengths[(i + 3) % 8] - 32)}
                              for i, n in enumerate(lengths)])
    trainer = DPOTrainer(model=model, ref_model=copy.deepcopy(model), processing_class=tokenizer, train_dataset=rows,
                         args=DPOConfig(per_device_train_batch_size=8, max_length=512, **shared),
                         callbacks=[Clock()])
trainer.train()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"work": what, "tuned": tuned, "seconds": Clock.seconds, "best": min(Clock.seconds),
                  "peak_bytes": peak}))
