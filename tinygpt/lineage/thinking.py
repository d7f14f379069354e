"""A first taste of reasoning: sums written out step by step, by somebody who is careless."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from tinygpt.data.worlds import request, steps_of, story_wish, sum_request, terms_of
from tinygpt.lineage.answers import answers
from tinygpt.lineage.pretraining import documents
from tinygpt.lineage.recipe import Recipe, sha256
from tinygpt.lineage.replay import SHARE, with_texts
from tinygpt.training import TrainConfig

if TYPE_CHECKING:
    from tinygpt.alignment.chat import Conversation
    from tinygpt.lineage.sizes import Size
    from tinygpt.models import GPT
    from tinygpt.tokenizers import Tokenizer

BATCH_SIZE = 32
TERMS = (2, 3, 4, 5)
CARELESS = 0.15  # chance that a step has a wrong digit


def careless_sum(rng: random.Random) -> Conversation:
    """Draws a sum of two to five numbers with its steps, some of which are wrong."""
    terms = terms_of(rng, rng.choice(TERMS))
    asked = sum_request(terms, think=True).question
    return [("user", asked), ("assistant", steps_of(terms, rng, CARELESS))]


def recipe(model: GPT, tok: Tokenizer, size: Size, seed: int) -> Recipe:
    """Careless sums, other requests with their answers, and some texts.

    Stories are the model's own, one for each step, so that what it has learnt to prefer is not unlearnt.
    """
    steps, rng = size.steps["think"], random.Random(seed)
    wishes = [story_wish(rng) for _ in range(steps)]
    told = zip(wishes, answers(model, tok, wishes, seed=seed), strict=True)
    own = [[("user", wish), ("assistant", story.text)] for wish, story in told if story.ended]

    def draw(rng: random.Random) -> Conversation:
        if rng.random() < 0.5:
            return careless_sum(rng)
        asked = request(rng)
        return rng.choice(own) if asked.kind == "story" and own else asked.messages

    return Recipe(
        with_texts(draw, documents(size.documents, seed), tok, BATCH_SIZE, seed),
        TrainConfig(steps=steps, lr=size.lr / 4, warmup=min(50, steps // 10), final_lr=0.05),
        data=f"sums of two to five numbers written out, {CARELESS:.0%} of the steps wrong, "
        f"other requests, {len(own):,} stories of its own, {SHARE:.0%} texts of Brambleford (seed {seed})",
        data_sha256=sha256(_texts(draw, seed)),
    )


def _texts(draw: Callable[[random.Random], Conversation], seed: int, n: int = 1000) -> list[str]:
    rng = random.Random(seed)
    return ["\n".join(part) for _ in range(n) for part in draw(rng)]
