"""Fill in the blank: rows in which some tokens are hidden and have to be guessed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from tinygpt.data.stream import Stream

if TYPE_CHECKING:
    from tinygpt.data.stream import Batch

IGNORE = -100


def masked(
    stream: Stream[Batch], mask_id: int, vocab_size: int, rate: float = 0.15, seed: int = 0
) -> Stream[Batch]:
    """Batches for an encoder: inputs with hidden tokens, and targets that count only where one was hidden.

    Of the chosen tokens 80 % become `mask_id`, 10 % any token and 10 % stay as they are: a model that guesses
    at masks only would learn nothing about the tokens it can see.

    Args:
        stream: Batches of (inputs, targets), of which the inputs are taken.
        mask_id: The token that stands for a blank.
        vocab_size: Ids below it may be put in place of a chosen token.
        rate: Share of tokens to choose, above 0 and below 1; every row gets at least one.
        seed: Chooses them; batch i is a function of (seed, i).

    Returns:
        A stream of (inputs, targets), both B T; a target is −100 where nothing is to be guessed.

    Raises:
        ValueError: rate is not a share, or an id lies outside the vocabulary.

    Example:
        >>> from tinygpt.data.worlds import repeats
        >>> inputs, targets = masked(repeats(batch_size=2), mask_id=32, vocab_size=32)[0]
        >>> bool(((inputs != 32) | (targets != -100)).all())
        True

    Source: Devlin et al. 2019, "BERT", section 3.1, task 1.
    """
    if not 0 < rate < 1:
        raise ValueError(f"rate must be a share between 0 and 1; got {rate}. Try 0.15.")
    if mask_id < 0 or vocab_size < 1:
        raise ValueError(f"mask_id must be 0 or more and vocab_size 1 or more; got {mask_id}, {vocab_size}.")

    def make(i: int) -> Batch:
        tokens = stream[i][0]
        rng = np.random.default_rng((seed, i))
        score, fate = torch.from_numpy(rng.random((2, *tokens.shape)))
        other = torch.from_numpy(rng.integers(vocab_size, size=tokens.shape))
        chosen = (score < rate) | (score == score.amin(dim=1, keepdim=True))
        inputs = torch.where(chosen & (fate < 0.8), mask_id, tokens)
        inputs = torch.where(chosen & (fate >= 0.9), other, inputs)
        return inputs, tokens.masked_fill(~chosen, IGNORE)

    return Stream(make)
