#!/usr/bin/env python3
"""Print the ids that the Hugging Face `tokenizers` package gives a file.

    tokenizer_ids.py TOKENIZER [FILE] [--special] [--lines] [--decode]
                     [--repeat N]

TOKENIZER is a tokenizer.json or a folder with one; FILE is read from standard
input if absent. The ids stand on one line, as `hone tokenize` prints them.
--special adds what the post-processor adds, --lines takes every line for a
text of its own and prints a line of ids each, --decode turns ids back into
text, --repeat encodes N times and reports the best rate on standard error,
to race with.
"""
import argparse
import sys
import time
from pathlib import Path

from tokenizers import Tokenizer


def main():
    parser = argparse.ArgumentParser(
        description="Print the ids that `tokenizers` gives a file.")
    parser.add_argument("tokenizer")
    parser.add_argument("file", nargs="?")
    parser.add_argument("--special", action="store_true")
    parser.add_argument("--lines", action="store_true")
    parser.add_argument("--decode", action="store_true")
    parser.add_argument("--repeat", type=int, default=1, metavar="N")
    args = parser.parse_args()

    path = Path(args.tokenizer)
    tokenizer = Tokenizer.from_file(
        str(path / "tokenizer.json" if path.is_dir() else path))
    raw = Path(args.file).read_bytes() if args.file \
        else sys.stdin.buffer.read()
    text = raw.decode("utf-8")      # bytes as they are: no newline translation

    if args.decode:
        ids = [int(word) for word in text.split()]
        out = tokenizer.decode(ids, skip_special_tokens=False)
        sys.stdout.buffer.write(out.encode("utf-8"))
        return

    texts = text.split("\n") if args.lines else [text]
    if args.lines and texts[-1] == "":
        texts.pop()
    best = float("inf")
    for _ in range(max(1, args.repeat)):
        start = time.perf_counter()
        ids = [tokenizer.encode(t, add_special_tokens=args.special).ids
               for t in texts]
        best = min(best, time.perf_counter() - start)
    for row in ids:
        print(*row)
    if args.repeat > 1:
        print(f"{sum(map(len, ids))} tokens, {best:.4f} s, "
              f"{len(raw) / best / 1e6:.2f} MB/s", file=sys.stderr)


if __name__ == "__main__":
    main()
