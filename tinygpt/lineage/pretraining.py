"""Pretraining: a tokenizer and a model from nothing but the village's texts."""

from __future__ import annotations

import random
from functools import lru_cache
from typing import TYPE_CHECKING

from tinygpt import data
from tinygpt.alignment import CHAT_TOKENS
from tinygpt.data.worlds import brambleford, request
from tinygpt.lineage.recipe import Recipe, sha256
from tinygpt.models import GPT
from tinygpt.tokenizers import Tokenizer, train_bpe
from tinygpt.training import TrainConfig

if TYPE_CHECKING:
    from tinygpt.lineage.sizes import Size

END = "<|end|>"
CONTEXT = 128
VOCAB_SIZE = 800  # room for nearly every word of the village; 29 merges later no pair is left
WORDS = r" ?\S+|\s"  # a digit goes with the space before it, as words do
TEST_SEED = 1_000_003  # documents to measure on; seeds of a lineage stay below


@lru_cache(maxsize=2)
def documents(n: int, seed: int) -> tuple[str, ...]:
    """Returns the texts that the lineage of a seed is pretrained on."""
    stream = brambleford(seed)
    return tuple(stream[i].text for i in range(n))


def tokenizer(size: Size, seed: int) -> Tokenizer:
    """Trains the lineage's tokenizer, on texts of the village and on what people will ask."""
    rng = random.Random(seed)
    asked = ["\n".join(part) for _ in range(3000) for part in request(rng).messages]
    texts = [*documents(size.documents, seed)[:20_000], *asked]
    return train_bpe(texts, VOCAB_SIZE, pattern=WORDS, special_tokens=[END, *CHAT_TOKENS], progress=False)


def begin(size: Size, seed: int) -> tuple[GPT, Tokenizer]:
    """Returns an untrained model and its tokenizer."""
    tok = tokenizer(size, seed)
    return GPT(size.config(tok.vocab_size, CONTEXT), seed=seed), tok


def recipe(model: GPT, tok: Tokenizer, size: Size, seed: int) -> Recipe:
    """Next tokens of the village's texts, packed one after the other."""
    texts, end = documents(size.documents, seed), tok.special_tokens[END]
    tokens = data.pack(map(tok.encode, texts), tok.vocab_size, separator=end)
    held_out = brambleford(TEST_SEED)
    val = data.pack((tok.encode(held_out[i].text) for i in range(500)), tok.vocab_size, separator=end)
    entropy = sum(held_out[i].nats for i in range(500)) / len(val)
    steps = size.steps["pretrain"]
    config = TrainConfig(steps=steps, lr=size.lr, warmup=min(200, steps // 10), final_lr=0.05)
    return Recipe(
        data.batches(tokens, CONTEXT, size.batch_size, seed=seed),
        config,
        data=f"{len(texts):,} texts of Brambleford (seed {seed}), {len(tokens):,} tokens",
        data_sha256=sha256(texts),
        ruler={**data.rulers(tokens, val, tok.vocab_size), "entropy": entropy},
    )
