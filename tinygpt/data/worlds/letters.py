"""Words to spell and to count a letter in, made of pieces that a tokenizer keeps whole."""

from __future__ import annotations

import random
from collections.abc import Sequence

CONSONANTS, VOWELS = "bdklmnpst", "aeiou"
LETTER = "r"


def letter_pieces(n: int = 60, seed: int = 1) -> list[str]:
    """Different pieces of three letters, consonant, vowel, consonant; about half hold the letter r.

    A tokenizer whose merges were learnt on the pieces cuts a word made of them just there: where two pieces
    meet, two consonants meet, and no merge joins those.

    Args:
        n: How many, from 7 to 185. Five of them hold the letter twice.
        seed: Chooses pieces and order.

    Raises:
        ValueError: n is out of range.

    Example:
        >>> letter_pieces(8)
        ['dor', 'res', 'tom', 'rur', 'ror', 'rar', 'rir', 'rer']
    """
    if not 7 <= n <= 185:
        raise ValueError(f"n must be from 7 to 185 pieces; got {n}. Try 60.")
    rng = random.Random(seed)
    twice = [LETTER + vowel + LETTER for vowel in VOWELS]
    once = [piece for c in CONSONANTS for v in VOWELS for piece in (LETTER + v + c, c + v + LETTER)]
    never = [c + v + d for c in CONSONANTS for v in VOWELS for d in CONSONANTS]
    none = (n - len(twice)) // 2
    pieces = twice + rng.sample(once, n - len(twice) - none) + rng.sample(never, none)
    rng.shuffle(pieces)
    return pieces


def letter_lesson(kind: str, rng: random.Random, pieces: Sequence[str]) -> tuple[str, str]:
    """One question about a word of two of the pieces, with its answer.

    Args:
        kind: `"count"`: how many r are in the word. `"spell"`: its letters one by one. `"tally"`: how many r
            are among letters that are written out, behind a word that has nothing to do with them.
            `"think"`: spell, then count, which is a spelling and a tally.
        rng: Chooses the word.
        pieces: What words are made of.

    Raises:
        ValueError: The kind is another one.

    Example:
        >>> for kind in ("count", "spell", "tally", "think"):
        ...     print(letter_lesson(kind, random.Random(0), ["rar", "tob"]))
        ('tobtob?', ' 0')
        ('tobtob:', ' t o b t o b =')
        ('rartob: t o b t o b =', ' 0')
        ('tobtob:', ' t o b t o b = 0')
    """
    word = _word(rng, pieces)
    spelt, count = " " + " ".join(word), f" {word.count(LETTER)}"
    if kind == "count":
        return f"{word}?", count
    if kind == "spell":
        return f"{word}:", f"{spelt} ="
    if kind == "tally":
        return f"{_word(rng, pieces)}:{spelt} =", count
    if kind == "think":
        return f"{word}:", f"{spelt} ={count}"
    raise ValueError(f"kind must be count, spell, tally or think; got {kind!r}.")


def _word(rng: random.Random, pieces: Sequence[str]) -> str:
    return rng.choice(pieces) + rng.choice(pieces)
