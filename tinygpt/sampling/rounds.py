"""Speculation inside the compiled loops, where nothing but temperature and greed is wanted of the filters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tinygpt.sampling.draws import NOTHING_LEFT, Draws
from tinygpt.sampling.filters import keep_best
from tinygpt.sampling.packing import loops, up
from tinygpt.sampling.pipeline import Filter
from tinygpt.sampling.rewinding import Reading

if TYPE_CHECKING:
    from jaxtyping import Int

    from tinygpt.sampling.fast import FastModel

OUTCOMES = ("proposed", "accepted", "rounds", "used", "stopped")


def sharpness(filters: Sequence[Filter]) -> float | None:
    """Returns 1 / temperature where filters do nothing else, 0 for the likeliest token; otherwise None."""
    if filters and filters[-1] is keep_best:
        return None if sharpness(filters[:-1]) is None else 0.0
    product = 1.0
    for one in filters:
        if (factor := getattr(one, "sharpness", None)) is None:
            return None
        product *= factor
    return product


def looped(
    model: FastModel,
    draft: FastModel | None,
    ids: Int[Tensor, " T"],
    n_new: int,
    *,
    n_drafted: int,
    back: int,
    sharp: float,
    draws: Draws,
    stops: Int[Tensor, " n"],
) -> tuple[Int[Tensor, " longer"], int, int, int]:
    """Returns what `speculative` does: the ids, how many tokens were proposed and taken, and the rounds.

    Without a draft, what followed the `back` last tokens is looked up.
    """
    own, n, end, V = loops(), len(ids), len(ids) + n_new, model.config.vocab_size
    readings = [Reading(one, min(one.config.context, end)) for one in (model, draft) if one]
    text, counts = np.empty(end, np.int64), np.zeros(len(OUTCOMES), np.int64)
    text[:n] = ids.numpy()
    points = draws.take((2 * n_drafted + 1) * n_new).numpy()
    way = own.Way(n_drafted, back, np.float32(sharp), points, stops.numpy())
    room = own.Room(
        np.empty((n_drafted + 1 + own.COLUMNS, up(V, own.LANES)), np.float32),
        np.empty((n_drafted, V), np.float32),
        np.empty(V, np.float32),
    )
    while n < end and not counts[OUTCOMES.index("stopped")]:
        readers = [_reader(own, one, n) for one in readings]
        n = own.speculated(readers[0], readers[-1], way, room, text, n, end, counts)
        if counts[OUTCOMES.index("used")] < 0:
            raise ValueError(NOTHING_LEFT)
        for reading, reader in zip(readings, readers, strict=True):
            reading.read = int(reader.place[1])
            reading.inner.used = reading.read - reading.earliest
    return torch.from_numpy(text[:n].copy()), *(int(count) for count in counts[:3])


def _reader(own, reading: Reading, n: int):
    reading.begin(n)
    model, place = reading.model, np.array([reading.earliest, reading.read])
    return own.Reader(model.weights, model.shape, reading.inner.state, place, reading.length)
