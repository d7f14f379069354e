"""Exercise 1 of chapter 01: bits per byte."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import chain

from torch import Generator

from tinygpt.grading.checks.draws import dice
from tinygpt.grading.exercise import Case, Exercise, Fault, Law

Question = tuple[list[list[float]], list[str]]
WORLD = ("naïve", "straße", "Łódź", "чай", "東京", "茶", "नमस्ते", "🌱", "😀", "€", "…", "tea", "at", "in")


def bits_oracle(losses: list[list[float]], texts: list[str]) -> float:
    return math.fsum(chain.from_iterable(losses)) * math.log2(math.e) / len(bytes("".join(texts), "utf-8"))


LENGTHS: dict[str, Callable[[str], int]] = {
    "bytes": lambda text: len(text.encode()),
    "characters": len,
    "words": lambda text: len(text.split()),
    "stripped": lambda text: len(text.strip().encode()),
    "and end": lambda text: len(text.encode()) + 1,
    "and <|end|>": lambda text: len(text.encode()) + 7,
    "utf-16": lambda text: len(text.encode("utf-16")),
    "utf-16 unmarked": lambda text: len(text.encode("utf-16-le")),
    "utf-8-sig": lambda text: len(text.encode("utf-8-sig")),
}
UNITS = {"bits": 1 / math.log(2), "nats": 1.0, "times": math.log(2), "log 10": 1 / math.log(10)}


def bits_attempt(
    losses: list[list[float]],
    texts: list[str],
    *,
    length: str = "bytes",
    unit: str = "bits",
    average: str = "all",
    paid: str = "all",
    glue: int = 0,
) -> float:
    """Bits per byte with a knob for each known way to go wrong."""
    cut = {"all": slice(None), "no end": slice(-1), "no start": slice(1, None)}[paid]
    nats = [sum(row[cut]) * UNITS[unit] for row in losses]
    tokens = [len(row[cut]) for row in losses]
    counts = tokens if length == "tokens" else [LENGTHS[length](text) for text in texts]
    if average == "documents":
        return sum(a / n for a, n in zip(nats, counts, strict=True)) / len(texts)
    if average == "documents with bytes":
        each = [a / n for a, n in zip(nats, counts, strict=True) if n]
        return sum(each) / len(each)
    if average == "documents, 0 for none":
        return sum(a / n if n else 0.0 for a, n in zip(nats, counts, strict=True)) / len(texts)
    if average == "tokens":
        return sum(nats) / sum(tokens) / sum(counts)
    if average == "upside down":
        return sum(counts) / sum(nats)
    if average == "first":
        return nats[0] / counts[0]
    if average == "none":
        return sum(nats)
    return sum(nats) / (sum(counts) + glue * (len(counts) - 1))


def _paid(generator: Generator, texts: list[str], size: int = 3) -> Question:
    """Prices for texts that are cut into tokens of about `size` characters."""
    rng = dice(generator)
    tokens = [len(text) // rng.randint(1, size) + bool(text) for text in texts]
    return [[round(rng.uniform(0.1, 6), 2) for _ in range(n + 1)] for n in tokens], texts


def _some(generator: Generator, n: int, words: tuple[str, ...] = WORLD) -> str:
    return " ".join(dice(generator).choices(words, k=n))


def _borders(generator: Generator) -> Question:
    return _paid(generator, [f"\n  {_some(generator, 3)}\r\n", f"\t{_some(generator, 2)} \n\n"])


def _with_an_empty_one(generator: Generator) -> Question:
    return _paid(generator, [_some(generator, 4), "", _some(generator, 2)])


ENGLISH = ("the", "cat", "sat", "on", "a", "mat", "and", "slept", "well")
AVERAGES = (
    "You averaged over documents: a short one counts as much as a long one. Add up everything, then divide "
    "once."
)
ENCODING = "Bytes are those of UTF-8, without a byte-order mark: `text.encode()`."

bits_per_byte = Exercise(
    name="bits_per_byte",
    arguments=("losses", "texts"),
    returns="a number",
    reference=bits_oracle,
    attempt=bits_attempt,
    faults=(
        Fault(
            "characters, not bytes",
            "You divide by characters. `len(text)` is right for plain English only: é has two bytes, 東 "
            "three and 😀 four. `len(text.encode())` counts bytes.",
            {"length": "characters"},
        ),
        Fault(
            "nats, not bits",
            "These are nats per byte. A bit is ln 2 nats, so divide by `math.log(2)` too.",
            {"unit": "nats"},
        ),
        Fault(
            "multiplied by ln 2",
            "You multiply by ln 2. A bit is the smaller unit, so there are *more* bits than nats: divide by "
            "it.",
            {"unit": "times"},
        ),
        Fault("divided by ln 10", "You divide by ln 10. A bit is ln 2 nats.", {"unit": "log 10"}),
        Fault(
            "per token",
            "You divide by the number of tokens. That depends on how the text was cut; bytes do not.",
            {"length": "tokens"},
        ),
        Fault("average of averages", AVERAGES, {"average": "documents"}),
        Fault("average of averages, empty ones left out", AVERAGES, {"average": "documents with bytes"}),
        Fault("average of averages, empty ones as 0", AVERAGES, {"average": "documents, 0 for none"}),
        Fault(
            "mean loss over bytes",
            "You divide the *mean* loss per token by the bytes, so the tokens are counted out twice. Take "
            "the sum.",
            {"average": "tokens"},
        ),
        Fault(
            "end not paid",
            "The last price of each document, for its end, is left out. Whoever unpacks must be told where "
            "it ends.",
            {"paid": "no end"},
        ),
        Fault(
            "start not paid",
            "The first price of each document is left out. A model pays for its first token like for any "
            "other.",
            {"paid": "no start"},
        ),
        Fault(
            "end counted as a byte",
            "You count a byte more per document, as if the end were in the text. It costs, but has no bytes.",
            {"length": "and end"},
        ),
        Fault(
            "end counted as bytes",
            "You count the letters of `<|end|>`, which is not in the text. The end costs, but has no bytes.",
            {"length": "and <|end|>"},
        ),
        Fault(
            "joined with something",
            "You join the texts with a space or a line end, and count it. Nothing stands between the "
            "documents.",
            {"glue": 1},
        ),
        Fault(
            "blanks cut off",
            "You strip the texts before you count. Blanks and line ends are bytes too, and were paid for.",
            {"length": "stripped"},
        ),
        Fault("another encoding", ENCODING, {"length": "utf-16"}),
        Fault("another encoding, unmarked", ENCODING, {"length": "utf-16 unmarked"}),
        Fault("byte-order mark", ENCODING, {"length": "utf-8-sig"}),
        Fault("per word", "You divide by words. Divide by bytes: `len(text.encode())`.", {"length": "words"}),
        Fault(
            "upside down",
            "These are bytes per bit. Bits go above the line, bytes below.",
            {"average": "upside down"},
        ),
        Fault(
            "first document only",
            "Only the first document counts. Add up the nats and the bytes of all of them.",
            {"average": "first"},
        ),
        Fault(
            "not divided",
            "This is the whole bill, in bits. Divide by the number of bytes.",
            {"average": "none"},
        ),
    ),
    laws=(
        Law(
            "depends on the order",
            "The order of the documents changes your answer. It is one bill for all: add up, then divide.",
            lambda call, args, got: abs(call(*(part[::-1] for part in args)) - got) > 1e-3,
        ),
    ),
    cases=(
        Case("one sentence of plain English", lambda g: _paid(g, [_some(g, 6, ENGLISH)])),
        Case("accents, other scripts, an emoji", lambda g: _paid(g, [_some(g, 6), _some(g, 5)])),
        Case(
            "a short document beside a long one", lambda g: _paid(g, [_some(g, 2), _some(g, 20), _some(g, 4)])
        ),
        Case("blanks and line ends at the borders", _borders),
        Case(
            "an empty document among others",
            _with_an_empty_one,
            advice="A document without bytes still pays for its end.",
        ),
    ),
    shortcuts=("tinygpt.data.bits_per_byte",),
)
