"""Rounds of speculative decoding, one after the other without Python between them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinygpt.sampling.loops.arrays import Shape, State, Weights, compiled, entry
from tinygpt.sampling.loops.draws import landed, leave, likeliest, soften
from tinygpt.sampling.loops.numbers import borrowed
from tinygpt.sampling.loops.steps import read_all


class Reader(NamedTuple):
    """A model and its sequence: `place` has the first token that it holds, and up to where it has read."""

    weights: Weights
    shape: Shape
    state: State
    place: np.ndarray
    length: int


class Way(NamedTuple):
    """How tokens are chosen: sharpness is 1 / temperature, 0 for the likeliest; points are from 0 to 1.

    Where `back` is not 0, no draft guesses, but what followed that many last tokens when they last came.
    """

    n_drafted: int
    back: int
    sharpness: float
    points: np.ndarray
    stops: np.ndarray


class Room(NamedTuple):
    """Room to work in: logits of the model, q at each guess, p."""

    logits: np.ndarray
    q: np.ndarray
    p: np.ndarray


@compiled
def _room(reader, n):
    """How many tokens can follow the n first ones until the reader must forget some."""
    return reader.place[0] + reader.length - n


@compiled
def _read(reader, ids, n, out, last):
    first, done = reader.place
    read_all(reader.weights, reader.shape, reader.state, ids[done:n], done - first, out, last)
    reader.place[1] = n


@compiled
def _guess(draft, way, room, ids, n, k, used):
    """Writes k guesses after the n first tokens; returns how many points were used, −1 if there is no q."""
    V, logits = room.q.shape[1], draft.state.logits
    for i in range(k):
        _read(draft, ids, n + i, logits, 1)
        if way.sharpness == 0:
            ids[n + i] = likeliest(logits[0, :V])
            continue
        if not soften(logits[0, :V], way.sharpness, room.q[i]):
            return -1
        ids[n + i] = landed(room.q[i], way.points[used])
        used += 1
    return used


@compiled
def _look_up(back, q, ids, n, k):
    """Writes up to k guesses after the n first tokens: what followed the last ones. Returns how many."""
    for start in range(n - back - 1, -1, -1):
        after = start + back
        same = True
        for i in range(back):
            same &= ids[start + i] == ids[n - back + i]
        if same:
            k = min(k, n - after)
            q[:k] = 0
            for i in range(k):
                ids[n + i] = ids[after + i]
                q[i, ids[n + i]] = 1
            return k
    return 0


@compiled
def _judge(way, room, ids, n, k, used):
    """Returns how many guesses are taken and the points used; the token that follows them is written."""
    V = len(room.p)
    for i in range(k + 1):
        row, guess = room.logits[i, :V], ids[n + i]
        if way.sharpness == 0:
            ids[n + i] = likeliest(row)
            if i == k or ids[n + i] != guess:
                return i, used
            continue
        if not soften(row, way.sharpness, room.p):
            return i, -1
        refused = False
        if i < k:
            refused = way.points[used] * room.q[i, guess] >= room.p[guess]
            used += 1
        if refused:
            leave(room.p, room.q[i])
        if refused or i == k:
            ids[n + i] = landed(room.p, way.points[used])
            return i, used + 1
    return k, used


@compiled
def _ended(ids, first, n, stops):
    """Where the text ends with one of these tokens; 0 if nowhere."""
    for i in range(first, n):
        for stop in stops:
            if ids[i] == stop:
                return i + 1
    return 0


def entries(together: str) -> dict[str, Any]:
    """The function that Python calls; see `stamp`."""

    @entry
    def speculated(model, draft, way, room, ids, n, end, counts):
        """Continues the n first tokens up to `end`, a stop, or where a reader must forget; returns how many.

        Where nobody drafts, the draft is the model. Adds to `counts`: proposed, accepted, rounds, points used
        (−1: logits are no numbers), stopped.
        """
        _ = together
        model, draft, way, room = borrowed(model), borrowed(draft), borrowed(way), borrowed(room)
        ids, counts = borrowed(ids), borrowed(counts)
        while n < end:
            k = min(way.n_drafted, _room(model, n), _room(draft, n) + 1, end - n - 1)
            if _room(model, n) < 0 or _room(draft, n) < 0:
                break
            used = counts[3]
            if way.back:
                k = _look_up(way.back, room.q, ids, n, k)
            else:
                used = _guess(draft, way, room, ids, n, k, used)
            if used >= 0:
                _read(model, ids, n + k, room.logits, k + 1)
                taken, used = _judge(way, room, ids, n, k, used)
            counts[3] = used
            if used < 0:
                break
            counts[0] += k
            counts[1] += taken
            counts[2] += 1
            stopped = _ended(ids, n, n + taken + 1, way.stops)
            n = stopped if stopped else n + taken + 1
            # one by one: a loop over both would want weights of one kind
            model.place[1] = min(model.place[1], n - 1)
            draft.place[1] = min(draft.place[1], n - 1)
            if stopped:
                counts[4] = 1
                break
        return n

    return {"speculated": speculated}
