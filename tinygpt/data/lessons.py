"""Questions with answers, as batches whose loss counts the answers only."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

import torch

from tinygpt.data.stream import Stream, drawn

if TYPE_CHECKING:
    from tinygpt.data.stream import Batch
    from tinygpt.tokenizers import Tokenizer

Question = tuple[str, str]
NOT_COUNTED = -100


def answer_batch(tok: Tokenizer, questions: Iterable[Question]) -> Batch:
    """Questions and their answers as rows of tokens; only the answers' tokens are targets.

    Question and answer are encoded apart, so no token spans both: the question reads the same whatever the
    answer is. Rows are filled up with token 0, whose targets do not count.

    Args:
        tok: Encodes both.
        questions: Pairs (question, answer), neither empty.

    Returns:
        (inputs, targets), both B T with T from the longest row; a target that does not count is −100.

    Raises:
        ValueError: There is no question, or a text is empty.

    Example:
        >>> from tinygpt.tokenizers import train_characters
        >>> inputs, targets = answer_batch(train_characters("12+=3"), [("1+1=", "2"), ("2=", "2")])
        >>> targets.tolist()
        [[-100, -100, -100, 2], [-100, 2, -100, -100]]
    """
    rows = [(tok.encode(question), tok.encode(answer)) for question, answer in questions]
    if not rows or not all(asked and answered for asked, answered in rows):
        raise ValueError("answer_batch needs at least one question, each with an answer, none of them empty.")
    width = max(len(asked) + len(answered) for asked, answered in rows) - 1
    inputs = torch.zeros(len(rows), width, dtype=torch.int64)
    targets = torch.full((len(rows), width), NOT_COUNTED)
    for i, (asked, answered) in enumerate(rows):
        end = len(asked) + len(answered) - 1
        inputs[i, :end] = torch.tensor([*asked, *answered[:-1]])
        targets[i, len(asked) - 1 : end] = torch.tensor(answered)
    return inputs, targets


def lessons(
    draw: Callable[[random.Random], Question], tok: Tokenizer, batch_size: int, seed: int = 0
) -> Stream[Batch]:
    """An endless stream of batches of freshly drawn questions; see `answer_batch`.

    Args:
        draw: Makes one question with its answer from the generator it is given.
        tok: Encodes them.
        batch_size: Questions per batch.
        seed: Chooses the questions; batch i is a function of (seed, i).

    Raises:
        ValueError: batch_size is below 1.

    Example:
        >>> from tinygpt.tokenizers import train_characters
        >>> stream = lessons(lambda rng: ("ab"[rng.randrange(2)], "c"), train_characters("abc"), batch_size=2)
        >>> stream[0][1].tolist()
        [[2], [2]]
    """
    return drawn(draw, partial(answer_batch, tok), batch_size, seed)
