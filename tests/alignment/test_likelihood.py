"""How likely each token is, whatever type the model computes in."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from tinygpt.alignment.likelihood import likelihoods, token_likelihoods
from tinygpt.models import GPT, GPTConfig
from tinygpt.training import next_token_loss


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_sums_of_exponentials_are_taken_in_float32_at_least(dtype: torch.dtype) -> None:
    logits = torch.randn(2, 5_000, generator=torch.Generator().manual_seed(0)).to(dtype)
    targets = torch.tensor([[7, -100, 4_000]])
    log_probs, entropies = likelihoods(logits, targets)
    exact = logits.double().log_softmax(-1)
    assert log_probs.dtype == entropies.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    wanted = torch.tensor([[exact[0, 7], 0.0, exact[1, 4_000]]])
    torch.testing.assert_close(log_probs.double(), wanted, atol=1e-5, rtol=0)
    uncertainty = -(exact.exp() * exact).sum(-1)
    torch.testing.assert_close(entropies[0, [0, 2]].double(), uncertainty, atol=1e-4, rtol=0)


def test_a_model_of_half_precision_has_a_loss_in_float32() -> None:
    model = GPT(GPTConfig(vocab_size=5_000, n_layers=1, d_model=16), seed=0).bfloat16()
    x = torch.randint(5_000, (2, 9), generator=torch.Generator().manual_seed(0))
    batch = x[:, :-1], x[:, 1:]
    with torch.no_grad():
        logits = model(batch[0]).double()
        exact = F.cross_entropy(logits.flatten(0, 1), batch[1].flatten())
        for loss in (next_token_loss(model, batch), -token_likelihoods(model, *batch)[0].mean()):
            assert loss.dtype == torch.float32
            torch.testing.assert_close(loss.double(), exact, atol=1e-4, rtol=0)
