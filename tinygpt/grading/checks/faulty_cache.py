"""A small transformer whose cache may be faulty: what the bug hunt of chapter 12 examines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import torch
from torch import Tensor

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
        if ids.min() < 0 or ids.max() >= VOCAB or cache.place + T > LONGEST:
            raise ValueError(f"wanted tokens from 0 to {VOCAB - 1}, and at most {LONGEST} in a cache.")
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
