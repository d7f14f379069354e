"""Instruction tuning: requests with their answers, of which only the answers count."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tinygpt.data.worlds import request
from tinygpt.lineage.pretraining import documents
from tinygpt.lineage.recipe import Recipe, sha256
from tinygpt.lineage.replay import SHARE, with_texts
from tinygpt.training import TrainConfig

if TYPE_CHECKING:
    from tinygpt.lineage.sizes import Size
    from tinygpt.models import GPT
    from tinygpt.tokenizers import Tokenizer

BATCH_SIZE = 32


def recipe(model: GPT, tok: Tokenizer, size: Size, seed: int) -> Recipe:
    """Requests about half of the people and of the strangers, and some of the texts it was pretrained on."""
    steps, texts = size.steps["instruct"], documents(size.documents, seed)
    return Recipe(
        with_texts(lambda rng: request(rng).messages, texts, tok, BATCH_SIZE, seed),
        TrainConfig(steps=steps, lr=size.lr / 4, warmup=min(50, steps // 10), final_lr=0.05),
        data=f"{steps * BATCH_SIZE:,} rows drawn afresh (seed {seed}): requests with answers, "
        f"{SHARE:.0%} texts of Brambleford",
        data_sha256=sha256(_first(seed)),
    )


def _first(seed: int, n: int = 1000) -> list[str]:
    rng = random.Random(seed)
    return ["\n".join(part) for _ in range(n) for part in request(rng).messages]
