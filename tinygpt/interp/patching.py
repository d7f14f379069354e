"""Which activation carries what: put one from another run in its place, or cut the line it travels on."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tinygpt.interp.hooks import Edit, capture, edit
from tinygpt.models import taps

if TYPE_CHECKING:
    from jaxtyping import Float, Int

Metric = Callable[[Tensor], Tensor]


@torch.no_grad()
def patch(
    model: nn.Module,
    clean: Int[Tensor, "B T"],
    corrupt: Int[Tensor, "*shape"],
    metric: Metric,
    points: str = "blocks.*.residual",
) -> Float[Tensor, "points units"]:
    """Returns how much of the clean answer comes back with one activation of the clean run in the other.

    (m(patched) − m(corrupt)) / (m(clean) − m(corrupt)): 0 where the activation carries nothing of what the
    prompts differ in, 1 where it carries all of it.

    Args:
        model: maps B × T ids to logits.
        clean: prompts that the model answers as wanted.
        corrupt: the same prompts but for what is to be traced, token by token in the same places.
        metric: logits (N × T × V) → one number per row (N), higher for the clean answer: a difference of two
            logits, say. Rows of patched runs come in B blocks of the order of `clean`.
        points: taps. For those of B × T × D one position is patched at a time, for those of B × H × T × K one
            head, at all positions.

    Returns:
        One row for each tap, one column for each position or head.

    Raises:
        ValueError: when the prompts differ in shape, or the metric does not tell them apart.

    Example:
        >>> from tinygpt.models import GPT, GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=8, n_layers=2), seed=0)
        >>> one, other = torch.tensor([[1, 2, 3]]), torch.tensor([[1, 4, 3]])
        >>> metric = lead(torch.tensor([5]), torch.tensor([6]))
        >>> patch(model, one, other, metric).round(decimals=3)[-1].abs()
        tensor([0., 0., 1.])

    Source: Meng et al. 2022, "Locating and Editing Factual Associations in GPT", section 2.1, where it is
    called causal tracing; the normalised metric as in Wang et al. 2022.
    """
    if clean.shape != corrupt.shape:
        shapes = f"{tuple(clean.shape)}, {tuple(corrupt.shape)}"
        raise ValueError(f"prompts must match token by token; got {shapes}.")
    names = fnmatch.filter(taps(model), points)
    with capture(model, *(names or [points])) as seen:
        right = metric(model(clean))
    wrong = metric(model(corrupt))
    span = right.mean() - wrong.mean()
    if span.abs() < 1e-6:
        raise ValueError("the metric does not tell clean from corrupt prompts: there is nothing to trace.")
    rows = [_one_at_a_time(model, corrupt, name, seen[name], metric) for name in names]
    return (torch.stack(rows) - wrong.mean()) / span


def lead(answers: Int[Tensor, " B"], rivals: Int[Tensor, " B"], position: int = -1) -> Metric:
    """Returns a metric for `patch`: by how much each answer's logit leads over its rival's.

    Args:
        answers: what the clean prompts are to be answered with.
        rivals: what the corrupt ones are.
        position: after which token the answer comes.

    Raises:
        ValueError: when it is used and the rows are not one or more blocks of B.

    Example:
        >>> metric = lead(torch.tensor([2]), torch.tensor([0]))
        >>> metric(torch.tensor([[[1.0, 0.0, 4.0]], [[5.0, 0.0, 4.0]]]))  # B = 1, two blocks
        tensor([ 3., -1.])
    """

    def metric(logits: Tensor) -> Tensor:
        blocks, rest = divmod(len(logits), len(answers))
        if rest or not blocks:
            raise ValueError(
                f"rows must come in blocks of {len(answers)}, one per answer; got {len(logits)}."
            )
        pairs = torch.stack([answers, rivals], dim=1).repeat(blocks, 1).to(logits.device)
        both = logits[:, position].gather(1, pairs)
        return both[:, 0] - both[:, 1]

    return metric


def _one_at_a_time(model: nn.Module, corrupt: Tensor, name: str, source: Tensor, metric: Metric) -> Tensor:
    """The metric with unit 0, 1, … patched: a batch of copies, in each of which one unit is another's."""
    units = source.shape[1]  # positions of B T D, heads of B H T K
    chosen = torch.eye(units, dtype=torch.bool, device=source.device).repeat_interleave(len(source), dim=0)
    chosen = chosen.view(*chosen.shape, *[1] * (source.ndim - 2))

    def put(activation: Tensor) -> Tensor:
        return torch.where(chosen, source.repeat(units, *[1] * (source.ndim - 1)), activation)

    with edit(model, {name: put}):
        scores = metric(model(corrupt.repeat(units, 1)))
    return scores.view(units, len(source)).mean(dim=1)


def cut_edges(queries: int | Iterable[int], keys: int | Iterable[int], *heads: int) -> Edit:
    """Returns an edit of `blocks.*.attn.scores` after which the queries cannot look at the keys.

    The other keys share the attention that these would have had. Positions may count from the end.

    Args:
        queries: positions that may no longer look.
        keys: positions that they may no longer look at.
        *heads: only these; none means all.

    Raises:
        ValueError: when it is used and a query would be left with nothing to look at, or there is no such
            position or head.

    Example:
        >>> from tinygpt.models import GPT, GPTConfig
        >>> model, x = GPT(GPTConfig(vocab_size=8, n_layers=1), seed=0), torch.tensor([[1, 2, 3]])
        >>> with edit(model, {"blocks.*.attn.scores": cut_edges(-1, 0)}), capture(model, "*.pattern") as seen:
        ...     _ = model(x)
        >>> seen["blocks.0.attn.pattern"][0, 0, -1, 0]
        tensor(0.)

    Source: Geva et al. 2023, "Dissecting Recall of Factual Associations", section 4 (attention knockout).
    """
    wanted = [[part] if isinstance(part, int) else list(part) for part in (queries, keys)]

    def cut(scores: Tensor) -> Tensor:
        H, T, S = scores.shape[1:]
        rows, columns = _places(wanted[0], T), _places(wanted[1], S)
        for row in rows:
            if set(range(row + 1)) <= set(columns):
                raise ValueError(f"position {row} would have nothing to look at. Leave it at least itself.")
        which = _places(list(heads) or list(range(H)), H)
        edges = torch.zeros(H, T, S, dtype=torch.bool, device=scores.device)
        edges[torch.meshgrid(*map(torch.tensor, (which, rows, columns)), indexing="ij")] = True
        return scores.masked_fill(edges, -torch.inf)

    return cut


def _places(numbers: list[int], size: int) -> list[int]:
    if bad := [n for n in numbers if not -size <= n < size]:
        raise ValueError(f"there are {size} of them, numbered 0 to {size - 1}; got {bad}.")
    return [n % size for n in numbers]
