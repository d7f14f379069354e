"""Rollouts against the model itself: one row at a time, without a cache, and by the frequencies drawn."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from tiny_models import SHAPE, VARIANTS, scrambled
from torch import nn

from tinygpt.alignment import Rollouts, add_lora, remove_lora, roll_out, rollouts, token_likelihoods
from tinygpt.interp import edit
from tinygpt.models import GPT, GPTConfig
from tinygpt.sampling import generate, greedy, temperature
from tinygpt.tokenizers import train_characters
from tinygpt.training import next_token_loss

PROMPTS = [[3, 1, 4, 1, 5], [9, 2], [6], [5, 3, 5, 8, 9, 7]]
SMALL = GPTConfig(**SHAPE)


@pytest.mark.parametrize("hooked", [False, True])
@pytest.mark.parametrize("config", VARIANTS, ids=str)
def test_the_log_probabilities_are_those_of_the_model(config: GPTConfig, hooked: bool) -> None:
    model = scrambled(config)
    if hooked:  # then no snapshot may take the model's place
        model.norm.register_forward_hook(lambda *_: None)
    out = roll_out(model, PROMPTS, group=3, max_new_tokens=9, stop=[0, 1, 2], seed=0)
    assert 0 < out.finished.sum() < len(out.finished), "some rows end and are dropped, some are cut off"
    log_probs, _ = token_likelihoods(model, out.inputs, out.targets)
    torch.testing.assert_close(out.log_probs, log_probs, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("config", VARIANTS, ids=str)
def test_the_likeliest_completion_is_what_generate_says_row_by_row(config: GPTConfig) -> None:
    model = scrambled(config, seed=3)
    out = roll_out(model, PROMPTS, group=2, max_new_tokens=8, stop=[0, 1], filters=[greedy()])
    for row, completion in enumerate(out.completions()):
        prompt = PROMPTS[row // 2]
        said = generate(model, prompt, max_new_tokens=8, filters=[greedy()], stop=[0, 1]).tolist()
        ended = [token for token in said[len(prompt) :] if token in (0, 1)]
        assert prompt + completion + ended[:1] == said
        assert bool(out.finished[row]) == bool(ended)


def test_rows_are_laid_out_as_every_stage_reads_them() -> None:
    model = scrambled(SMALL)
    out = roll_out(model, PROMPTS, group=2, max_new_tokens=6, stop=[0, 1, 2], seed=1)
    for row, length in enumerate(out.lengths.tolist()):
        prompt, counted = PROMPTS[row // 2], out.counted[row]
        start, end = len(prompt) - 1, len(prompt) - 1 + length
        assert counted.nonzero()[:, 0].tolist() == list(range(start, end))
        drawn = out.targets[row, start:end].tolist()
        assert out.inputs[row].tolist()[:end] == prompt + drawn[:-1]
        assert not out.inputs[row, end:].any() and not out.log_probs[row][~counted].any()
        assert out.completions()[row] == (drawn[:-1] if out.finished[row] else drawn)
        assert all(token > 2 for token in drawn[:-1]) and (drawn[-1] <= 2) == bool(out.finished[row])
    lengths = [len(PROMPTS[row // 2]) + length for row, length in enumerate(out.lengths.tolist())]
    assert out.inputs.shape[1] == max(lengths) - 1
    mean = -out.log_probs.sum() / out.counted.sum()
    torch.testing.assert_close(next_token_loss(model, out[:2]), mean, atol=1e-4, rtol=1e-4)


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    model, prompt = scrambled(SMALL), [4, 7]
    out = roll_out(model, [prompt], group=20_000, max_new_tokens=1, seed=0)
    often = torch.bincount(out.targets[:, -1], minlength=31) / 20_000
    expected = model(torch.tensor([prompt]))[0, -1].softmax(-1)
    assert (often - expected).abs().max() < 4 * 0.5 / 20_000**0.5


def test_the_seed_decides_and_another_seed_decides_otherwise() -> None:
    model, options = scrambled(SMALL), dict(max_new_tokens=6, stop=[0])
    one, same, other = (roll_out(model, PROMPTS, **options, seed=seed) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert one.completions() != other.completions()


def test_the_completions_of_one_prompt_differ() -> None:
    out = roll_out(scrambled(SMALL), [[3]], group=8, max_new_tokens=6, seed=0)
    assert len(set(map(tuple, out.completions()))) == 8


@pytest.mark.parametrize("crowd", [0.0, 1.0])
def test_dropping_rows_that_have_ended_changes_nothing(crowd: float, monkeypatch: pytest.MonkeyPatch) -> None:
    model, options = scrambled(SMALL), dict(group=4, max_new_tokens=8, stop=range(6), seed=0)
    expected = roll_out(model, PROMPTS, **options)
    monkeypatch.setattr(rollouts, "CROWD", crowd)
    found = roll_out(model, PROMPTS, **options)
    assert found.completions() == expected.completions()
    torch.testing.assert_close(found.log_probs, expected.log_probs, atol=1e-5, rtol=1e-4)


def test_a_prompt_is_read_once_and_ended_rows_are_not_read_on(monkeypatch: pytest.MonkeyPatch) -> None:
    model, read = scrambled(SMALL), []
    model.embed.register_forward_pre_hook(lambda _, args: read.append(tuple(args[0].shape)))
    out = roll_out(model, PROMPTS, group=4, max_new_tokens=8, stop=range(6), seed=0)
    assert read[0] == (4, 6), "one row per prompt"
    assert read[1][0] <= 16 and read[-1][0] < 8
    assert sum(rows for rows, _ in read[1:]) < 1.4 * int((out.lengths - 1).sum())


def test_a_model_that_somebody_edits_is_not_replaced_by_a_snapshot() -> None:
    model = scrambled(SMALL)
    with edit(model, {"blocks.1.residual": torch.zeros_like}):
        out = roll_out(model, PROMPTS, max_new_tokens=5, seed=0)
        expected, _ = token_likelihoods(model, *out[:2])
    torch.testing.assert_close(out.log_probs, expected, atol=2e-5, rtol=1e-4)
    assert (token_likelihoods(model, *out[:2])[0] - expected).abs().max() > 0.1


def test_adapters_are_in_what_is_drawn() -> None:
    model = scrambled(SMALL)
    add_lora(model, targets="blocks.*", seed=0)
    for name, part in model.named_parameters():
        if name.endswith(".B"):
            nn.init.normal_(part, std=0.3, generator=torch.Generator().manual_seed(0))
    out = roll_out(model, PROMPTS, max_new_tokens=5, seed=0)
    torch.testing.assert_close(out.log_probs, token_likelihoods(model, *out[:2])[0], atol=2e-5, rtol=1e-4)
    remove_lora(model)
    assert (out.log_probs - token_likelihoods(model, *out[:2])[0]).abs().max() > 0.1


def test_filters_change_what_is_drawn_but_not_how_likely_the_model_finds_it() -> None:
    model = scrambled(SMALL)
    out = roll_out(model, PROMPTS, max_new_tokens=5, filters=[temperature(0.01)], seed=0)
    best = roll_out(model, PROMPTS, max_new_tokens=5, filters=[greedy()])
    assert out.completions() == best.completions()
    torch.testing.assert_close(out.log_probs, token_likelihoods(model, *out[:2])[0], atol=2e-5, rtol=1e-4)


def test_completions_as_text() -> None:
    tok = train_characters("abc.")
    model = GPT(GPTConfig(vocab_size=4, n_layers=1, d_model=8, n_heads=1, context=8), seed=0)
    out = roll_out(model, [tok.encode("ab")], group=6, max_new_tokens=5, stop=tok.encode("."), seed=0)
    assert out.texts(tok) == [tok.decode(ids) for ids in out.completions()]
    assert not any("." in text for text in out.texts(tok)) and out.finished.any()


def test_rows_can_be_selected() -> None:
    out = roll_out(scrambled(SMALL), PROMPTS, max_new_tokens=5, seed=0)
    two = out.select(torch.tensor([2, 0]))
    assert isinstance(two, Rollouts)
    assert two.completions() == [out.completions()[2], out.completions()[0]]


@pytest.mark.parametrize(
    ("prompts", "options", "message"),
    [
        ([], {}, "at least one prompt"),
        ([[1], []], {}, "none of them empty"),
        ([[31]], {}, r"ids from 31 to 31; the model knows 0 to 30\. Another tokenizer\?"),
        ([[1]], {"group": 0}, "group and max_new_tokens must be at least 1; got 0 and 5"),
        ([[1] * 13], {}, r"13 tokens, so 5 new ones need a context of 17; the model has 16\. Lower"),
    ],
)
def test_what_cannot_be_rolled_out_is_explained(prompts: list, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        roll_out(GPT(SMALL, seed=0), prompts, **{"max_new_tokens": 5, **options})


def test_the_longest_that_fits_is_rolled_out() -> None:
    assert roll_out(GPT(SMALL, seed=0), [[1] * 12], max_new_tokens=5, seed=0).inputs.shape == (1, 16)


@pytest.mark.parametrize("hooked", [False, True])
def test_likelihoods_are_pytorchs_and_so_are_their_gradients(hooked: bool) -> None:
    ours, theirs, seen = scrambled(SMALL), scrambled(SMALL), []
    if hooked:  # somebody waits for the logits, so all of them are computed
        ours.head.register_forward_hook(lambda *args: seen.append(args[2].shape))
    inputs = torch.randint(31, (3, 9))
    targets = torch.randint(31, (3, 9)).masked_fill(torch.rand(3, 9) < 0.4, -100)
    log_probs, entropies = token_likelihoods(ours, inputs, targets)
    assert seen == [(3, 9, 31)] * hooked
    logits = theirs(inputs)
    expected = -F.cross_entropy(logits.mT, targets, reduction="none", ignore_index=-100)
    entropy = torch.distributions.Categorical(logits=logits).entropy() * (targets != -100)
    torch.testing.assert_close(log_probs, expected)
    torch.testing.assert_close(entropies, entropy)
    weights = torch.randn(2, 3, 9)
    (weights * torch.stack([log_probs, entropies])).sum().backward()
    (weights * torch.stack([expected, entropy])).sum().backward()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, atol=1e-4, rtol=1e-4)
