"""Conversations as tokens: whose turn it is, what was said, and which tokens the loss counts."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

from tinygpt.data import Stream, drawn
from tinygpt.data.lessons import NOT_COUNTED
from tinygpt.sampling import generate

if TYPE_CHECKING:
    from tinygpt.data.stream import Batch
    from tinygpt.sampling.filters import Filter
    from tinygpt.tokenizers import Tokenizer

START, END = CHAT_TOKENS = ("<|im_start|>", "<|im_end|>")
"""The special tokens around a turn; a tokenizer for chats has both."""

ROLES = ("system", "user", "assistant", "tool")


class Message(NamedTuple):
    """One turn of a conversation; the plain pair `("user", "hello")` serves as well.

    Attributes:
        role: "system", "user", "assistant" or "tool".
        content: what was said.
    """

    role: str
    content: str


Conversation = Sequence[tuple[str, str]]
Row = tuple[list[int], list[bool]]


def render(messages: Conversation, *, prompt: bool = False) -> str:
    """The conversation as the text that a model reads: `<|im_start|>role`, a line break, what was said,
    `<|im_end|>` and a line break, turn after turn.

    For your eyes; a model gets `chat_ids`, since in this text nobody can tell a marker from a user who typed
    one.

    Args:
        messages: the turns, oldest first.
        prompt: whether to open the assistant's next turn at the end.

    Raises:
        ValueError: a role is not one of the four.

    Example:
        >>> print(render([("user", "hi")], prompt=True))
        <|im_start|>user
        hi<|im_end|>
        <|im_start|>assistant
        <BLANKLINE>

    Source: the ChatML of OpenAI's models, which Qwen and others took over.
    """
    turns = [f"{START}{role}\n{content}{END}\n" for role, content in _checked(messages)]
    return "".join(turns) + (f"{START}assistant\n" if prompt else "")


def chat_ids(tok: Tokenizer, messages: Conversation, *, prompt: bool = False) -> Row:
    """The conversation as tokens, and for each token whether the loss counts it.

    What counts is what the model shall learn to say: the assistant's words and the `<|im_end|>` after them.
    What is said is encoded without special tokens, whoever says it, so a user who types `<|im_end|>` ends
    nothing; and apart from its role, so no token spans both.

    Args:
        tok: has the special tokens `<|im_start|>` and `<|im_end|>`.
        messages: the turns, oldest first.
        prompt: whether to open the assistant's next turn at the end, for the model to go on.

    Returns:
        (ids, counted), lists of equal length.

    Raises:
        ValueError: the tokenizer lacks the special tokens, or a role is not one of the four.

    Example:
        >>> from tinygpt.tokenizers import train_bpe
        >>> tok = train_bpe("hi hello", vocab_size=258, special_tokens=CHAT_TOKENS)
        >>> ids, counted = chat_ids(tok, [("user", "hi"), ("assistant", "hello")])
        >>> tok.decode([i for i, counts in zip(ids, counted) if counts])
        'hello<|im_end|>'
    """
    start, end = _markers(tok)
    ids: list[int] = []
    counted: list[bool] = []
    for role, content in _checked(messages):
        head, said, tail = [start, *tok.encode(f"{role}\n")], [*tok.encode(content), end], tok.encode("\n")
        ids += head + said + tail
        counted += [False] * len(head) + [role == "assistant"] * len(said) + [False] * len(tail)
    if prompt:
        opened = [start, *tok.encode("assistant\n")]
        ids, counted = ids + opened, counted + [False] * len(opened)
    return ids, counted


def chat_batch(tok: Tokenizer, chats: Iterable[Conversation], *, masked: bool = True) -> Batch:
    """Conversations as rows of tokens whose targets are the assistant's words, for `next_token_loss`.

    Args:
        tok: has the special tokens `<|im_start|>` and `<|im_end|>`.
        chats: the conversations; rows are filled up with token 0, which is never a target.
        masked: whether only the assistant's words and their ends count; False counts every token, so the
            model learns to write the user's part too.

    Returns:
        (inputs, targets), both B T with T from the longest row; a target that does not count is −100.

    Raises:
        ValueError: there is no conversation, or one in which nothing counts.

    Example:
        >>> from tinygpt.tokenizers import train_characters
        >>> tok = train_characters("serantiu?!\\n", special_tokens=CHAT_TOKENS)
        >>> inputs, targets = chat_batch(tok, [[("user", "?"), ("assistant", "!")]])
        >>> tok.decode(targets[targets >= 0])
        '!<|im_end|>'
    """
    rows = [chat_ids(tok, chat) for chat in chats]
    return padded_batch(rows if masked else [(ids, [True] * len(ids)) for ids, _ in rows])


def conversations(
    draw: Callable[[random.Random], Conversation],
    tok: Tokenizer,
    batch_size: int,
    seed: int = 0,
    *,
    masked: bool = True,
) -> Stream[Batch]:
    """An endless stream of batches of freshly drawn conversations; see `chat_batch`.

    Args:
        draw: makes one conversation from the generator it is given.
        tok: has the special tokens `<|im_start|>` and `<|im_end|>`.
        batch_size: conversations per batch.
        seed: chooses them; batch i is a function of (seed, i).
        masked: as in `chat_batch`.

    Raises:
        ValueError: batch_size is below 1.

    Example:
        >>> from tinygpt.tokenizers import train_characters
        >>> tok = train_characters("serantiu?!\\n", special_tokens=CHAT_TOKENS)
        >>> stream = conversations(lambda rng: [("user", "?"), ("assistant", "!")], tok, batch_size=4)
        >>> stream[0][0].shape
        torch.Size([4, 22])
    """
    return drawn(draw, partial(chat_batch, tok, masked=masked), batch_size, seed)


def reply(
    model: nn.Module,
    tok: Tokenizer,
    messages: Conversation,
    *,
    max_new_tokens: int = 100,
    filters: Iterable[Filter] = (),
    seed: int | None = None,
) -> str:
    """What the model says in the assistant's next turn.

    Args:
        model: a `GPT` that knows the template.
        tok: has the special tokens `<|im_start|>` and `<|im_end|>`.
        messages: the turns so far.
        max_new_tokens: where a turn that does not end is cut off.
        filters, seed: as in `tinygpt.sampling.generate`.

    Raises:
        ValueError: as in `chat_ids`.
    """
    prompt, end = chat_ids(tok, messages, prompt=True)[0], _markers(tok)[1]
    options = {"max_new_tokens": max_new_tokens, "filters": filters, "seed": seed}
    said = generate(model, prompt, stop=[end], **options)[len(prompt) :].tolist()
    return tok.decode(said[:-1] if said[-1:] == [end] else said)


def padded_batch(rows: Sequence[Row]) -> Batch:
    """Rows of different lengths as (inputs, targets), filled up with token 0, which is never a target.

    Args:
        rows: ids, and for each whether it counts, as `chat_ids` returns them.

    Raises:
        ValueError: there is no row, or one in which nothing counts that another token precedes.

    Example:
        >>> padded_batch([([5, 6, 7], [False, True, True]), ([5, 8], [False, True])])[1]
        tensor([[   6,    7],
                [   8, -100]])
    """
    if not rows:
        raise ValueError("a batch needs at least one row; got none.")
    for i, (_, counts) in enumerate(rows):
        if not any(counts[1:]):
            raise ValueError(
                f"row {i} has no token for the loss to count. Does the assistant say something in it?"
            )
    width = max(len(ids) for ids, _ in rows)
    tokens = torch.tensor([ids + [0] * (width - len(ids)) for ids, _ in rows])
    counted = torch.tensor([counts + [False] * (width - len(counts)) for _, counts in rows])
    return tokens[:, :-1], tokens[:, 1:].masked_fill(~counted[:, 1:], NOT_COUNTED)


def _markers(tok: Tokenizer) -> tuple[int, int]:
    if missing := [token for token in CHAT_TOKENS if token not in tok.special_tokens]:
        raise ValueError(
            f"a chat needs the special tokens {', '.join(CHAT_TOKENS)}; this tokenizer lacks "
            f"{', '.join(missing)}. Train it with special_tokens=tinygpt.alignment.CHAT_TOKENS."
        )
    return tok.special_tokens[START], tok.special_tokens[END]


def _checked(messages: Conversation) -> Conversation:
    if isinstance(messages, str) or any(isinstance(message, str) for message in messages):
        raise ValueError('a conversation is a list of messages; write [("user", "hello")].')
    if unknown := [role for role, _ in messages if role not in ROLES]:
        raise ValueError(f"a role must be one of {', '.join(ROLES)}; got {unknown[0]!r}.")
    return messages
