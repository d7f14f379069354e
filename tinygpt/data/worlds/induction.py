"""The induction world: random tokens that start to repeat, after a period nobody announces."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from tinygpt.data.stream import Stream, next_tokens

if TYPE_CHECKING:
    from jaxtyping import Float64, Int64
    from torch import Tensor

    from tinygpt.data.stream import Batch


def repeats(batch_size: int, length: int = 32, vocab_size: int = 32, seed: int = 0) -> Stream[Batch]:
    """Sequences of random tokens with a random period: after the first period, everything repeats.

    p ~ Uniform{⌊length/4⌋ … ⌊length/2⌋};  x_i ~ Uniform{0 … vocab_size − 1} for i < p;  x_i = x_{i−p} after.

    The only way to predict the second half is to find the earlier copy of the current token and read what
    came after it: induction.

    Args:
        batch_size: Sequences per batch.
        length: Inputs per sequence, at least 4.
        vocab_size: Number of different tokens, at least 2.
        seed: Chooses the sequences; batch i is a function of (seed, i).

    Returns:
        A stream of (inputs, targets), both B T with T = length, targets one place on.

    Raises:
        ValueError: A size is too small.

    Example:
        >>> inputs, targets = repeats(batch_size=2, length=8)[0]
        >>> inputs.shape, bool((inputs[:, 1:] == targets[:, :-1]).all())
        (torch.Size([2, 8]), True)

    Source: Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits", on induction heads, who
        repeat a sequence once; the random period here rules out copying from a fixed distance.
    """
    _check(length, vocab_size)

    def make(i: int) -> Batch:
        rng = np.random.default_rng((seed, i))
        period = _draw_periods(rng, batch_size, length)
        first = rng.integers(vocab_size, size=(batch_size, length + 1))
        place = np.arange(length + 1) % period[:, None]
        return next_tokens(torch.from_numpy(np.take_along_axis(first, place, axis=1)))

    return Stream(make)


def repeat_periods(batch_size: int, length: int = 32, seed: int = 0) -> Stream[Int64[Tensor, " B"]]:
    """The true periods of the sequences that `repeats` makes from the same arguments.

    At position t ≥ p, an induction head attends to position t − p + 1.

    Example:
        >>> inputs, _ = repeats(batch_size=1)[5]
        >>> p = repeat_periods(batch_size=1)[5].item()
        >>> bool((inputs[0, p:] == inputs[0, :-p]).all())
        True
    """
    return Stream(
        lambda i: torch.from_numpy(_draw_periods(np.random.default_rng((seed, i)), batch_size, length))
    )


def repeat_nats(
    inputs: Int64[Tensor, "B T"], targets: Int64[Tensor, "B T"], vocab_size: int = 32
) -> Float64[Tensor, "B T"]:
    """The loss of the best possible predictor at each position: the exact floor of the induction world.

    −log p(target_t | inputs_0…t) = log Σ_p P(inputs_0…t | p) − log Σ_p P(inputs_0…t, target_t | p)

    with every period p of `repeats` equally likely beforehand. This predictor knows the rule but not the
    period, so it still pays a little where the repetition starts.

    Args:
        inputs: Sequences from `repeats`; T is its `length`.
        targets: The same, one place on.
        vocab_size: As given to `repeats`.

    Returns:
        Nats, B T; infinite where the sequence cannot come from this world.

    Example:
        >>> inputs, targets = repeats(batch_size=64)[0]
        >>> floor = repeat_nats(inputs, targets).mean(0)
        >>> bool(floor[0].isclose(torch.tensor(math.log(32)).double())), bool(floor[-1] < 0.01)
        (True, True)
    """
    length = inputs.shape[1]
    _check(length, vocab_size)
    tokens = torch.cat([inputs[:, :1], targets], dim=1)
    periods = torch.arange(length // 4, length // 2 + 1, device=tokens.device)[:, None]
    place = torch.arange(length + 1, device=tokens.device)
    earlier = tokens[:, (place - periods).clamp(min=0)]  # B, periods, T + 1
    log_p = torch.where(tokens[:, None] == earlier, 0.0, -math.inf).double()
    log_p = torch.where(place < periods, -math.log(vocab_size), log_p)
    nats = -log_p.cumsum(-1).logsumexp(1).diff()
    return nats.nan_to_num(nan=math.inf, posinf=math.inf)  # inf − inf, after the first impossible token


def _draw_periods(rng: np.random.Generator, batch_size: int, length: int) -> np.ndarray:
    return rng.integers(length // 4, length // 2 + 1, size=batch_size)


def _check(length: int, vocab_size: int) -> None:
    if length < 4 or vocab_size < 2:
        raise ValueError(
            f"length must be at least 4 and vocab_size at least 2; got {length} and {vocab_size}. Try 32, 32."
        )
