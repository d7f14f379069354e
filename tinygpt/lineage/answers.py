"""What a model answers to many requests at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from tinygpt.alignment import CHAT_TOKENS, chat_ids, roll_out
from tinygpt.sampling import greedy

if TYPE_CHECKING:
    from tinygpt.models import GPT
    from tinygpt.tokenizers import Tokenizer


class Answer(NamedTuple):
    """What was said, and whether the model ended it itself."""

    text: str
    ended: bool


def prompt_ids(tok: Tokenizer, question: str) -> list[int]:
    """Returns what a model reads before it answers a question."""
    return chat_ids(tok, [("user", question)], prompt=True)[0]


def answers(
    model: GPT,
    tok: Tokenizer,
    questions: Sequence[str],
    *,
    seed: int | None = None,
    group: int = 1,
    max_new_tokens: int = 72,
) -> list[Answer]:
    """Returns the answers to each question, `group` of them one after the other.

    Args:
        model, tok: a model that knows the chat template.
        questions: what the user says.
        seed: draws from the model's distribution as it is; None takes the likeliest token at every step.
        group: answers to each.
        max_new_tokens: where an answer that does not end is cut off.
    """
    prompts = [prompt_ids(tok, question) for question in questions]
    end = tok.special_tokens[CHAT_TOKENS[1]]
    filters = [greedy()] if seed is None else []
    room = model.config.context + 1 - max(map(len, prompts))
    drawn = roll_out(
        model,
        prompts,
        group=group,
        max_new_tokens=min(max_new_tokens, room),
        stop=[end],
        filters=filters,
        seed=seed or 0,
    )
    return [Answer(*row) for row in zip(drawn.texts(tok), drawn.finished.tolist(), strict=True)]
