"""Reasoning: reinforcement learning on sums, with nothing but the right result to go by."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from tinygpt.alignment import CHAT_TOKENS, grpo_batches, grpo_loss, tasks, verifier
from tinygpt.data.worlds import sum_request, terms_of
from tinygpt.lineage.answers import prompt_ids
from tinygpt.lineage.recipe import Recipe, sha256
from tinygpt.lineage.thinking import TERMS
from tinygpt.training import TrainConfig

if TYPE_CHECKING:
    from tinygpt.lineage.sizes import Size
    from tinygpt.models import GPT
    from tinygpt.tokenizers import Tokenizer

PROMPTS, GROUP, UPDATES = 6, 16, 2
LONGEST = 60


def sum_task(rng: random.Random) -> tuple[str, str]:
    """Draws a sum to think about, and how its answer must end."""
    terms = terms_of(rng, rng.choice(TERMS))
    asked = sum_request(terms, think=True)
    return asked.question, asked.answer


def right_result(text: str, truth: str) -> float:
    """1 if an answer ends with the same result as the true one, else 0; the steps are not looked at.

    Example:
        >>> right_result("1 2 + 0 1 = 1 9 . so 1 3 .", "1 2 + 0 1 = 1 3 . so 1 3 .")
        1.0
    """
    _, so, result = text.rpartition("so ")
    return float(bool(so) and result == truth.rpartition("so ")[2])


def recipe(model: GPT, tok: Tokenizer, size: Size, seed: int) -> Recipe:
    """GRPO: sixteen answers to each of six sums, two updates for each rollout."""

    def draw(rng: random.Random) -> tuple[list[int], Any]:
        question, truth = sum_task(rng)
        return prompt_ids(tok, question), truth

    steps, rng = size.steps["reason"], random.Random(seed)
    batches = grpo_batches(
        model,
        tasks(draw, tok, PROMPTS, seed=seed),
        verifier(tok, right_result),
        group=GROUP,
        updates=UPDATES,
        seed=seed,
        max_new_tokens=LONGEST,
        stop=[tok.special_tokens[CHAT_TOKENS[1]]],
    )
    return Recipe(
        batches,
        TrainConfig(steps=steps, lr=size.lr / 20, warmup=min(5, steps // 5), beta2=0.99, weight_decay=0.0),
        data=f"{PROMPTS * steps // UPDATES:,} sums of two to five numbers, {GROUP} own answers to each",
        data_sha256=sha256(sum_task(rng)[0] for _ in range(1000)),
        loss_fn=grpo_loss(),
    )
