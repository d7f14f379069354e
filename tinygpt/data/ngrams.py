"""What a loss is worth: the losses of predictors that only count."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

STRENGTHS = 2.0 ** np.arange(-6, 17)
ORDERS = ("unigram", "bigram", "trigram")


def rulers(train: np.ndarray, val: np.ndarray, vocab_size: int) -> dict[str, float]:
    """Losses, on the same text, of guessing evenly and of counting single tokens, pairs and triples.

    uniform: log V;  n-gram: p_n(w | h) = (c(h w) + k_n · p_{n−1}(w | h')) / (c(h) + k_n),  p_0 = 1 / V

    where h are the n − 1 tokens before w, h' is h without its first, c counts in `train`, and k_n is what
    predicts held-out blocks of `train` best. A trained model should lie below them all; one that lies above
    the bigram has not learnt to look further back than one token.

    Args:
        train: Token ids to count, at least 100.
        val: Token ids to predict, at least 3.
        vocab_size: Ids are below this.

    Returns:
        `uniform`, `unigram`, `bigram`, `trigram`: mean nats per token over all of `val` but its first two.

    Raises:
        ValueError: There are too few tokens, or an id is not in the vocabulary.

    Example:
        >>> losses = rulers(np.arange(50_000) % 7, np.arange(100) % 7, vocab_size=7)
        >>> {name: round(nats, 2) for name, nats in losses.items()}
        {'uniform': 1.95, 'unigram': 1.95, 'bigram': 0.0, 'trigram': 0.0}

    Source: MacKay and Peto 1995, "A hierarchical Dirichlet language model", with the strength k chosen
        on held-out text instead of by its evidence.
    """
    train = in_vocabulary(train, "train", 100, vocab_size)
    val = in_vocabulary(val, "val", 3, vocab_size)
    losses = _NGrams(train, val, vocab_size).losses(best_strengths(train, vocab_size))
    return {"uniform": math.log(vocab_size), **dict(zip(ORDERS, losses, strict=True))}


def character_rulers(train: str, val: str) -> dict[str, float]:
    """The same rulers for characters: `uniform`, `unigram`, `bigram` and `trigram` in bits per byte of `val`.

    In bits per byte, models with different tokenizers can be compared with them. The vocabulary is every
    character of either text.

    Example:
        >>> losses = character_rulers("to be or not to be, " * 20, "to be, " * 5)
        >>> losses["uniform"] > losses["unigram"] > losses["bigram"] > losses["trigram"] > 0
        True
    """
    points = [np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32) for text in (train, val)]
    known, ids = np.unique(np.concatenate(points), return_inverse=True)
    nats = rulers(ids[: len(train)], ids[len(train) :], len(known))
    n_bytes = len(val.encode("utf-8", "surrogatepass"))
    return {name: bits_per_byte(loss, len(val), n_bytes) for name, loss in nats.items()}


def bits_per_byte(nats_per_token: float, n_tokens: int, n_bytes: int) -> float:
    """A loss per token as bits per byte of the text, which does not depend on how the text was cut.

    bits per byte = nats per token · tokens / (bytes · ln 2)

    Args:
        nats_per_token: Mean cross-entropy.
        n_tokens: Tokens of the text, at least 1.
        n_bytes: Bytes of the same text in UTF-8, at least 1.

    Raises:
        ValueError: A count is below 1.

    Example:
        >>> bits_per_byte(math.log(256), n_tokens=10, n_bytes=10)
        8.0
    """
    if min(n_tokens, n_bytes) < 1:
        raise ValueError(f"n_tokens and n_bytes must be at least 1; got {n_tokens} and {n_bytes}.")
    return nats_per_token * n_tokens / (n_bytes * math.log(2))


def in_vocabulary(tokens: np.ndarray, name: str, least: int, vocab_size: int) -> np.ndarray:
    """The tokens as int64, once they are known to be enough and all in the vocabulary."""
    if len(tokens) < least:
        raise ValueError(f"{name} needs at least {least} tokens; got {len(tokens)}. Use a longer text.")
    if not 0 <= tokens.min() <= tokens.max() < vocab_size:
        raise ValueError(
            f"{name} must hold ids from 0 to {vocab_size - 1}; got {tokens.min()} to {tokens.max()}. "
            "Was another tokenizer used?"
        )
    return tokens.astype(np.int64)


class _NGrams:
    """How often the n-grams that end at each place of a text, and their histories, come in another text."""

    def __init__(self, train: np.ndarray, text: np.ndarray, vocab_size: int) -> None:
        self.vocab_size = vocab_size
        self.counts, self.histories = [], [np.full(len(text) - 2, len(train))]
        for n in (1, 2, 3):
            seen, asked = (codes(tokens, n, vocab_size) for tokens in (train, text))
            size = vocab_size**n
            self.counts.append(_count(seen, asked[3 - n :], size))
            # The last n-gram is followed by nothing, so it is no history.
            self.histories.append(_count(seen[:-1], asked[2 - n : -1], size) if n < 3 else None)

    def smoothed(self, n: int, strength: float, prior: np.ndarray | float) -> np.ndarray:
        """Probability of every token by the n-gram counts, leaning on the prior where they are few."""
        return (self.counts[n - 1] + strength * prior) / (self.histories[n - 1] + strength)

    def losses(self, strengths: Iterable[float]) -> list[float]:
        """Mean nats per token for each order."""
        losses, p = [], 1 / self.vocab_size
        for n, strength in enumerate(strengths, start=1):
            p = self.smoothed(n, strength, p)
            losses.append(float(-np.log(p).mean()))
        return losses


def best_strengths(train: np.ndarray, vocab_size: int) -> list[float]:
    """k_1, k_2 and k_3 of `rulers`: the best of `STRENGTHS` for blocks of `train` held out of the counts."""
    block = min(1024, len(train) // 50)
    held = np.arange(len(train)) // block % 10 == 9  # spread out, since a corpus is not the same all over
    return _best_strengths(_NGrams(train[~held], train[held], vocab_size))


def _best_strengths(held: _NGrams) -> list[float]:
    chosen, p = [], 1 / held.vocab_size
    for n in (1, 2, 3):
        losses = [-np.log(held.smoothed(n, k, p)).mean() for k in STRENGTHS]
        chosen.append(float(STRENGTHS[np.argmin(losses)]))
        p = held.smoothed(n, chosen[-1], p)
    return chosen


def codes(tokens: np.ndarray, n: int, vocab_size: int) -> np.ndarray:
    """Each run of n tokens as one number, base `vocab_size`."""
    codes = tokens[: len(tokens) - n + 1]
    for i in range(1, n):
        codes = codes * vocab_size + tokens[i : len(tokens) - n + 1 + i]
    return codes


def _count(seen: np.ndarray, asked: np.ndarray, size: int) -> np.ndarray:
    if size <= 1 << 24:
        return np.bincount(seen, minlength=size)[asked]
    values, counts = np.unique(seen, return_counts=True)
    place = np.searchsorted(values, asked).clip(max=len(values) - 1)
    return np.where(values[place] == asked, counts[place], 0)
