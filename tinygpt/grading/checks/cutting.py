"""Exercise 3 of chapter 02: text in words, with nothing lost."""

from __future__ import annotations

import random
from collections.abc import Callable

from torch import Generator

from tinygpt.grading.checks.draws import dice
from tinygpt.grading.checks.patterns import MISTAKES, cutting_attempt
from tinygpt.grading.exercise import Call, Case, Exercise, Law

ENDINGS = ("'s", "'t", "'m", "'d", "'re", "'ve", "'ll")


def cutting_oracle(text: str) -> list[str]:
    """A walk along the text, one rule after the other, without any pattern."""
    pieces, at = [], 0
    while at < len(text):
        end = (
            _ending(text, at) or _word(text, at) or _number(text, at) or _signs(text, at) or _blank(text, at)
        )
        pieces.append(text[at:end])
        at = end
    return pieces


def _ending(text: str, at: int) -> int:
    return next((at + len(e) for e in sorted(ENDINGS, key=len, reverse=True) if text.startswith(e, at)), 0)


def _run(text: str, at: int, fits: Callable[[str], bool], most: int = 1 << 30) -> int:
    """Where a run of fitting characters ends, or 0 when there is none."""
    end = at
    while end < len(text) and end - at < most and fits(text[end]):
        end += 1
    return end if end > at else 0


def _word(text: str, at: int) -> int:
    return _run(text, at + text.startswith(" ", at), str.isalpha)


def _number(text: str, at: int) -> int:
    return _run(text, at, str.isdecimal, most=3)


def _signs(text: str, at: int) -> int:
    return _run(
        text, at + text.startswith(" ", at), lambda c: not (c.isspace() or c.isalpha() or c.isdecimal())
    )


def _blank(text: str, at: int) -> int:
    end = _run(text, at, str.isspace)
    return end - 1 if at + 1 < end < len(text) else end


def loses_text(call: Call, args: tuple, got: list[str]) -> bool:
    return "".join(got) != args[0]


def is_empty_somewhere(call: Call, args: tuple, got: list[str]) -> bool:
    return "" in got


def mixes(call: Call, args: tuple, got: list[str]) -> bool:
    return any(sum(any(map(kind, piece)) for kind in (str.isalpha, str.isdecimal)) > 1 for piece in got)


CHUNKS = {
    "words": ("the", "Cat", "a", "HTML", "naive", "of"),
    "endings": (
        "it's",
        "don't",
        "'sun",
        "I'LL",
        "we're",
        "they'll",
        "I'm",
        "'tis",
        "rock'n'roll",
        "o'clock",
        "'d've",
        "it’s",
        "''s",
    ),
    "numbers": ("7", "42", "365", "2024", "10000", "1234567", "b2b", "3d", "x86", "3.14", "1,000", "v2.0"),
    "signs": (
        ".",
        ",",
        "!?",
        "...",
        "_",
        "__init__",
        "file_name",
        "#",
        "(a)",
        "well-known",
        "e-mail",
        "->",
        "€",
        "–",
        "“so”",
        "😀",
        "a_1",
        "…'",
    ),
    "scripts": ("naïve", "Łódź", "дом", "東京", "כן", "δέλτα", "ß", "Éa", "٣٤", "中a"),
    "white": ("  ", "   ", "\n", "\n\n", "\t", "\t\t", " \n ", "\r\n", "\u00a0", "\n    "),
}


def _text(*kinds: str, n: int = 12, glue: str = " ") -> Callable[[Generator], tuple]:
    """Chunks of some kinds in a random order, mostly with the glue between them."""

    def draw(generator: Generator) -> tuple:
        rng = dice(generator)
        return (_glued(rng, rng.choices([chunk for kind in kinds for chunk in CHUNKS[kind]], k=n), glue),)

    return draw


def _every(kind: str, glue: str = " ") -> Callable[[Generator], tuple]:
    """Every chunk of one kind, so that nothing is left to chance, among some words."""

    def draw(generator: Generator) -> tuple:
        rng = dice(generator)
        chunks = [*CHUNKS[kind], *rng.choices(CHUNKS["words"], k=len(CHUNKS[kind]) // 2)]
        rng.shuffle(chunks)
        return (_glued(rng, chunks, glue),)

    return draw


def _glued(rng: random.Random, chunks: list[str], glue: str) -> str:
    return "".join(chunk + (glue if rng.random() < 0.7 else "") for chunk in chunks)


def _plain(generator: Generator) -> tuple:
    return (" ".join(dice(generator).choices(CHUNKS["words"], k=6)),)


pre_tokenize = Exercise(
    name="pre_tokenize",
    arguments=("text",),
    returns="a list of pieces of text",
    reference=cutting_oracle,
    attempt=cutting_attempt,
    faults=MISTAKES,
    laws=(
        Law(
            "an empty piece",
            "One of your pieces is empty. Some rule may match nothing, or `findall` returned a group in "
            "parentheses in place of the match: write `(?:...)`.",
            is_empty_somewhere,
        ),
        Law(
            "text lost",
            "Glued together, your pieces are not the text: something is lost, changed or doubled. `findall` "
            "is silent about what no rule takes.",
            loses_text,
        ),
        Law("letters and digits mixed", "A piece holds letters and digits. Those are two rules.", mixes),
    ),
    cases=(
        Case("plain words", _plain),
        Case("words with apostrophes", _every("endings"), times=4),
        Case("numbers", _every("numbers"), times=4),
        Case("signs, an underscore, an emoji", _every("signs"), times=4),
        Case("letters and digits of other scripts", _every("scripts"), times=4),
        Case("runs of white space", _text("words", "white", "numbers", "signs", glue=""), times=12),
        Case("everything at once", _text(*CHUNKS), times=12),
    ),
    shortcuts=("tinygpt.tokenizers", "tiktoken", "tokenizers"),
)
