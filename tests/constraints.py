"""Random regular expressions that Python's `re` reads too, and texts drawn under a pattern."""

from __future__ import annotations

import random

import torch

from tinygpt.sampling import matching, pick, token_automaton
from tinygpt.tokenizers import CharacterTokenizer, Tokenizer, train_bpe

TEXT = 'abab acab é1 語語 .a.b 11 aab bba [1, 2] {"a": 1.5} true false null é é ab ab ab'
BPE = train_bpe([TEXT * 3], vocab_size=290, special_tokens=["<|other|>", "<|end|>"])
CHARACTERS = CharacterTokenizer(characters="abcé語1 .x", specials=["<|end|>", "<|other|>"])

ATOMS = [
    "a",
    "b",
    "ab",
    "é",
    "語",
    ".",
    "[ab]",
    "[^a]",
    "[a-cé]",
    r"\d",
    r"\w",
    r"\s",
    r"\.",
    "[^\\d\\s]",
    "1",
]
REPEATS = ["", "", "", "*", "+", "?", "{2}", "{1,3}", "{2,}", "{,2}"]


def random_pattern(rng: random.Random, depth: int = 1) -> str:
    """Parts in a row, some repeated, some of them groups of alternatives."""
    return "".join(part(rng, depth) for _ in range(rng.randint(1, 3)))


def part(rng: random.Random, depth: int) -> str:
    if depth and rng.random() < 0.5:
        options = (random_pattern(rng, depth - 1) for _ in range(rng.randint(1, 3)))
        one = f"{rng.choice(['(', '(?:'])}{'|'.join(options)})"
    else:
        one = rng.choice(ATOMS)
        one = one if len(one) < 2 or one[0] in "[\\" else f"(?:{one})"
    return one + rng.choice(REPEATS)


def end_of(tok: Tokenizer) -> int:
    return tok.special_tokens["<|end|>"]


def samples(pattern: str, tok: Tokenizer, n: int, *, within: int, seed: int = 0) -> list[list[int]]:
    """Rows drawn from logits that are random anew at each step, so that no token is favoured for long."""
    one, end = matching(token_automaton(pattern, tok, end=end_of(tok)), within=within), end_of(tok)
    ids, generator = torch.zeros(n, 0, dtype=torch.long), torch.Generator().manual_seed(seed)
    for _ in range(within):
        logits = 2 * torch.randn(n, tok.vocab_size, generator=generator)
        ids = torch.cat([ids, pick(one(logits, ids), generator)[:, None]], dim=1)
    return [row[: row.index(end)] for row in ids.tolist()]
