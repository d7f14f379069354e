"""Continuous batching: a row that ends makes room for the next request at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from tinygpt.models import GPT, uncompiled
from tinygpt.sampling.draws import Draws, pick_at
from tinygpt.sampling.history import HistoryFilter
from tinygpt.sampling.pipeline import Filter, apply
from tinygpt.sampling.prefixes import PromptCache
from tinygpt.sampling.prompts import read_prompts
from tinygpt.sampling.slots import Slots
from tinygpt.sampling.stopping import Stop

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from tinygpt.tokenizers import Tokenizer


class Request(NamedTuple):
    """What one asks for; the fields are those of `generate`.

    Attributes:
        prompt: ids of one sequence.
        max_new_tokens: 1 or more.
        filters: of this request.
        seed: of this request.
        stop: ids or texts that end it.
    """

    prompt: Sequence[int] | Tensor
    max_new_tokens: int = 100
    filters: Sequence[Filter] = ()
    seed: int | None = None
    stop: Iterable[int | str] = ()


class Served(NamedTuple):
    """A finished answer. Steps count from 1, and each gives every busy slot one token.

    Attributes:
        request: its number, from 0.
        ids: prompt and new tokens.
        first: the step at which it got a slot, its prompt was read and its first new token came.
        ended: the step at which its last one came.
    """

    request: int
    ids: Int[Tensor, " T"]
    first: int
    ended: int


def serve(
    model: GPT,
    requests: Iterable[Request | Sequence[int]],
    *,
    n_slots: int = 8,
    tok: Tokenizer | None = None,
    prefixes: PromptCache | None = None,
    refill: bool = True,
) -> Iterator[Served]:
    """Yields the answers to all requests as they end, `n_slots` of which are worked on together.

    Before each step, every slot whose answer has ended gets the next request. So no slot waits for the
    longest answer of a batch, and a short answer does not wait for it either. A request gets the tokens
    that `generate` with its seed gives it alone, but for rounding.

    Args:
        model: in whatever mode.
        requests: any number, or prompts alone; each is taken when a slot is free.
        n_slots: rows of the batch, 1 or more.
        tok: whose tokens they are; only needed when some `stop` has texts.
        prefixes: keys and values of prompts, so that what a prompt begins with is read once.
        refill: False lets all answers of a batch end before others begin, for comparison.

    Raises:
        ValueError: for fewer than 1 slot, or a request that `generate` would refuse; its number is named.

    Example:
        >>> from tinygpt.models import GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=16, n_layers=1, d_model=16), seed=0)
        >>> requests = [Request([1, 2], max_new_tokens=n, seed=0) for n in (5, 2, 2)]
        >>> [(one.request, one.first, one.ended) for one in serve(model, requests, n_slots=2)]
        [(1, 1, 2), (2, 3, 4), (0, 1, 5)]

    Source: Yu et al. 2022, "Orca", section 3.1, iteration-level scheduling.
    """
    model = uncompiled(model)
    if not isinstance(model, GPT):
        raise ValueError(f"serve runs a GPT; got a {type(model).__name__}. generate runs others.")
    if n_slots < 1:
        raise ValueError(f"n_slots must be 1 or more; got {n_slots}.")
    slots = Slots(model, n_slots, model.config.context, prefixes)
    return _Server(slots, requests, n_slots, tok, refill).answers()


@dataclass
class _Row:
    """A request in its slot: the tokens so far, of which those before `start` are forgotten."""

    number: int
    ids: list[int]
    request: Request
    filters: tuple[Filter, ...]
    draws: Draws
    stop: Stop
    n_new: int = 0
    start: int = 0

    @property
    def looks_back(self) -> bool:
        return any(isinstance(one, HistoryFilter) for one in self.filters)

    def takes(self, token: int, step: int) -> Served | None:
        """Appends a token, and returns the answer if that was its last one."""
        self.ids.append(token)
        self.n_new += 1
        if not self.stop.ends(token) and self.n_new < self.request.max_new_tokens:
            return None
        return Served(self.number, torch.tensor(self.ids), step - self.n_new + 1, step)


class _Server:
    def __init__(
        self,
        slots: Slots,
        requests: Iterable[Request | Sequence[int]],
        n_slots: int,
        tok: Tokenizer | None,
        refill: bool,
    ) -> None:
        self.slots, self.waiting, self.tok, self.refill = slots, enumerate(requests), tok, refill
        self.n_slots, self.rows, self.length = n_slots, [], slots.model.config.context

    def answers(self) -> Iterator[Served]:
        step = 0
        while self._fill():
            step += 1
            logits = self.slots.step(self._ids([row.ids[-1] for row in self.rows]))
            served = [row.takes(t, step) for row, t in zip(self.rows, self._drawn(logits), strict=True)]
            self.rows = [None if end else row for row, end in zip(self.rows, served, strict=True)]
            yield from filter(None, served)

    def _fill(self) -> bool:
        """Gives free slots to those who wait, and drops the others; says whether there is work."""
        if self.refill or not any(self.rows):
            if not any(self.rows):
                self.slots.clear(self.n_slots)
                self.rows = [None] * self.n_slots
            for slot, row in enumerate(self.rows):
                if row is None and (following := next(self.waiting, None)):
                    self.rows[slot] = self._row(*following)
                    self._read(slot)
        busy = [slot for slot, row in enumerate(self.rows) if row]
        if busy and len(busy) < len(self.rows):
            self.slots.select(self._ids(busy))
            self.rows = [self.rows[slot] for slot in busy]
        for slot, row in enumerate(self.rows):
            if row and len(row.ids) - row.start > self.length:
                self._read(slot)
        return bool(busy)

    def _row(self, number: int, request: Request | Sequence[int]) -> _Row:
        request = request if isinstance(request, Request) else Request(request)
        try:
            prompts = read_prompts(request.prompt, self.slots.model)
            if len(prompts.rows) > 1 or request.max_new_tokens < 1:
                raise ValueError(
                    f"there must be one prompt and 1 new token or more; got {len(prompts.rows)} and "
                    f"{request.max_new_tokens}."
                )
            draws, stop = Draws(request.seed, 1, prompts.rows.device), Stop.of(request.stop, self.tok, 1)
        except ValueError as error:
            raise ValueError(f"request {number}: {error}") from error
        return _Row(number, prompts.rows[0].tolist(), request, tuple(request.filters), draws, stop)

    def _read(self, slot: int) -> None:
        """Reads all tokens of a row but the last, or its newer half if they are too many."""
        row = self.rows[slot]
        if len(row.ids) - row.start > self.length:
            row.start = len(row.ids) - (self.length + 1) // 2
        self.slots.put(slot, self._ids(row.ids[row.start : -1]), prompt=not row.n_new)

    def _drawn(self, logits: Float[Tensor, "B V"]) -> list[int]:
        """Draws a token for each row; rows with the same filters are filtered together."""
        groups: dict[object, list[int]] = {}
        for slot, row in enumerate(self.rows):
            groups.setdefault(slot if row.looks_back else row.filters, []).append(slot)
        tokens = [0] * len(self.rows)
        for slots in groups.values():
            rows = [self.rows[slot] for slot in slots]
            ids = self._ids(rows[0].ids)[None] if rows[0].looks_back else None
            # Some rows of the logits are a copy, into which a filter may write.
            scores = apply(rows[0].filters, logits[slots].float(), ids, rows[0].n_new)
            drawn = pick_at(scores, torch.cat([row.draws.next() for row in rows]))
            for slot, token in zip(slots, drawn.tolist(), strict=True):
                tokens[slot] = token
        return tokens

    def _ids(self, ids: list[int]) -> Int[Tensor, " n"]:
        return torch.tensor(ids, dtype=torch.long, device=self.slots.model.device)
