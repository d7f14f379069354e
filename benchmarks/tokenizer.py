"""Byte-level BPE beside Rust: learning from 10 MB of documentation and encoding it, with the same pattern.

Encoding starts each time without a word in memory, but for the last row; Hugging Face keeps its cache.
"""

from __future__ import annotations

import dataclasses
import sysconfig
from collections.abc import Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks.core import Candidate, Options, gate, report
from benchmarks.peers import bpe
from tinygpt import data
from tinygpt.tokenizers import BPETokenizer, merge_steps, train_bpe

BYTES = 10_000_000
QUICK_BYTES = 300_000
SIZES = (4096, 32_768)


def main(options: Options) -> None:
    """Gates, then a table for each vocabulary and one for encoding."""
    bpe.threads(options.threads)
    texts = corpus(QUICK_BYTES if options.quick else BYTES)
    own = train_bpe(texts, 1024 if options.quick else SIZES[0], progress=False)
    peers = [package for package in bpe.NAMES if not _skipped(package)]
    check(own, texts, peers)
    encoders = _encoders(own)
    check_encoders(encoders, texts)
    if options.quick:
        return
    for size in SIZES:
        report(f"train, {_size(texts)}, vocabulary {size:,}", "kB/s", _trainers(texts, size, peers), options)
    rows = [
        Candidate(name, partial(_encode_all, encoder, texts), work=_bytes(texts) / 1e3)
        for name, encoder in encoders.items()
    ]
    report(f"encode, {_size(texts)}, vocabulary {SIZES[0]:,}", "kB/s", rows, options)


def corpus(size: int) -> list[str]:
    """The first `size` bytes of the installed documentation, then of Python's own sources; nothing twice."""
    paths = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    sources = (path.read_text(encoding="utf-8") for path in paths)
    texts, left = [], size
    for text in chain(data.documentation(progress=False).documents, sources):
        texts.append(text[:left])
        left -= len(text.encode())
        if left <= 0:
            break
    return texts


def check(own: BPETokenizer, texts: Sequence[str], peers: Sequence[str]) -> None:
    """Gates: our merges are the textbook's, all tokenizers lose nothing, and peers learn much the same."""
    print("gates, tokenizer:")
    small = "".join(texts)[:8000]
    textbook = [step.pair for step in merge_steps(small, 100)]
    learnt = list(train_bpe(small, 356, progress=False).merges)
    gate("merges equal those of counting again each time", learnt == textbook, f"{len(textbook)} merges")
    sample = texts[:: max(1, len(texts) // 50)]
    gate("we lose nothing", all(own.decode(own.encode(text)) == text for text in sample))
    mean = len("".join(sample).encode()) / sum(len(own.encode(text)) for text in sample)
    for package in peers:
        theirs = bpe.train(package, texts, own.vocab_size)
        ids = [bpe.encode(package, theirs, text) for text in sample]
        same = all(theirs.decode(found) == text for found, text in zip(ids, sample, strict=True))
        gate(f"{bpe.NAMES[package]} loses nothing", same)
        their_mean = len("".join(sample).encode()) / sum(map(len, ids))
        close = abs(their_mean / mean - 1) < 0.01
        gate("its tokens are as long as ours", close, f"{their_mean:.3f} and {mean:.3f} bytes")
        if package == "rustbpe":
            found = [bytes(token) for token, _ in theirs.get_mergeable_ranks()]
            equal = found == [own.decode_bytes([i]) for i in range(own.vocab_size)]
            gate("its tokens are ours, rank by rank", equal, f"{len(found):,} tokens")


def check_encoders(encoders: dict[str, Any], texts: Sequence[str]) -> None:
    """Gate: all encoders give the same ids."""
    sample = texts[:: max(1, len(texts) // 200)]
    expected = None
    for name, encoder in encoders.items():
        ids = _encode_all(encoder, sample)
        expected = expected or ids
        gate(f"ids of {name} are those of the first", ids == expected, f"{sum(map(len, ids)):,} ids")


def _skipped(package: str) -> bool:
    reason = bpe.why_not(package)
    if reason:
        print(f"skipped: {reason}")
    return reason is not None


def _trainers(texts: Sequence[str], size: int, peers: Sequence[str]) -> list[Candidate]:
    work = _bytes(texts) / 1e3
    theirs = [Candidate(bpe.NAMES[p], partial(bpe.train, p, texts, size), work) for p in peers]
    return [*theirs, Candidate("tinygpt", partial(train_bpe, texts, size, progress=False), work)]


def _encoders(own: BPETokenizer) -> dict[str, Any]:
    """A function for each row: it makes what encodes one text."""
    encoders: dict[str, Any] = {}
    if not _skipped("tokenizers"):
        from tokenizers import Tokenizer

        theirs = Tokenizer.from_str(own.to_huggingface())
        theirs.encode_special_tokens = True
        encoders["Hugging Face tokenizers"] = lambda: lambda text: theirs.encode(text).ids
    if not _skipped("tiktoken"):
        encoding = own.to_tiktoken()
        encoders["tiktoken, by to_tiktoken"] = lambda: encoding.encode_ordinary
        encoders["tinygpt, by itself with tiktoken"] = lambda: dataclasses.replace(own).encode
    warm = dataclasses.replace(own)
    return {
        **encoders,
        "tinygpt, pure Python": lambda: _pure(own).encode,
        "tinygpt, words in memory": lambda: warm.encode,
    }


def _pure(own: BPETokenizer) -> BPETokenizer:
    fresh = dataclasses.replace(own)
    vars(fresh)["_tiktoken"] = None  # as it is where tiktoken is not installed
    return fresh


def _encode_all(encoder: Any, texts: Sequence[str]) -> list[list[int]]:
    return [*map(encoder(), texts)]


def _bytes(texts: Sequence[str]) -> int:
    return sum(len(text.encode()) for text in texts)


def _size(texts: Sequence[str]) -> str:
    return f"{_bytes(texts) / 1e6:.1f} MB"
