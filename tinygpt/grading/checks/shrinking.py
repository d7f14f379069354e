"""The tool in chapter 02's bug hunt: the shortest piece of a text that fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Generator

from tinygpt.grading.checks.draws import dice
from tinygpt.grading.exercise import Case, Exercise, Fault, Law


@dataclass(frozen=True)
class Failure:
    """A test of a piece of text that fails in a known way.

    It is described by two plain values, so that a judge can rebuild it in another process.

    Args:
        habit: When a piece fails: "holds" (it holds all of `what` in one), "both" (it holds each character of
            `what`, anywhere), "odd" (it holds `what` an odd number of times), "begins" (with it), "never" or
            "always".
        what: Some characters.
    """

    habit: str
    what: str = ""

    def __call__(self, piece: str) -> bool:
        return {
            "holds": self.what in piece,
            "both": all(c in piece for c in self.what),
            "odd": bool(self.what) and piece.count(self.what) % 2 == 1,
            "begins": piece.startswith(self.what),
            "never": False,
            "always": True,
        }[self.habit]


Fails = Callable[[str], bool]


def shrink_oracle(fails: Failure, text: str) -> str:
    """All pieces, sorted by length and place; the first that fails."""
    n = len(text)
    spans = sorted((end - start, start) for start in range(n) for end in range(start + 1, n + 1))
    return next((text[i : i + length] for length, i in spans if fails(text[i : i + length])), "")


def shrink_attempt(
    fails: Fails,
    text: str,
    *,
    method: str = "all",
    tie: str = "first",
    least: int = 1,
    most: int = 0,
    end: int = 1,
    nothing: str = "",
    gated: bool = False,
) -> str:
    """The search with a knob for each known way to go wrong."""
    if method != "all":
        return METHODS[method](fails, text)
    if gated and not fails(text):
        return ""
    for length in range(least, len(text) + 1 - most):
        pieces = [text[i : i + length] for i in range(len(text) - length + end)]
        if found := [piece for piece in pieces if fails(piece)]:
            return found[0 if tie == "first" else -1]
    return text if nothing == "the text" else nothing


def _trimmed(fails: Fails, text: str) -> str:
    """Shortened at the left, then at the right, as long as it fails."""
    if not fails(text):
        return ""
    while len(text) > 1 and fails(text[1:]):
        text = text[1:]
    while len(text) > 1 and fails(text[:-1]):
        text = text[:-1]
    return text


def _halved(fails: Fails, text: str) -> str:
    if not fails(text):
        return ""
    while len(text) > 1:
        half = next((h for h in (text[: len(text) // 2], text[len(text) // 2 :]) if fails(h)), None)
        if half is None:
            return text
        text = half
    return text


def _thinned(fails: Fails, text: str) -> str:
    """Characters taken out one by one, in the middle too."""
    if not fails(text):
        return ""
    i = 0
    while i < len(text):
        less = text[:i] + text[i + 1 :]
        text, i = (less, i) if less and fails(less) else (text, i + 1)
    return text


def _by_start(fails: Fails, text: str) -> str:
    """The shortest that begins at the first place where any piece fails."""
    pieces = (text[i:j] for i in range(len(text)) for j in range(i + 1, len(text) + 1))
    return next(filter(fails, pieces), "")


def _by_end(fails: Fails, text: str) -> str:
    """The shortest beginning of the text that fails."""
    return next((text[:j] for j in range(1, len(text) + 1) if fails(text[:j])), "")


def _longest(fails: Fails, text: str) -> str:
    pieces = (text[i : i + n] for n in range(len(text), 0, -1) for i in range(len(text) - n + 1))
    return next(filter(fails, pieces), "")


METHODS = {
    "trimmed": _trimmed,
    "halved": _halved,
    "thinned": _thinned,
    "by start": _by_start,
    "by end": _by_end,
    "longest": _longest,
    "characters": lambda fails, text: next(filter(fails, text), ""),
}


GUILTY, FILLER = "_=#~@&éßñλ\n", "abc "


def _scattered(habit: str, length: int) -> Callable[[Generator], tuple]:
    """A text that holds some characters here and there, in one piece now and then."""

    def draw(generator: Generator) -> tuple:
        rng = dice(generator)
        what = "".join(rng.sample(GUILTY, length))
        chunks = rng.choices([*what, *FILLER, what], k=rng.randint(9, 14))
        chunks.insert(rng.randrange(len(chunks)), what)
        return Failure(habit, what), "".join(chunks)

    return draw


def _at_the_end(generator: Generator) -> tuple:
    rng = dice(generator)
    what = "".join(rng.sample(GUILTY, rng.choice((1, 1, 3))))
    return Failure("holds", what), "".join(rng.choices(FILLER, k=rng.randint(4, 8))) + what


def _nowhere(generator: Generator) -> tuple:
    rng = dice(generator)
    return Failure("never"), "".join(rng.choices("abc", k=rng.randint(0, 6)))


def _only_the_whole(generator: Generator) -> tuple:
    text = "".join(dice(generator).sample("abcdefgh", 6))
    return Failure("holds", text), text


def _anything(generator: Generator) -> tuple:
    return Failure("always"), "".join(dice(generator).sample("abcdefgh", 5))


shrink = Exercise(
    name="shrink",
    arguments=("fails", "text"),
    returns="a piece of the text",
    reference=shrink_oracle,
    attempt=shrink_attempt,
    faults=(
        Fault(
            "trimmed at the ends",
            "You cut from the ends while it still fails. That gets stuck: a shorter piece may lie "
            "elsewhere, beyond pieces that do not fail. Try all of them, by length.",
            {"method": "trimmed"},
        ),
        Fault(
            "halved",
            "You halve the text. A failure across the middle is in neither half. Try all pieces, by length.",
            {"method": "halved"},
        ),
        Fault(
            "characters taken out of the middle",
            "You take characters out of the middle, so the answer never stood in the text. Pieces are "
            "consecutive.",
            {"method": "thinned"},
        ),
        Fault(
            "first place first",
            "You take the first *place* where something fails. Shorter comes before earlier: the outer loop "
            "goes over lengths.",
            {"method": "by start"},
        ),
        Fault(
            "beginnings only",
            "All your pieces start where the text starts. They may start anywhere.",
            {"method": "by end"},
        ),
        Fault(
            "longest first",
            "This is the *longest* piece that fails. Start from length 1.",
            {"method": "longest"},
        ),
        Fault(
            "single characters only",
            "You try single characters only. A failure may take several: go on with length 2.",
            {"method": "characters"},
        ),
        Fault("last of several", "Of several equally short ones the *first* is wanted.", {"tie": "last"}),
        Fault("starts at length 2", "A single character may fail too: start from length 1.", {"least": 2}),
        Fault(
            "starts at length 0",
            "A piece has one character or more: start from length 1.",
            {"least": 0},
        ),
        Fault(
            "whole text asked first",
            "You give up where the whole text does not fail. A piece may fail all the same: more text can "
            "hide a failure.",
            {"gated": True},
        ),
        Fault(
            "whole text left out",
            "The whole text is a piece too: lengths go up to and including `len(text)`.",
            {"most": 1},
        ),
        Fault(
            "last piece left out",
            "The last piece of each length is left out: starts go from 0 to `len(text) - length`, both "
            "included.",
            {"end": 0},
        ),
        Fault(
            "text returned when nothing fails",
            'Where no piece fails the answer is `""`, not the text.',
            {"nothing": "the text"},
        ),
    ),
    laws=(
        Law(
            "not in the text",
            "Your answer does not stand in the text.",
            lambda call, args, got: got not in args[1],
        ),
        Law(
            "does not fail",
            "Your answer does not fail.",
            lambda call, args, got: got != "" and not args[0](got),
        ),
        Law(
            "not the shortest",
            "Your answer fails, but so does a piece elsewhere that is shorter, or as short and earlier. "
            "Cutting from the ends gets stuck: try all pieces, by length.",
            lambda call, args, got: len(got) > len(shrink_oracle(*args)) > 0,
        ),
    ),
    cases=(
        Case("one character that fails", _scattered("holds", 1), times=3),
        Case("three characters that fail together", _scattered("holds", 3), times=4),
        Case("two characters that fail in one piece, near or far", _scattered("both", 2), times=8),
        Case("a failure that twice as much hides", _scattered("odd", 1), times=4),
        Case("a failure that depends on where the piece starts", _scattered("begins", 2), times=3),
        Case("a failure at the very end", _at_the_end, times=4),
        Case("the whole text and nothing shorter", _only_the_whole, times=2),
        Case(
            "everything fails, or nothing",
            lambda g: (_anything if dice(g).random() < 0.5 else _nowhere)(g),
            times=6,
        ),
    ),
)
