"""Preferences: of two stories of its own, the model learns to tell the one that a reader liked better."""

from __future__ import annotations

import copy
import random
from typing import TYPE_CHECKING

from tinygpt.alignment import Preference, dpo_loss, pair_batches, preference_batch, with_reference
from tinygpt.data.worlds import story_end, story_wish
from tinygpt.lineage.answers import answers
from tinygpt.lineage.recipe import Recipe, sha256
from tinygpt.training import TrainConfig

if TYPE_CHECKING:
    from tinygpt.lineage.sizes import Size
    from tinygpt.models import GPT
    from tinygpt.tokenizers import Tokenizer

BATCH_SIZE = 32
WISHES = 25  # for each step; a third of them gives a pair
BETA, NLL = 0.1, 0.2
NOISE = 0.05  # how often the reader clicks on the wrong one


def preferences(model: GPT, tok: Tokenizer, n: int, seed: int, noise: float = NOISE) -> list[Preference]:
    """Returns pairs of stories of the model's own, the one with a good end preferred to one with a bad end.

    Args:
        model, tok: tells stories.
        n: wishes for a story; where both stories end alike or one is no story there is no pair.
        seed: of the wishes, of what is told and of the reader's mistakes.
        noise: chance that the reader takes the other one.
    """
    rng = random.Random(seed)
    wishes = [story_wish(rng) for _ in range(n)]
    told = [answer.text for answer in answers(model, tok, wishes, group=2, seed=seed)]
    pairs = []
    for wish, one, other in zip(wishes, told[::2], told[1::2], strict=True):
        ends = {story_end(one): one, story_end(other): other}
        if set(ends) == {"good", "bad"}:
            liked, disliked = ends["good"], ends["bad"]
            if rng.random() < noise:
                liked, disliked = disliked, liked
            pairs.append(Preference([("user", wish)], liked, disliked))
    return pairs


def recipe(model: GPT, tok: Tokenizer, size: Size, seed: int) -> Recipe:
    """DPO on pairs of the model's own stories, with a little of the plain loss on the preferred one."""
    steps = size.steps["prefer"]
    pairs = preferences(model, tok, WISHES * steps, seed)
    if not pairs:
        raise ValueError("the model told no two stories with different ends. Does it know the chat template?")
    known = with_reference(preference_batch(tok, pairs), copy.deepcopy(model))
    return Recipe(
        pair_batches(known, BATCH_SIZE, seed=seed),
        TrainConfig(steps=steps, lr=size.lr / 80, warmup=min(20, steps // 5), weight_decay=0.0),
        data=f"{len(pairs)} pairs of its own stories, {NOISE:.0%} of them marked the wrong way (seed {seed})",
        data_sha256=sha256(text for pair in pairs for text in (pair.prompt[0][1], *pair[1:])),
        loss_fn=dpo_loss(None, beta=BETA, nll=NLL),
    )
