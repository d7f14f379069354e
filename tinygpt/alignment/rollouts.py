"""Rollouts: what a model answers to many prompts at once, with the log-probability of each token it drew."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from tinygpt.models import GPT, KVCache, uncompiled
from tinygpt.sampling import apply
from tinygpt.sampling.draws import pick_at
from tinygpt.sampling.passes import last_logits, plain
from tinygpt.sampling.stepper import Stepper
from tinygpt.training.losses import IGNORE

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

    from tinygpt.sampling import Filter
    from tinygpt.tokenizers import Tokenizer

CROWD = 0.75
"""Ended rows are dropped when no more than this share is still going: dropping copies the cache."""


class Rollouts(NamedTuple):
    """Prompts with a completion each, row by row; as a batch, `(inputs, targets)` are those of every stage.

    Attributes:
        inputs: prompt and completion without its last token, filled up with 0; B × T.
        targets: the completion's tokens, where they were drawn; −100 elsewhere, B × T.
        log_probs: of each of them under the model that drew it, without filters, in nats; 0 elsewhere, B × T.
        finished: whether a row ended by itself, and was not cut off; B.
    """

    inputs: Int[Tensor, "B T"]
    targets: Int[Tensor, "B T"]
    log_probs: Float[Tensor, "B T"]
    finished: Bool[Tensor, " B"]

    @property
    def counted(self) -> Bool[Tensor, "B T"]:
        """Where a token was drawn."""
        return self.targets != IGNORE

    @property
    def lengths(self) -> Int[Tensor, " B"]:
        """Tokens drawn in each row, the one that ended it included."""
        return self.counted.sum(dim=1)

    def completions(self) -> list[list[int]]:
        """Returns the tokens drawn in each row, without the one that ended it."""
        rows = [row[row != IGNORE].tolist() for row in self.targets]
        return [row[:-1] if end else row for row, end in zip(rows, self.finished.tolist(), strict=True)]

    def texts(self, tok: Tokenizer) -> list[str]:
        """Returns the completions as texts."""
        return [tok.decode(ids) for ids in self.completions()]

    def select(self, rows: Int[Tensor, " N"]) -> Rollouts:
        """Returns some of the rows, by number."""
        return Rollouts(*(part[rows] for part in self))


@torch.no_grad()
def roll_out(
    model: GPT,
    prompts: Sequence[Sequence[int]],
    *,
    group: int = 1,
    max_new_tokens: int = 100,
    stop: Iterable[int] = (),
    filters: Iterable[Filter] = (),
    seed: int | None = None,
) -> Rollouts:
    """Draws completions of all prompts in one batch.

    A prompt is read once, however many completions it gets, and rows that have ended are dropped on the way.
    What a row draws depends on the seed, its number and its prompt, not on when other rows end.

    Args:
        model: in whatever mode.
        prompts: ids, of any lengths.
        group: completions of each prompt; their rows stand together.
        max_new_tokens: at most so many in a row.
        stop: ids that end a row; counted as drawn.
        filters: applied to the logits before a token is drawn, as in `generate`. Policy gradients need none:
            the log-probabilities are those of the model itself.
        seed: makes the draw repeatable; None draws from PyTorch's global generator.

    Raises:
        ValueError: when there is no prompt, one is empty or holds unknown ids, or the longest one and
            its completion do not fit into the model's context.

    Example:
        >>> from tinygpt.models import GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=16, n_layers=1, d_model=16), seed=0)
        >>> rollouts = roll_out(model, [[1, 2, 3], [4]], group=2, max_new_tokens=5, seed=0)
        >>> rollouts.inputs.shape, [len(ids) for ids in rollouts.completions()]
        (torch.Size([4, 7]), [5, 5, 5, 5])
    """
    model, filters, drawn = uncompiled(model), tuple(filters), max_new_tokens
    rows, first = _flush_right(model, prompts)
    _check(model, rows, group, drawn)
    cache = KVCache(
        model.config,
        len(rows),
        rows.shape[1] + drawn - 1,
        device=model.device,
        dtype=model.embed.weight.dtype,
        first=first if first.any() else None,
    )
    logits = last_logits(model, rows, cache).float()
    each = torch.arange(len(rows), device=model.device).repeat_interleave(group)
    cache.select(each)
    points = _points(len(each), drawn, seed, model.device)
    begun = rows.masked_fill(torch.arange(rows.shape[1], device=rows.device) < first[:, None], -1)
    drawing = (model, cache, begun[each], logits[each], points)
    tokens, log_probs, lengths, finished = _draw(*drawing, tuple(stop), filters)
    return _pack(rows[each], first[each], tokens, log_probs, lengths, finished)


def _draw(
    model: GPT,
    cache: KVCache,
    prompts: Int[Tensor, "B T"],
    logits: Float[Tensor, "B V"],
    points: Float[Tensor, "B N"],
    stop: tuple[int, ...],
    filters: tuple[Filter, ...],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Returns tokens and log-probabilities (B × N), how many of them count, and whether rows ended."""
    B, N = points.shape
    ends = torch.tensor(stop, dtype=torch.long, device=points.device)
    tokens, log_probs = torch.zeros_like(points, dtype=torch.long), torch.zeros_like(points)
    lengths, finished = torch.zeros_like(tokens[:, 0]), torch.zeros_like(points[:, 0], dtype=torch.bool)
    alive = torch.arange(B, device=points.device)  # numbers of the rows that are in the cache
    snapshot = Stepper(model, cache.length) if plain(model) else None
    for i in range(N):
        chosen = logits
        if filters:  # which may write into what they are given
            ids = torch.cat([prompts[alive], tokens[alive, :i]], dim=1)
            chosen = apply(filters, logits.clone(), ids, i)
        token = pick_at(chosen, points[alive, i, None])
        tokens[alive, i] = token
        log_probs[alive, i] = logits.log_softmax(dim=-1).gather(1, token[:, None])[:, 0]
        lengths[alive] += ~finished[alive]
        finished[alive] |= torch.isin(token, ends)
        going = (~finished[alive]).nonzero()[:, 0]
        if i + 1 == N or not len(going):
            break
        if len(going) <= CROWD * len(alive):
            alive, token = alive[going], token[going]
            cache.select(going)
        logits = (
            snapshot.read(token, cache) if snapshot else last_logits(model, token[:, None], cache).float()
        )
    return tokens, log_probs, lengths, finished


def _flush_right(model: GPT, prompts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Returns the prompts as rows that end together, P × W, and where each begins."""
    if not len(prompts) or not all(len(prompt) for prompt in prompts):
        raise ValueError("roll_out needs at least one prompt, as lists of ids, and none of them empty.")
    width = max(len(prompt) for prompt in prompts)
    rows = torch.zeros(len(prompts), width, dtype=torch.long)
    for row, prompt in zip(rows, prompts, strict=True):
        row[width - len(prompt) :] = torch.as_tensor(prompt)
    first = torch.tensor([width - len(prompt) for prompt in prompts])
    return rows.to(model.device), first.to(model.device)


def _check(model: GPT, rows: Tensor, group: int, drawn: int) -> None:
    if group < 1 or drawn < 1:
        raise ValueError(f"group and max_new_tokens must be at least 1; got {group} and {drawn}.")
    low, high, V = int(rows.min()), int(rows.max()), model.config.vocab_size
    if low < 0 or high >= V:
        raise ValueError(
            f"the prompts have ids from {low} to {high}; the model knows 0 to {V - 1}. Another tokenizer?"
        )
    if (length := rows.shape[1] + drawn - 1) > model.config.context:
        raise ValueError(
            f"the longest prompt has {rows.shape[1]} tokens, so {drawn} new ones need a context of {length}; "
            f"the model has {model.config.context}. Lower max_new_tokens, or shorten the prompt."
        )


def _points(B: int, N: int, seed: int | None, device: torch.device) -> Float[Tensor, "B N"]:
    generator = None if seed is None else torch.Generator(device).manual_seed(seed)
    return torch.rand(B, N, generator=generator, device=device)


def _pack(
    prompts: Tensor, first: Tensor, tokens: Tensor, log_probs: Tensor, lengths: Tensor, finished: Tensor
) -> Rollouts:
    """Moves each row to the left, so that it begins at place 0 as in every other batch."""
    start = prompts.shape[1] - first  # length of each prompt
    total = start + lengths
    at = torch.arange(int(total.max()), device=tokens.device)
    whole = torch.cat([prompts, tokens], dim=1)
    whole = whole.gather(1, (at + first[:, None]).clamp(max=whole.shape[1] - 1))
    inputs = whole.masked_fill(at >= total[:, None] - 1, 0)[:, :-1]
    counted = (at[1:] >= start[:, None]) & (at[1:] < total[:, None])
    targets = whole[:, 1:].masked_fill(~counted, IGNORE)
    drawn = log_probs.gather(1, (at[1:] - start[:, None]).clamp(0, log_probs.shape[1] - 1))
    return Rollouts(inputs, targets, drawn.masked_fill(~counted, 0.0), finished)
