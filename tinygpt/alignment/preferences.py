"""Pairs of answers of which one is preferred, as tokens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from tinygpt.alignment.chat import CHAT_TOKENS, Conversation, chat_ids, padded_batch
from tinygpt.data import Stream, shuffled
from tinygpt.training.losses import IGNORE

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from tinygpt.alignment.chat import Row
    from tinygpt.tokenizers import Tokenizer


class Preference(NamedTuple):
    """Two answers to the same conversation, and which of them is better.

    Attributes:
        prompt: the turns before the answer.
        chosen: the better answer.
        rejected: the other one.
    """

    prompt: Conversation
    chosen: str
    rejected: str


class Pairs(NamedTuple):
    """Pairs of answers as rows of tokens: all chosen ones, then all rejected ones in the same order.

    Attributes:
        inputs: prompt and answer without its last token, filled up with 0; 2B × T.
        targets: the answer's tokens, where they follow; −100 elsewhere, 2B × T.
        reference: log-probability of each answer under the reference, in nats, where it is known already;
            2B. See `with_reference`.
    """

    inputs: Int[Tensor, "R T"]
    targets: Int[Tensor, "R T"]
    reference: Float[Tensor, " R"] | None = None


def preference_batch(tok: Tokenizer, preferences: Iterable[Preference]) -> Pairs:
    """Preferences as tokens; what counts are the answers, with the `<|im_end|>` after them.

    Args:
        tok: has the special tokens `<|im_start|>` and `<|im_end|>`.
        preferences: as triples (prompt, chosen, rejected).

    Raises:
        ValueError: there is no pair, or one of equal answers, from which nothing can be learnt.

    Example:
        >>> from tinygpt.tokenizers import train_characters
        >>> tok = train_characters("serantiu?!.\\n", special_tokens=CHAT_TOKENS)
        >>> pairs = preference_batch(tok, [([("user", "?")], "tea!", "rain.")])
        >>> [tok.decode(row[row >= 0]) for row in pairs.targets]
        ['tea!<|im_end|>', 'rain.<|im_end|>']
    """
    chosen, rejected = [], []
    for i, (prompt, better, worse) in enumerate(preferences):
        if better == worse:
            raise ValueError(f"pair {i} has the same answer twice, {better!r}. Leave it out.")
        before = chat_ids(tok, prompt, prompt=True)[0]
        chosen.append(_answered(tok, before, better))
        rejected.append(_answered(tok, before, worse))
    return Pairs(*padded_batch(chosen + rejected))


def pair_batches(pairs: Pairs, batch_size: int, seed: int = 0) -> Stream[Pairs]:
    """Shuffled batches of pairs, without end; every pair comes once per epoch.

    Args:
        pairs: all there are, with or without their reference.
        batch_size: pairs per batch, so half its rows.
        seed: chooses the order, anew in each epoch.

    Raises:
        ValueError: batch_size is below 1.
    """
    half = len(pairs.inputs) // 2
    order = shuffled(half, batch_size, seed)

    def make(i: int) -> Pairs:
        chosen = torch.from_numpy(order[i])
        rows = torch.cat([chosen, chosen + half])
        targets = pairs.targets[rows]
        width = int((targets != IGNORE).any(dim=0).nonzero().max()) + 1  # the widest of these pairs
        known = None if pairs.reference is None else pairs.reference[rows]
        return Pairs(pairs.inputs[rows, :width], targets[:, :width], known)

    return Stream(make)


def halves(values: Float[Tensor, " R"]) -> tuple[Float[Tensor, " B"], Float[Tensor, " B"]]:
    """Returns what belongs to the chosen answers of `Pairs`, and what to the rejected ones.

    Raises:
        ValueError: when the number of rows is odd.
    """
    if len(values) % 2:
        raise ValueError(
            f"{len(values)} rows are no pairs. Several processes need a number of pairs that they divide."
        )
    chosen, rejected = values.chunk(2)
    return chosen, rejected


def _answered(tok: Tokenizer, before: list[int], answer: str) -> Row:
    said = [*tok.encode(answer), tok.special_tokens[CHAT_TOKENS[1]]]
    return before + said, [False] * len(before) + [True] * len(said)
