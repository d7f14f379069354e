"""A language model that only counts: what came after these words before?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from tinygpt.data.ngrams import best_strengths, codes, in_vocabulary

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor


class NGram:
    """Predicts the next token from the last few by counting, smoothed with shorter histories.

    p_n(w | h) = (c(h w) + k_n · p_{n−1}(w | h')) / (c(h) + k_n),  p_0 = 1 / V

    as in `rulers`, whose losses are this model's. It can be called like a model, so it generates and packs.

    Args:
        train: Token ids to count, at least 100.
        vocab_size: Ids are below this, V.
        order: Longest run of tokens to count: 1, 2 or 3. The last `order` − 1 tokens are looked at.

    Attributes:
        strengths: k_1 … k_n, chosen on held-out blocks of `train`.

    Raises:
        ValueError: There are too few tokens, an id is not in the vocabulary, or the order is another.

    Example:
        >>> model = NGram(list(b"abracadabra " * 20), vocab_size=256)
        >>> after_r = model(torch.tensor([list(b"abr")])).exp()
        >>> chr(after_r.argmax()), round(after_r.max().item(), 2)
        ('a', 1.0)

    Source: MacKay and Peto 1995, "A hierarchical Dirichlet language model"; see `rulers`.
    """

    def __init__(self, train: Sequence[int] | np.ndarray, vocab_size: int, order: int = 2) -> None:
        if order not in (1, 2, 3):
            raise ValueError(f"order must be 1, 2 or 3; got {order}. Longer runs are too rare to count.")
        train = in_vocabulary(np.asarray(train), "train", 100, vocab_size)
        self.vocab_size, self.order = vocab_size, order
        self.strengths = tuple(best_strengths(train, vocab_size)[:order])
        self._counts = [
            np.unique(codes(train, n, vocab_size), return_counts=True) for n in range(1, order + 1)
        ]

    def __call__(self, rows: Int[Tensor, "B T"]) -> Float[Tensor, "B V"]:
        """Log-probabilities of the token after each row; rows may be of any length, even 0."""
        p = [
            self._after(row) for row in rows[:, rows.shape[1] - min(self.order - 1, rows.shape[1]) :].tolist()
        ]
        return torch.from_numpy(np.log(np.stack(p)))

    def _after(self, history: list[int]) -> np.ndarray:
        p = np.full(self.vocab_size, 1 / self.vocab_size)
        for n in range(1, len(history) + 2):
            # Runs are sorted as numbers in base V, so those that begin alike stand together.
            first = 0
            for token in history[len(history) - n + 1 :]:
                first = (first + token) * self.vocab_size
            runs, counts = self._counts[n - 1]
            a, b = np.searchsorted(runs, [first, first + self.vocab_size])
            p *= self.strengths[n - 1]
            p[runs[a:b] - first] += counts[a:b]
            p /= counts[a:b].sum() + self.strengths[n - 1]
        return p
