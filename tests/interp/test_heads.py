"""Head scores on patterns drawn by hand, and by slow loops on random ones."""

from __future__ import annotations

import pytest
import torch
from tiny_models import SHAPE, scrambled

from tinygpt import data, training
from tinygpt.interp import (
    ablate_heads,
    capture,
    duplicate_scores,
    edit,
    induction_scores,
    previous_token_scores,
    stack_heads,
    zero_head,
)
from tinygpt.models import GPTConfig

CONFIG = GPTConfig(**SHAPE)


def test_scores_against_loops() -> None:
    model = scrambled(CONFIG)
    ids = torch.randint(5, (3, 14), generator=torch.Generator().manual_seed(2))
    with capture(model, "*.pattern") as seen:
        model(ids)
    induction, duplicate, previous = [], [], []
    for layer in range(2):
        for head in range(4):
            pattern = seen[f"blocks.{layer}.attn.pattern"][:, head]
            at_next, at_same, at_last = [], [], []
            for b in range(3):
                for t in range(14):
                    earlier = [s for s in range(t) if ids[b, s] == ids[b, t]]
                    if earlier:
                        at_next.append(sum(pattern[b, t, s + 1].item() for s in earlier))
                        at_same.append(sum(pattern[b, t, s].item() for s in earlier))
                    if t:
                        at_last.append(pattern[b, t, t - 1].item())
            for out, values in ((induction, at_next), (duplicate, at_same), (previous, at_last)):
                out.append(sum(values) / len(values))
    torch.testing.assert_close(induction_scores(seen, ids).flatten(), torch.tensor(induction))
    torch.testing.assert_close(duplicate_scores(seen, ids).flatten(), torch.tensor(duplicate))
    torch.testing.assert_close(previous_token_scores(seen).flatten(), torch.tensor(previous))


def test_a_perfect_induction_head_scores_one() -> None:
    ids = torch.tensor([[0, 1, 2, 0, 1, 2, 0]])
    pattern = torch.zeros(1, 1, 7, 7)
    for query, key in enumerate([0, 1, 2, 1, 2, 3, 4]):
        pattern[0, 0, query, key] = 1.0
    seen = {"blocks.0.attn.pattern": pattern}
    assert induction_scores(seen, ids).item() == 1.0
    assert duplicate_scores(seen, ids).item() == 0.0


def test_ablation_is_the_loss_with_the_head_off_minus_the_loss() -> None:
    model = scrambled(GPTConfig(**SHAPE | {"vocab_size": 32}))
    stream = data.worlds.repeats(batch_size=4, length=16)

    def loss(m):
        return training.mean_loss(m, stream, 1)

    rises = ablate_heads(model, loss)
    with edit(model, {"blocks.1.attn.heads": zero_head(2)}):
        off = loss(model)
    assert rises[1, 2].item() == pytest.approx(off - loss(model), abs=1e-5)


def test_missing_patterns_and_unrepeated_tokens_are_explained() -> None:
    with pytest.raises(KeyError, match=r"no attention scores was captured"):
        stack_heads({"blocks.0.attn.pattern": torch.zeros(1, 1, 2, 2)}, "scores")
    with pytest.raises(ValueError, match="no token occurs twice"):
        induction_scores({"blocks.0.attn.pattern": torch.zeros(1, 1, 2, 2)}, torch.tensor([[0, 1]]))
    with pytest.raises(ValueError, match=r"patterns are \(1, 3\) \(T × S\), but 3 tokens came"):
        induction_scores({"blocks.0.attn.pattern": torch.zeros(1, 1, 1, 3)}, torch.tensor([[0, 1, 0]]))
