"""A tokenizer of the village, as the lineage has one."""

from __future__ import annotations

import random

import pytest

from tinygpt.alignment import CHAT_TOKENS
from tinygpt.data.worlds import brambleford, request
from tinygpt.lineage.pretraining import END, WORDS
from tinygpt.tokenizers import Tokenizer, train_bpe


@pytest.fixture(scope="session")
def tok() -> Tokenizer:
    rng = random.Random(0)
    asked = ["\n".join(part) for _ in range(500) for part in request(rng).messages]
    texts = [brambleford(0)[i].text for i in range(500)] + asked
    return train_bpe(texts, 600, pattern=WORDS, special_tokens=[END, *CHAT_TOKENS], progress=False)
