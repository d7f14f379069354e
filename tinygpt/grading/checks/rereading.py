"""The bug hunt of chapter 12: what is wrong with a cache that can only be used?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
from torch import Generator, Tensor

from tinygpt.grading.checks.draws import dice
from tinygpt.grading.checks.faulty_cache import KINDS, Reader
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

WORDS = ("mask", "position", "row", "rewind")


def faults_oracle(reader: Reader) -> list[str]:
    """The truth, known from how the reader was made."""
    found = {KINDS[fault] for fault in reader.faults}
    return [word for word in WORDS if word in found]


def faults_attempt(
    reader: Reader,
    *,
    mask: str = "both",
    position: str = "pieces",
    row: str = "all",
    rewind: str = "all",
    always: str = "",
    never: str = "",
    one: bool = False,
    reverse: bool = False,
) -> list[str]:
    """Four experiments with a knob for each known way to go wrong."""
    ways = {"mask": mask, "position": position, "row": row, "rewind": rewind}
    found = {word: _finds(word, way, reader) for word, way in ways.items()}
    words = [word for word in WORDS if (found[word] or word == always) and word != never]
    return words[:1] if one else words[::-1] if reverse else words


@lru_cache(maxsize=4096)
def _finds(word: str, way: str, reader: Reader) -> bool:
    """Whether an experiment finds its fault: asked once, as mistakes share most of them."""
    return {"mask": MASK, "position": POSITION, "row": ROW, "rewind": REWIND}[word][way](reader)


Probe = Callable[[Reader], bool]
TEXT, OTHER = [3, 1, 4, 1, 5, 9, 2, 6], [2, 7, 1, 8, 2, 8, 1, 8]


def _pieces(reader: Reader, *pieces: list[int]) -> Tensor:
    """The logits after each token of a text that is read in these pieces."""
    cache = reader.fresh()
    return torch.cat([reader.read(cache, [piece]) for piece in pieces if piece], 1)[0]


def _far(a: Tensor, b: Tensor) -> bool:
    return not torch.allclose(a, b, atol=1e-9)


def _future(reader: Reader, *before: list[int]) -> bool:
    """Whether a token changes what stands before it in its piece."""
    one, other = (_pieces(reader, *before, [5, 9, last]) for last in (2, 6))
    return _far(one[:-1], other[:-1])


def _deaf(reader: Reader, old: list[int], new: list[int], *, changed: Sequence[int]) -> bool:
    """Whether a new token does not notice that a token of the past is another."""
    for at in changed:
        other = [*old[:at], 8, *old[at + 1 :]]
        gap = _pieces(reader, old, new)[len(old) :] - _pieces(reader, other, new)[len(old) :]
        if (gap.abs().amax(-1) < 1e-9).any():
            return True
    return False


def _whole_differs(reader: Reader, *pieces: list[int]) -> bool:
    return _far(_pieces(reader, TEXT), _pieces(reader, *pieces))


OLD, NEW = [3, 1, 4, 1], [5, 9, 2]


def _mask(reader: Reader) -> bool:
    return _future(reader) or _future(reader, OLD) or _deaf(reader, OLD, NEW, changed=range(4))


ONE_BY_ONE = [[token] for token in TEXT]
HALVES = [TEXT[:4], TEXT[4:]]
MASK: dict[str, Probe] = {
    "both": _mask,
    "future": lambda r: _future(r) or _future(r, OLD),
    "fresh": lambda r: _future(r) or _deaf(r, OLD, NEW, changed=range(4)),
    "later": lambda r: _future(r, OLD) or _deaf(r, OLD, NEW, changed=range(4)),
    "past": lambda r: _deaf(r, OLD, NEW, changed=range(4)),
    "first of the past": lambda r: _future(r) or _future(r, OLD) or _deaf(r, OLD, NEW, changed=[0]),
    "any difference": lambda r: _whole_differs(r, *HALVES) or _whole_differs(r, *ONE_BY_ONE),
    "halves only": lambda r: _whole_differs(r, *HALVES) and not _whole_differs(r, *ONE_BY_ONE),
}
POSITION: dict[str, Probe] = {
    "pieces": lambda r: not _mask(r) and _whole_differs(r, TEXT[:4], *ONE_BY_ONE[4:]),
    "one by one": lambda r: not _mask(r) and _whole_differs(r, *ONE_BY_ONE),
    "any difference": lambda r: _whole_differs(r, *HALVES) or _whole_differs(r, *ONE_BY_ONE),
}


def _selected(reader: Reader, rows: list[int], *, then: int = 1) -> bool:
    """Whether selected rows go on otherwise than rows that were read like that from the start."""
    texts = [TEXT[:4], OTHER[:4], [7, 7, 3, 0]]
    new = [[6, 2, 9], [0, 5, 4], [10, 1, 8]]
    cache, wanted = reader.fresh(3), reader.fresh(len(rows))
    reader.read(cache, texts)
    reader.select(cache, rows)
    reader.read(wanted, [texts[row] for row in rows])
    outs = []
    for step in range(then):
        tokens = [[new[i][step]] for i in range(len(rows))]
        outs.append(_far(reader.read(cache, tokens), reader.read(wanted, tokens)))
    return any(outs)


ROW: dict[str, Probe] = {
    "all": lambda r: _selected(r, [2, 0, 1]) or _selected(r, [1, 1, 0], then=2),
    "order": lambda r: _selected(r, [2, 0, 1]),
    "as from the whole": lambda r: _selected_whole(r),
}


def _selected_whole(reader: Reader) -> bool:
    """Compared with texts that are read in one piece, so that other faults show up too."""
    cache = reader.fresh(2)
    reader.read(cache, [TEXT[:4], OTHER[:4]])
    reader.select(cache, [1, 1])
    reader.read(cache, [[5], [6]])
    got = reader.read(cache, [[7], [7]])[:, -1]
    wanted = reader.read(reader.fresh(2), [[*OTHER[:4], 5, 7], [*OTHER[:4], 6, 7]])[:, -1]
    return _far(got, wanted)


def _after(reader: Reader, old: list[int], junk: list[int], new: list[int]) -> Tensor:
    """The logits after a text and new tokens, with something between that was read and forgotten."""
    cache = reader.fresh()
    reader.read(cache, [old])
    if junk:
        reader.read(cache, [junk])
        reader.rewind(cache, len(old))
    return reader.read(cache, [new])[0]


REWIND: dict[str, Probe] = {
    "all": lambda r: _far(_after(r, OLD, [8, 8, 8], [6]), _after(r, OLD, [], [6])),
    "two kinds": lambda r: _far(_after(r, OLD, [8, 8, 8], [6]), _after(r, OLD, [7, 0, 10], [6])),
    "as from the whole": lambda r: _far(_after(r, OLD, [8, 8, 8], [6])[-1], _pieces(r, [*OLD, 6])[-1]),
}


def accuses_a_sound_reader(call: Call, args: tuple, got: list[str]) -> bool:
    return bool(call(Reader()) or call(Reader(seed=1)))


def invents(call: Call, args: tuple, got: list[str]) -> bool:
    return bool(set(got) - set(WORDS))


def _reader(*faults: str) -> Callable[[Generator], tuple]:
    return lambda g: (Reader(faults, dice(g).randrange(50)),)


def _any(*words: str) -> Callable[[Generator], tuple]:
    """One of the faults that go by each of these words, which can all be seen beside each other."""

    def draw(g: Generator) -> tuple:
        rng = dice(g)
        while True:
            faults = tuple(rng.choice([f for f, kind in KINDS.items() if kind == word]) for word in words)
            if not {"restart", "places kept"} <= {*faults}:
                return (Reader(faults, rng.randrange(50)),)

    return draw


NEVER_FOUND = {
    "mask": "Read several tokens at once. Does one change what stands before it? Does each notice the past?",
    "position": "Where every token sees what it should, and still one piece and two give different answers, "
    "something else depends on the pieces.",
    "row": "Read rows that differ, select some in another order, and compare with rows read like that.",
    "rewind": "Read something and rewind. Nothing that follows may notice.",
}
ALWAYS_ACCUSED = {
    "mask": "In a sound cache no token changes what stands before it, and each depends on all of the past.",
    "position": "In a sound cache it makes no difference in which pieces a text comes.",
    "row": "Selected rows of a sound cache go on as if they had stood there from the start.",
    "rewind": "A sound cache that is rewound goes on as if the rest had never come.",
}
SAME_PIECES = (
    "Compare with a cache that has read the *same pieces* of one length: then other faults are on both "
    "sides, and cancel."
)
cache_faults = Exercise(
    name="cache_faults",
    arguments=("reader",),
    returns="a list of words",
    reference=faults_oracle,
    attempt=faults_attempt,
    faults=(
        Fault(
            "only the future watched",
            "You look for tokens that see what comes later. Other masks hide too much: several new tokens "
            "at once do not see all of the past.",
            {"mask": "future"},
        ),
        Fault(
            "only the past watched",
            "You look for tokens that do not see the past. Other masks hide too little: of several new "
            "tokens, some see those behind them.",
            {"mask": "past"},
        ),
        Fault(
            "future watched in an empty cache only",
            "You look for the future in the first piece. One mask leaks only where the cache has something "
            "in it.",
            {"mask": "fresh"},
        ),
        Fault(
            "first token of the past only",
            "You change the first token of the past, or ask the last of many new tokens. With a mask at "
            "the wrong corner those still notice: change each token of a longer past, and ask each new one.",
            {"mask": "first of the past"},
        ),
        Fault(
            "every difference called mask",
            'You answer "mask" when pieces make a difference. Wrong positions do that as well. A mask '
            "decides *which* tokens matter: change one, and see who notices.",
            {"mask": "any difference"},
        ),
        Fault(
            "halves against the whole",
            'You answer "mask" where two halves differ from the whole, and single tokens do not. Positions '
            "that count pieces do that too, and an open mask does not.",
            {"mask": "halves only"},
        ),
        Fault(
            "positions one by one only",
            "You read one token at a time. A place that counts pieces is right then: let a long piece come "
            "first.",
            {"position": "one by one"},
        ),
        Fault(
            "every difference called position",
            'You answer "position" when pieces make a difference. A wrong mask does that as well: rule it '
            "out first.",
            {"position": "any difference"},
        ),
        Fault(
            "rows in another order only",
            "You put rows in another order. One cache fails where a row is selected *twice*, and its copies "
            "go on with different tokens.",
            {"row": "order"},
        ),
        Fault(
            "rows against the whole",
            f"You compare selected rows with texts read in one piece. {SAME_PIECES}",
            {"row": "as from the whole"},
        ),
        Fault(
            "two kinds of junk",
            "You compare two caches that have both forgotten something, equally long. In one reader the next "
            "token stands too far behind after each: compare with a cache that never read it.",
            {"rewind": "two kinds"},
        ),
        Fault(
            "rewind against the whole",
            f"You compare a rewound cache with a text read in one piece. {SAME_PIECES}",
            {"rewind": "as from the whole"},
        ),
        *(
            Fault(f"{word} never found", f'You never answer "{word}". {says}', {"never": word})
            for word, says in NEVER_FOUND.items()
        ),
        *(
            Fault(f"{word} always accused", f'Every answer has "{word}". {says}', {"always": word})
            for word, says in ALWAYS_ACCUSED.items()
        ),
        Fault("one fault only", "You stop at the first fault. A cache may have three.", {"one": True}),
        Fault(
            "another order",
            'Right words in another order: "mask", "position", "row", "rewind".',
            {"reverse": True},
        ),
    ),
    laws=(
        Law("unknown word", 'The words are "mask", "position", "row" and "rewind".', invents),
        Law(
            "a sound cache accused",
            "A sound cache is accused. Work out what it should answer: equal but for rounding, below 10⁻⁹.",
            accuses_a_sound_reader,
        ),
    ),
    cases=(
        Case("a sound cache: the list is empty", _reader(), times=3),
        Case("a mask at the wrong corner", _reader("top left")),
        Case("tokens that see each other", _reader("open")),
        Case("tokens that see each other behind a past", _reader("open later")),
        Case("tokens that do not see the past", _reader("apart")),
        Case("pieces that start at place 0", _reader("restart")),
        Case("pieces that start too early", _reader("behind")),
        Case("places that count pieces", _reader("pieces")),
        Case("rows that stay", _reader("unmoved")),
        Case("rows that go in part", _reader("keys only")),
        Case("rows that go in one layer", _reader("one layer")),
        Case("rows that share memory", _reader("shared")),
        Case("nothing forgotten", _reader("kept")),
        Case("one token too many kept", _reader("late")),
        Case("places not rewound", _reader("places kept")),
        Case("a mask, rows and a rewind", _any("mask", "row", "rewind"), times=3),
        Case("positions, rows and a rewind", _any("position", "row", "rewind"), times=3),
        Case("a mask and a rewind", _any("mask", "rewind"), times=2),
        Case("positions and rows", _any("position", "row"), times=2),
    ),
)
