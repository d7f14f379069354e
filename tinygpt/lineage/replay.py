"""Chats with some of the village's texts between them, so that what was learnt from these is not lost."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from tinygpt.alignment import chat_ids
from tinygpt.alignment.chat import padded_batch
from tinygpt.data import Stream, drawn
from tinygpt.lineage.pretraining import END

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tinygpt.alignment.chat import Conversation, Row
    from tinygpt.data.stream import Batch
    from tinygpt.tokenizers import Tokenizer

SHARE = 0.25


def with_texts(
    draw: Callable[[random.Random], Conversation],
    texts: Sequence[str],
    tok: Tokenizer,
    batch_size: int,
    seed: int,
    share: float = SHARE,
) -> Stream[Batch]:
    """Returns batches of conversations, of which the answers count, and of texts, of which all counts.

    Args:
        draw: makes one conversation.
        texts: what the model was pretrained on.
        tok: encodes both.
        batch_size: rows per batch.
        seed: chooses them.
        share: of texts among the rows.
    """
    end = tok.special_tokens[END]

    def row(rng: random.Random) -> Row:
        if rng.random() >= share:
            return chat_ids(tok, draw(rng))
        ids = [end, *tok.encode(rng.choice(texts)), end]
        return ids, [True] * len(ids)

    return drawn(row, padded_batch, batch_size, seed)
