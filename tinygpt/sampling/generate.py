"""Text from a model: read the prompt, pick a token, append it, repeat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from tinygpt.models import GPT
from tinygpt.sampling.compiled import Compiled
from tinygpt.sampling.draws import Draws, pick_at
from tinygpt.sampling.fast import FastModel, continuation
from tinygpt.sampling.filters import keep_best
from tinygpt.sampling.pipeline import Filter, apply
from tinygpt.sampling.prefixes import PromptCache
from tinygpt.sampling.prompts import Prompts, read_prompts
from tinygpt.sampling.reading import Reader
from tinygpt.sampling.rounds import sharpness
from tinygpt.sampling.stopping import Stop

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

    from tinygpt.tokenizers import Tokenizer


CROWD = 0.75
"""Ended rows are dropped when no more than this share is still going: dropping copies the cache."""


class _Step(NamedTuple):
    token: Int[Tensor, " B"]
    log_prob: Float[Tensor, " B"] | None
    going: Bool[Tensor, " B"]

    def among(self, n: int, rows: Int[Tensor, " B"], fill: int) -> _Step:
        """The step of all n rows, of which these are the ones that were not dropped."""
        token = self.token.new_full((n,), fill).index_copy(0, rows, self.token)
        going = self.going.new_zeros(n).index_copy(0, rows, self.going)
        if self.log_prob is None:
            return _Step(token, None, going)
        return _Step(token, self.log_prob.new_zeros(n).index_copy(0, rows, self.log_prob), going)


def stream(
    model: GPT | FastModel | Compiled,
    prompt: Sequence[int] | Sequence[Sequence[int]] | Tensor,
    *,
    max_new_tokens: int = 100,
    filters: Iterable[Filter] = (),
    seed: int | Sequence[int] | None = None,
    stop: Iterable[int | str] = (),
    tok: Tokenizer | None = None,
    prefixes: PromptCache | None = None,
) -> Iterator[Int[Tensor, " B"]]:
    """Yields the next token of every row, step by step; the arguments are those of `generate`.

    A row that has ended yields the first id of `stop`, or −1 when there are only texts.

    Example:
        >>> from tinygpt.models import GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=16, n_layers=1, d_model=16))
        >>> len(list(stream(model, [1, 2], max_new_tokens=3, seed=0)))
        3
    """
    prompts = read_prompts(prompt, model)
    ends = Stop.of(stop, tok, len(prompts.rows))
    steps = _steps(model, prompts, max_new_tokens, filters, seed, ends, prefixes=prefixes)
    return (step.token for step in steps)


def generate(
    model: GPT | FastModel | Compiled,
    prompt: Sequence[int] | Sequence[Sequence[int]] | Tensor,
    *,
    max_new_tokens: int = 100,
    filters: Iterable[Filter] = (),
    seed: int | Sequence[int] | None = None,
    stop: Iterable[int | str] = (),
    tok: Tokenizer | None = None,
    log_probs: bool = False,
    progress: bool = False,
    prefixes: PromptCache | None = None,
) -> Tensor | list[Tensor] | tuple[Tensor, Tensor] | tuple[list[Tensor], list[Tensor]]:
    """Returns the prompt with the tokens that the model put after it.

    Args:
        model: in whatever mode, evaluated without gradients; or what `fast` or `compiled` made of one.
        prompt: ids of one sequence, or of B sequences: B × T, or a list of rows of any lengths.
        max_new_tokens: how many to add at most. A sequence longer than the model's context goes on
            with its older half forgotten.
        filters: applied to the logits (float32) from left to right; none samples from the model's own
            distribution.
        seed: makes the draw repeatable; None draws from PyTorch's global generator. What a row draws depends
            on its own seed and prompt alone: give a seed for each row, or one from which `row_seeds` makes
            theirs. In another batch its logits may be rounded otherwise, so now and then a draw that falls
            within a rounding error of two tokens' border comes out differently.
        stop: ids, or texts that are looked for in the new tokens of a row; what it ends with is kept. A batch
            runs until all rows have ended, and less and less of it: ended rows are dropped from it, and
            repeat the first of these ids in what is returned.
        tok: whose tokens they are; only needed when `stop` has texts.
        log_probs: whether to return how likely each new token was too.
        progress: whether to show a bar.
        prefixes: of a GPT, keys and values of earlier prompts; what this one begins with is not read again.

    Returns:
        ids, (T + new) for one sequence, B × (T + new) for a batch. For rows of different lengths, or when
        `stop` has texts, a list of B rows, each cut where it ended. With `log_probs` a pair: those, and the
        same for the new tokens' log-probabilities under the model, without filters, in nats; 0 after a row's
        end.

    Raises:
        ValueError: for an empty prompt, text in place of ids, or ids outside the vocabulary.

    Example:
        >>> from tinygpt.models import GPTConfig
        >>> from tinygpt.sampling import greedy
        >>> model = GPT(GPTConfig(vocab_size=16, n_layers=1, d_model=16))
        >>> generate(model, [1, 2, 3], max_new_tokens=4, filters=[greedy()]).shape
        torch.Size([7])
    """
    prompts = read_prompts(prompt, model)
    ends = Stop.of(stop, tok, len(prompts.rows))
    steps: Iterable[_Step] = _steps(model, prompts, max_new_tokens, filters, seed, ends, log_probs, prefixes)
    if progress:
        from tqdm import tqdm

        steps = tqdm(steps, total=max_new_tokens, unit="token")
    tokens, scores, going = [], [], []
    for step in steps:
        tokens.append(step.token)
        if step.log_prob is not None:
            scores.append(step.log_prob)
        going.append(step.going)
    rows = torch.stack([*prompts.rows.unbind(1), *tokens], dim=1)
    lengths = torch.stack([torch.zeros_like(prompts.first), *going]).sum(dim=0)
    ids = prompts.shaped(rows, prompts.rows.shape[1] + lengths, prompts.first, cut=bool(ends.texts))
    if not log_probs:
        return ids
    values = torch.stack(scores, dim=1) if scores else torch.zeros(len(rows), 0, device=rows.device)
    return ids, prompts.shaped(values, lengths, torch.zeros_like(lengths), cut=bool(ends.texts))


def _steps(
    model: GPT | FastModel | Compiled,
    prompts: Prompts,
    n: int,
    filters: Iterable[Filter],
    seed: int | Sequence[int] | None,
    stop: Stop,
    log_probs: bool = False,
    prefixes: PromptCache | None = None,
) -> Iterator[_Step]:
    if n < 0:
        raise ValueError(f"max_new_tokens must be 0 or more; got {n}.")
    filters, draws = tuple(filters), Draws(seed, len(prompts.rows), model.device)
    sharp = sharpness(filters)
    plain = len(prompts.rows) == 1 and not log_probs and prefixes is None and sharp is not None
    if isinstance(model, FastModel) and plain:
        return _in_loops(continuation(model, prompts.rows[0], n, sharp, draws.take), stop)
    return _draw(model, prompts, n, filters, draws, stop, log_probs, prefixes)


def _draw(
    model: GPT | FastModel | Compiled,
    prompts: Prompts,
    n: int,
    filters: tuple[Filter, ...],
    draws: Draws,
    stop: Stop,
    log_probs: bool,
    prefixes: PromptCache | None,
) -> Iterator[_Step]:
    rows, B = prompts.rows, len(prompts.rows)
    going, alive = torch.ones_like(rows[:, 0], dtype=torch.bool), torch.arange(B, device=rows.device)
    length = min(model.config.context, rows.shape[1] + n)
    read = Reader(model, B, length, prompts.first.tolist(), prefixes)
    logits = read(rows)
    for i in range(n):
        # Taken now: a filter may write into the logits.
        model_says = logits.log_softmax(dim=-1) if log_probs else None
        token = _choose(logits, filters, draws, rows, i)
        if stop:
            token = torch.where(going, token, stop.fill)
        step = _Step(token, _at(model_says, token, going), going)
        yield step if len(alive) == B else step.among(B, alive, stop.fill)
        rows = torch.cat([rows, token[:, None]], dim=1)
        if stop:
            going = going & ~stop.heard(token)
        left = int(going.sum()) if stop else B
        if i + 1 == n or not left:
            return
        if left <= CROWD * len(alive) and read.shrinks:
            keep = going.nonzero()[:, 0]
            alive, rows, going = alive[keep], rows[keep], going[keep]
            for part in (read, draws, stop):
                part.select(keep)
        logits = read(rows)


def _in_loops(chunks: Iterator[Tensor], stop: Stop) -> Iterator[_Step]:
    """The steps of a single row whose tokens come many at a time."""
    going = torch.ones(1, dtype=torch.bool)
    for chunk in chunks:
        for token in chunk.split(1):
            yield _Step(token, None, going)
            if stop and stop.heard(token).any():
                return


def _choose(logits: Tensor, filters: tuple[Filter, ...], draws: Draws, rows: Tensor, n_new: int) -> Tensor:
    if filters and filters[-1] is keep_best:  # one token is left: no softmax and no draw
        return apply(filters[:-1], logits, rows, n_new).argmax(dim=-1)
    return pick_at(apply(filters, logits, rows, n_new), draws.next())


def _at(log_probs: Tensor | None, token: Tensor, going: Tensor) -> Tensor | None:
    if log_probs is None:
        return None
    return log_probs.gather(-1, token.clamp(min=0)[:, None])[:, 0].masked_fill(~going, 0.0)
