"""The bug hunt of chapter 12: what is wrong with a cache that can only be used?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import torch
from torch import Generator, Tensor

from tinygpt.grading.checks.draws import dice
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

WORDS = ("mask", "position", "row", "rewind")
VOCAB, WIDTH, LONGEST, LAYERS = 11, 6, 64, 2
MOST_ROWS = 1000
KINDS = {
    "top left": "mask",
    "open": "mask",
    "open later": "mask",
    "apart": "mask",
    "restart": "position",
    "behind": "position",
    "pieces": "position",
    "unmoved": "row",
    "keys only": "row",
    "one layer": "row",
    "shared": "row",
    "kept": "rewind",
    "late": "rewind",
    "places kept": "rewind",
}


@dataclass
class Cache:
    """What a reader remembers: keys and values of each layer (B, S, D), and where the next token stands."""

    keys: list[Tensor]
    values: list[Tensor]
    place: int = 0
    starts: list[int] = field(default_factory=list)
    source: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Reader:
    """A small fixed transformer with a cache, with known faults.

    Args:
        faults: any of "top left" (the mask of several tokens starts at the first key), "open" (tokens that
            come at once see each other), "open later" (only if the cache is not empty) and "apart" (several
            at once do not see the cache), which go by the word "mask"; "restart" (each piece starts at place
            0), "behind" (all but the first start a place too early) and "pieces" (places count pieces, not
            tokens), which go by "position"; "unmoved" (nothing follows when rows are selected), "keys only",
            "one layer" and "shared" (rows selected twice write into each other), which go by "row"; "kept"
            (nothing is forgotten), "late" (one token too many is kept) and "places kept" (the next token
            stands where it would have), which go by "rewind".
        seed: chooses the weights.
    """

    faults: tuple[str, ...] = ()
    seed: int = 0

    def fresh(self, rows: int = 1) -> Cache:
        """An empty cache for so many rows."""
        _few(rows)
        empty = torch.zeros(rows, 0, WIDTH, dtype=torch.float64)
        return Cache([empty] * LAYERS, [empty] * LAYERS, source=list(range(rows)))

    def read(self, cache: Cache, tokens: Sequence[Sequence[int]]) -> Tensor:
        """The logits (B, T, V) after each of T new tokens of B rows, which the cache then holds."""
        ids = torch.tensor(tokens)
        if ids.ndim != 2 or len(ids) != len(cache.source) or ids.shape[1] == 0:
            raise ValueError(f"wanted {len(cache.source)} rows of equally many tokens; got {tokens}.")
        T, S = ids.shape[1], cache.keys[0].shape[1]
        w = _weights(self.seed)
        x = w["tokens"][ids] + w["places"][torch.arange(T) + self._start(cache)]
        hidden = self._hidden(T, S)
        for layer in range(LAYERS):
            q, k, v = (x @ w[f"{name}{layer}"] for name in "qkv")
            if "shared" in self.faults:
                k, v = (part[self._writers(cache)] for part in (k, v))
            cache.keys[layer] = torch.cat([cache.keys[layer], k], 1)
            cache.values[layer] = torch.cat([cache.values[layer], v], 1)
            scores = q @ cache.keys[layer].mT / WIDTH**0.5
            x = x + scores.masked_fill(hidden, -torch.inf).softmax(-1) @ cache.values[layer]
        cache.starts.append(cache.place)
        cache.place += T
        return x @ w["head"]

    def select(self, cache: Cache, rows: Sequence[int]) -> None:
        """Makes these rows the batch: in another order, fewer, or one of them several times."""
        rows = list(rows)
        _few(len(rows))
        for layer in range(LAYERS):
            stay = "unmoved" in self.faults or ("one layer" in self.faults and layer == LAYERS - 1)
            places = [i % len(cache.source) for i in range(len(rows))]
            cache.keys[layer] = cache.keys[layer][places if stay else rows]
            stay |= "keys only" in self.faults
            cache.values[layer] = cache.values[layer][places if stay else rows]
        cache.source = [rows.index(row) for row in rows]

    def rewind(self, cache: Cache, length: int) -> None:
        """Forgets all but the first tokens."""
        if not 0 <= length <= cache.place:
            raise ValueError(f"wanted a length from 0 to {cache.place}; got {length}.")
        kept = length + (length < cache.place and "late" in self.faults)
        for layer in range(LAYERS if "kept" not in self.faults else 0):
            cache.keys[layer] = cache.keys[layer][:, :kept]
            cache.values[layer] = cache.values[layer][:, :kept]
        if "places kept" not in self.faults:
            cache.place = length
            cache.starts = [start for start in cache.starts if start < length]

    def _start(self, cache: Cache) -> int:
        if "restart" in self.faults:
            return 0
        if "pieces" in self.faults:
            return len(cache.starts)
        return max(cache.place - 1, 0) if "behind" in self.faults else cache.place

    def _hidden(self, T: int, S: int) -> Tensor:
        """True where new token t may not look at s, of S old ones and T new ones."""
        t, s = torch.arange(T)[:, None], torch.arange(S + T)
        hidden = s > S + t
        if "open" in self.faults or ("open later" in self.faults and S > 0):
            hidden = s > S + T
        if "top left" in self.faults and T > 1:
            hidden = s > t
        if "apart" in self.faults and T > 1:
            hidden = hidden | (s < S)
        return hidden

    def _writers(self, cache: Cache) -> list[int]:
        """For each row the last one that shares its memory, whose keys and values win."""
        last = {source: row for row, source in enumerate(cache.source)}
        return [last[source] for source in cache.source]


def _few(rows: int) -> None:
    if not 0 <= rows <= MOST_ROWS:
        raise ValueError(f"wanted at most {MOST_ROWS} rows; got {rows}.")


@lru_cache(maxsize=64)
def _weights(seed: int) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(seed)
    shapes = {"tokens": (VOCAB, WIDTH), "places": (LONGEST, WIDTH), "head": (WIDTH, VOCAB)}
    shapes |= {f"{name}{layer}": (WIDTH, WIDTH) for name in "qkv" for layer in range(LAYERS)}
    return {
        name: torch.randn(shape, generator=g, dtype=torch.float64) * (1 if shape[0] > WIDTH else 0.5)
        for name, shape in shapes.items()
    }


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
    """Whether a new token, does not notice that a token of the past is another."""
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
    "sides, "
    "and cancel."
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
            "at once "
            "do not see all of the past.",
            {"mask": "future"},
        ),
        Fault(
            "only the past watched",
            "You look for tokens that do not see the past. Other masks hide too little: of several new "
            "tokens, some "
            "see those behind them.",
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
            "You put rows in another order. One cache fails where a row is selected *twice*, and its "
            "copies go on "
            "with different tokens.",
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
