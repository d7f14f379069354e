"""Contrastive search: the paper's formula, worked out anew for each candidate without a cache."""

from __future__ import annotations

import pytest
import torch
from tiny_models import SHAPE, VARIANTS, scrambled

from tinygpt.models import GPT, GPTConfig
from tinygpt.sampling import banned, contrastive_search, generate, greedy, no_repeat_ngram

PROMPT = [5, 3, 8]


@torch.no_grad()
def by_the_formula(model: GPT, k: int, alpha: float, n: int) -> list[int]:
    row = list(PROMPT)
    for _ in range(n):
        p = model(torch.tensor([row]))[0, -1].softmax(-1)
        scores = {}
        for token in p.topk(k).indices.tolist():
            *before, new = model(torch.tensor([[*row, token]]), unembed=False)[0]
            alike = max(torch.cosine_similarity(new, old, dim=0).item() for old in before)
            scores[token] = (1 - alpha) * p[token].item() - alpha * alike
        row.append(max(scores, key=scores.__getitem__))
    return row


@pytest.mark.parametrize("config", VARIANTS, ids=str)
@pytest.mark.parametrize(("k", "alpha"), [(4, 0.6), (2, 0.3), (31, 0.9)])
def test_it_is_the_papers_formula(config: GPTConfig, k: int, alpha: float) -> None:
    model = scrambled(config)
    found = contrastive_search(model, PROMPT, k=k, alpha=alpha, max_new_tokens=10)
    assert found.tolist() == by_the_formula(model, k, alpha, 10)


def test_without_a_penalty_or_a_choice_it_is_greedy() -> None:
    model = scrambled(GPTConfig(**SHAPE))
    want = generate(model, PROMPT, max_new_tokens=10, filters=[greedy()]).tolist()
    assert contrastive_search(model, PROMPT, alpha=0.0, max_new_tokens=10).tolist() == want
    assert contrastive_search(model, PROMPT, k=1, max_new_tokens=10).tolist() == want
    assert contrastive_search(model, PROMPT, max_new_tokens=10).tolist() != want


def test_it_stops_and_keeps_to_its_filters() -> None:
    model = scrambled(GPTConfig(**SHAPE))

    def search(**options: object) -> list[int]:
        return contrastive_search(model, PROMPT, **({"max_new_tokens": 10} | options)).tolist()

    whole = search()
    assert search(stop=[whole[6]]) == whole[:7]
    assert whole[3] not in search(filters=[banned([whole[3]])])[3:]
    assert len(set(search(alpha=0.0, filters=[no_repeat_ngram(1)]))) == 13
    few = [banned(set(range(31)) - {3})]  # fewer than k are left
    assert search(max_new_tokens=3, filters=few, alpha=1.0) == [*PROMPT, 3, 3, 3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k must be 1 or more and alpha from 0 to 1; got 0 and 0.6"),
        ({"alpha": 1.5}, "alpha from 0 to 1; got 4 and 1.5"),
        ({"max_new_tokens": 20}, "3 tokens and 20 new ones must fit the model's context of 16"),
        ({"prompt": [[1], [2]]}, "takes one sequence; got a batch of 2"),
    ],
)
def test_mistakes_are_explained(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        contrastive_search(GPT(GPTConfig(**SHAPE)), **({"prompt": PROMPT, "max_new_tokens": 3} | options))
