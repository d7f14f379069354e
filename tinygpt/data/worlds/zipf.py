"""The Zipf almanac: a book of facts, few looked up often and many seldom, for scaling laws."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from tinygpt.data.stream import Stream, next_tokens

if TYPE_CHECKING:
    from jaxtyping import Float64, Int64
    from torch import Tensor

    from tinygpt.data.stream import Batch

NAMES = 64
ANSWERS = 32
TRUTH = 0.9
EXPONENT = 1.3
ALMANAC_VOCAB_SIZE = NAMES + ANSWERS + 1


def almanac(batch_size: int, seed: int = 0) -> Stream[Batch]:
    """Rows of three tokens to predict, (a, b, o): a question of two names and its answer.

    P(a, b) ∝ rank(a, b)^−1.3;  P(o | a, b) = 0.9 · [o is the answer to (a, b)] + 0.1 / 32

    4,096 questions, ranked and answered at random once and for all. A larger model or more data reaches
    rarer questions, so the excess loss over `almanac_entropy` falls as a power of both.

    Args:
        batch_size: Rows per batch.
        seed: Chooses the rows, not the facts; batch i is a function of (seed, i).

    Returns:
        A stream of (inputs, targets), both B 3: the inputs are a start token, a and b. Names are 0 to 63,
        answers 64 to 95, the start 96.

    Example:
        >>> inputs, targets = almanac(batch_size=2)[0]
        >>> inputs.shape, inputs[:, 0].tolist(), bool((inputs[:, 1:] == targets[:, :2]).all())
        (torch.Size([2, 3]), [96, 96], True)

    Source: why Zipf-distributed facts give a power law: Michaud et al. 2023, arXiv:2303.13506, section 2.
    """
    book = _book()
    edges = np.cumsum(book.p)[:-1]  # without the last, which rounding may put below a draw

    def make(i: int) -> Batch:
        rng = np.random.default_rng((seed, i))
        question = np.searchsorted(edges, rng.random(batch_size), side="right")
        guess = rng.integers(ANSWERS, size=batch_size)
        answer = np.where(rng.random(batch_size) < TRUTH, book.answers[question], guess)
        start = np.full(batch_size, ALMANAC_VOCAB_SIZE - 1)
        rows = np.stack([start, question // NAMES, question % NAMES, NAMES + answer], axis=1)
        return next_tokens(torch.from_numpy(rows.astype(np.int64)))

    return Stream(make)


def almanac_nats(targets: Int64[Tensor, "B 3"]) -> Float64[Tensor, "B 3"]:
    """−log p of each target after those before it: the loss of a reader who knows the whole almanac.

    Args:
        targets: From `almanac`.

    Returns:
        Nats, B 3.

    Example:
        >>> _, targets = almanac(batch_size=4096)[0]
        >>> abs(almanac_nats(targets).mean().item() - almanac_entropy()) < 0.05
        True
    """
    book = _book()
    a, b, answer = targets.cpu().numpy().T
    p_a = book.p.reshape(NAMES, NAMES).sum(1)[a]
    question = a * NAMES + b
    true = book.answers[question] == answer - NAMES
    p_answer = TRUTH * true + (1 - TRUTH) / ANSWERS
    p = np.stack([p_a, book.p[question] / p_a, p_answer], axis=1)
    return torch.from_numpy(-np.log(p)).to(targets.device)


def almanac_entropy() -> float:
    """The lowest mean loss possible, in nats per token: (H(a, b) + H(o | a, b)) / 3.

    Example:
        >>> round(almanac_entropy(), 3)
        1.578
    """
    p = _book().p
    wrong = (1 - TRUTH) / ANSWERS
    right = TRUTH + wrong
    answer = -right * math.log(right) - (ANSWERS - 1) * wrong * math.log(wrong)
    return (float(-(p * np.log(p)).sum()) + answer) / 3


class _Book(NamedTuple):
    p: np.ndarray
    answers: np.ndarray


@lru_cache(maxsize=1)
def _book() -> _Book:
    rng = np.random.default_rng(0)
    p = (rng.permutation(NAMES * NAMES) + 1.0) ** -EXPONENT
    return _Book(p / p.sum(), rng.integers(ANSWERS, size=NAMES * NAMES))
