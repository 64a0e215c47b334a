#!/usr/bin/env python3
"""Make small tokenizers with the Hugging Face `tokenizers` package, and what
it answers for awkward strings, for hone's tokenizer to be compared with.

    python tests/parity/make_tokenizers.py

Writes tokenizers/NAME/tokenizer.json and tokenizers/NAME/vectors.json:

    {"cases":  [{"text":         a string,
                 "ids":          encode(text, add_special_tokens=False),
                 "ids_special":  encode(text, add_special_tokens=True),
                 "decoded":      decode(ids, skip_special_tokens=False),
                 "decoded_skip": decode(ids, skip_special_tokens=True)}, ...],
     "decode": [{"ids": [...], "text": decode(ids)}, ...]}

"decode" holds sequences that no text encodes to: characters cut in the
middle. The names:

    byte_level     as GPT-2: its split built into the ByteLevel pre-tokenizer;
                   <|endoftext|> in the vocabulary, the other added tokens
                   behind it; one added token for each matching rule
    ignore_merges  as Llama-3: a Split pattern, ByteLevel, ignore_merges with
                   words in the vocabulary that no merges reach, a beginning
                   token put in front by a template
    nfc            as Qwen2: NFC normalizer, single digits; added tokens that
                   are matched before and after normalization
    llama2         byte fallback over the whole text, spaces replaced by the
                   normalizer, which prepends one to every stretch between
                   special tokens; merges stored as "a b" strings
    metaspace      the same vocabulary under a Metaspace pre-tokenizer, which
                   prepends only at the start of the text; merges as pairs
"""
import json
import os
import random
import shutil
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
HERE = Path(__file__).resolve().parent
os.chdir(HERE)

from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models,
                        normalizers, pre_tokenizers, processors, trainers)

OUT = Path("tokenizers")

LLAMA3_SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
                r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
                r"\s+(?!\S)|\s+")
QWEN2_SPLIT = LLAMA3_SPLIT.replace(r"\p{N}{1,3}", r"\p{N}")


# --- the text to train on --------------------------------------------------

def text_lines(seed=7, count=1500):
    """Sentences of invented words among plain English ones, with the digits,
    marks, indents and foreign letters that give merges of every sort."""
    r = random.Random(seed)
    onsets = "b br c d dr f g gr h k l m n p pl r s st t tr v w".split()
    vowels = "a e i o u ea ai ou ee".split()
    codas = ["", "", "n", "r", "s", "t", "l", "nd", "rk", "st"]
    syllable = lambda: r.choice(onsets) + r.choice(vowels) + r.choice(codas)
    nouns = ["".join(syllable() for _ in range(r.randint(1, 3)))
             for _ in range(120)]
    small = ["the", "a", "of", "and", "to", "in", "it", "that", "was", "with",
             "don't", "it's", "we'll", "they're", "I've", "not", "you"]
    foreign = ["caf\u00e9", "na\u00efve", "gr\u00fc\u00df", "\u0441\u043b\u043e\u0432\u043e",
               "\u4f60\u597d", "\u65e5\u672c", "\U0001f642", "\u2014", "\u20ac"]

    def word():
        k = r.random()
        if k < 0.45:
            return r.choice(small)
        if k < 0.90:        # few words often, many seldom
            return nouns[min(int(r.expovariate(0.05)), len(nouns) - 1)]
        if k < 0.96:
            return str(r.randint(0, 10 ** r.randint(1, 6)))
        return r.choice(foreign)

    for _ in range(count):
        words = [word() for _ in range(r.randint(3, 12))]
        if r.random() < 0.15:
            yield "    " * r.randint(1, 2) + "_".join(words[:2]) + \
                f" = {words[2]}({r.randint(0, 99)});"
        else:
            text = " ".join(words)
            yield text[0].upper() + text[1:] + r.choice(".!?") + \
                r.choice(["", "", "\n", "\r\n"])


# --- the strings to encode -------------------------------------------------

TEXTS = [
    "", " ", "  ", "\n", "\r\n", "\t", " \n \n", "\n\n\n x",
    "The stain of the brai was not in it.",
    " leading", "trailing ", "   three before", "three after   ",
    "a  b   c    d", "tab\tand\t\ttabs", "one\r\ntwo\rthree\n\r\nfour",
    "    if (x == 1) {\n\t\treturn;  \n    }\n",
    "don't DON'T Don\u2019t we'll WE'LL they'Re 's 'S it'd I'm''ve",
    "1 12 123 1234 12345678 3.14159 1,000,000 -7 0x1F 1e-9",
    "\u0661\u0662\u0663\u0664 \u0967\u0968\u0969 \u2167 \u00bd\u00b2 \u2460 1\u06614",
    "caf\u00e9 cafe\u0301 na\u00efve nai\u0308ve \u00c5 A\u030a \u212b",
    "e\u0301\u0302\u0323 a\u0323\u0302 q\u0307\u0323 q\u0323\u0307 \u0301alone",
    "\ud55c\uad6d\uc5b4 \u1112\u1161\u11ab\u1100\u116e\u11a8 \u4f60\u597d\u4e16\u754c \u65e5\u672c\u8a9e\u30c6\u30ad\u30b9\u30c8 \u0e44\u0e17\u0e22",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 \u0421\u043b\u043e\u0432\u043e \u03a9\u03bc\u03ad\u03b3\u03b1",
    "\U0001f642\U0001f642 \U0001f44d\U0001f3fd \U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 \U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7 \u2764\ufe0f 1\ufe0f\u20e3",
    "\U0001d400\U0001d41b\U0001d42c \U00010348 \U0001f9ff\U000e0067\U0010ffff \ue000\ufffd",
    "non\u00a0breaking\u3000wide\u2009thin\u200bzero\ufeffbom\u2028line\u2029para\u0085nel",
    "ctl\x00\x01\x1b[0m\x1c\x1f\x7f end",
    "\u2581under\u2581\u2581bars \u2581 \u0120 \u010a \u0142",
    "\u01c5 \u02b0 \u00aa \u0130i \u0131I \u017ftop it'\u017f \u1e9e\u00df \ufb01",
    "!!! ... ?!? --- \u2014\u2026\u00ab\u00bb $%&/()=  @#~ \u20ac\u00a3 <> <<< |>",
    "https://example.org/a_b-c?d=e&f=%20#g user@example.org",
    "snake_case camelCase __dunder__ x_1_y 2nd 3rd",
    "a" * 37 + " " * 19 + "b" * 5 + "\n" * 6 + "=" * 11,
    "<|endoftext|>", "<|im_start|>user\nHi there<|im_end|>\n<|im_start|>",
    "a<|endoftext|><|endoftext|>b <|im_end|> c",
    "<|endoftext <|im_start |endoftext|> <|ENDOFTEXT|> <s> </s><unk>",
    "left <left> x  <left>y<left> \n<left>",
    "right <right> x<right>  y<right> \n <right>",
    "both  <both>  x<both>y <both>",
    "word wordy sword word, (word) _word_ word1 1word \u00e9word word\u00e9 word",
    "plainplain xplainx pl ain Plain",
    "norm\u1eb9 norme\u0323 raw\u1eb9 rawe\u0323",
    "whatsoever whatsoeverx Whatsoever  whatsoever\nunreachable unreachables",
    "<0x41> <0x0A> <0xZZ> \u00ff\u00fe \x80",
    # Seams: where one piece ends and the next begins; see seams() below.
    "''s'S't'st 'T's1 s'1 .'s !'S_'t _s_t'ss", "it'\u017ft '\u017fts S'\u017f",
    "s\u00a0t \u00a0s\u00a0\u00a0 t\u00a0's 1\u00a02\u00a0.",
    "\u00e91\u00e92 1\u00e9.\u00e9 \u00e9's s\u0301t 1\u03012 .\u0301! '\u0301s \u0301",
    "1212121 .121 s12t !1 12\u0661\u0662\u0661\u066112 1\u00bd2 \u00b9\u00b9 \u2081",
    ".\n!\r\n\n.. \n s! \r t'\r\n'.\t\n\n!1\n",
    " \n  s\n \t \r\n\t t  \r  1 \t\t. \u3000\u3000s\n\u3000\n  ",
    "s \u2028\u2029 t\u2028s \u0085 s\u0085\u0085t \u200b s\u200bt \x1c\x1c s\x1ft",
]


# --- building --------------------------------------------------------------

def special(text, **rules):
    return AddedToken(text, normalized=False, special=True, **rules)


def added(text, **rules):
    return AddedToken(text, special=False, **rules)


MARKS = [special("<|im_start|>"), special("<|im_end|>"),
         special("<left>", lstrip=True), special("<right>", rstrip=True),
         special("<both>", lstrip=True, rstrip=True),
         added("word", single_word=True, normalized=False),
         added("plain", normalized=True)]


def trained(pre_tokenizer, size, specials=(), alphabet=()):
    """(vocabulary {token: id}, merges [(a, b)]) of a fresh BPE."""
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizer
    t.train_from_iterator(text_lines(), trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(specials), show_progress=False,
        initial_alphabet=list(alphabet)))
    model = json.loads(t.to_str())["model"]
    return model["vocab"], [tuple(m) for m in model["merges"]]


# Some of the bytes that whitespace, digits, marks and accents are made of.
SEAM_BYTES = b" \n\r\t'sStT12.!_\x1c\x1f\xc2\x85\xa0\xbd\xb9\xc3\xa9" \
    b"\xc5\xbf\xcc\x81\xe2\x80\xa8\xe3\xd9\xa1"


def seams(vocab, merges):
    """Add, ranked last, a merge of every two SEAM_BYTES. Then a piece of n of
    them becomes about n / 2 tokens, and a text split at the wrong place shows
    in its ids, although so small a vocabulary has hardly a token in common
    with it."""
    chars = byte_chars()
    for a in SEAM_BYTES:
        for b in SEAM_BYTES:
            pair = chars[a], chars[b]
            if "".join(pair) not in vocab:
                vocab["".join(pair)] = len(vocab)
                merges.append(pair)
    return vocab, merges


def byte_chars():
    """The printable character that stands for each byte: itself where it is
    printable Latin-1, the others counted up from U+0100."""
    printable = [*range(0x21, 0x7f), *range(0xa1, 0xad), *range(0xae, 0x100)]
    others = (b for b in range(256) if b not in printable)
    chars = {b: chr(b) for b in printable}
    chars |= {b: chr(0x100 + i) for i, b in enumerate(others)}
    assert sorted(chars.values()) == sorted(pre_tokenizers.ByteLevel.alphabet())
    return chars


def byte_level():
    pre = pre_tokenizers.ByteLevel(add_prefix_space=False)
    vocab, merges = seams(*trained(pre, 400, ["<|endoftext|>"],
                                   pre_tokenizers.ByteLevel.alphabet()))
    t = Tokenizer(models.BPE(vocab, merges))
    t.pre_tokenizer = pre
    t.decoder = decoders.ByteLevel()
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    t.add_special_tokens([special("<|endoftext|>")])
    t.add_tokens(MARKS)
    return t


def splitting(pattern, **options):
    pre = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    vocab, merges = seams(*trained(
        pre, 400, alphabet=pre_tokenizers.ByteLevel.alphabet()))
    for word in options.pop("words", ()):
        vocab[word] = len(vocab)
    t = Tokenizer(models.BPE(vocab, merges, **options))
    t.pre_tokenizer = pre
    t.decoder = decoders.ByteLevel()
    t.add_special_tokens([special("<|endoftext|>")])
    return t


def ignore_merges():
    t = splitting(LLAMA3_SPLIT, ignore_merges=True,
                  words=["whatsoever", "\u0120whatsoever", "\u0120unreachable"])
    t.add_tokens([special("<|begin|>")] + MARKS)
    begin = t.token_to_id("<|begin|>")
    t.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(
            single="<|begin|> $A", pair="<|begin|> $A <|begin|>:1 $B:1",
            special_tokens=[("<|begin|>", begin)])])
    return t


def nfc():
    t = splitting(QWEN2_SPLIT)
    t.normalizer = normalizers.NFC()
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    t.add_tokens(MARKS + [added("norm\u1eb9", normalized=True),
                          added("raw\u1eb9", normalized=False)])
    return t


def byte_fallback():
    """A Llama-2-like model: <unk> <s> </s>, the bytes, then the pieces."""
    pieces, merges = trained(pre_tokenizers.Metaspace(), 240)
    vocab = {"<unk>": 0, "<s>": 1, "</s>": 2}
    vocab |= {f"<0x{b:02X}>": 3 + b for b in range(256)}
    for piece in sorted(pieces, key=pieces.get):
        vocab.setdefault(piece, len(vocab))
    t = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True,
                             byte_fallback=True))
    t.decoder = decoders.Sequence([
        decoders.Replace("\u2581", " "), decoders.ByteFallback(),
        decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.add_special_tokens([special("<unk>"), special("<s>"), special("</s>")])
    t.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)])
    return t


def llama2():
    t = byte_fallback()
    t.normalizer = normalizers.Sequence([
        normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    t.add_tokens(MARKS[:-1])
    return t


def metaspace():
    t = byte_fallback()
    t.pre_tokenizer = pre_tokenizers.Metaspace(
        replacement="\u2581", prepend_scheme="first", split=False)
    t.add_tokens(MARKS[:-1])
    return t


# --- writing ---------------------------------------------------------------

def older_merges(path):
    """Merges as 'a b' strings, as the package wrote them before 0.20."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config["model"]["merges"] = [" ".join(m) for m in config["model"]["merges"]]
    path.write_text(json.dumps(config, ensure_ascii=False), encoding="utf-8")


def broken(t):
    """Ids whose bytes are no characters: cut, lone, and doubled ones."""
    ids = lambda s: t.encode(s, add_special_tokens=False).ids
    smile = ids("\U0001f9ff")
    yield smile[:-1]
    yield smile[1:]
    yield smile[:-1] + ids("x") + smile[-1:]
    yield smile[-1:] * 3
    yield smile[:2] + smile
    yield ids("\u4e16")[:-1] + ids(" word and")
    yield []


def write(name, t):
    folder = OUT / name
    folder.mkdir(parents=True)
    path = folder / "tokenizer.json"
    t.save(str(path), pretty=False)
    if name == "llama2":
        older_merges(path)
    t = Tokenizer.from_file(str(path))      # what is in the file is what counts
    cases = []
    for text in TEXTS:
        ids = t.encode(text, add_special_tokens=False).ids
        cases.append({
            "text": text, "ids": ids, "ids_special": t.encode(text).ids,
            "decoded": t.decode(ids, skip_special_tokens=False),
            "decoded_skip": t.decode(ids, skip_special_tokens=True)})
    decode = [{"ids": ids, "text": t.decode(ids, skip_special_tokens=False)}
              for ids in broken(t)]
    # One case a line; ASCII, so that no editor recomposes a character.
    lines = lambda rows: ",\n  ".join(json.dumps(row) for row in rows)
    (folder / "vectors.json").write_text(
        '{"cases": [\n  ' + lines(cases) + '],\n "decode": [\n  '
        + lines(decode) + "]}\n")
    return cases


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    for make in (byte_level, ignore_merges, nfc, llama2, metaspace):
        cases = write(make.__name__, make())
        back = sum(c["decoded"] == c["text"] for c in cases)
        print(f"{make.__name__}: {len(cases)} texts, "
              f"{back} decoded to what they were")


if __name__ == "__main__":
    main()
