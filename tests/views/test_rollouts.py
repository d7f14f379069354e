"""The rollouts view: its numbers, and what a reader meets in a real Chromium."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from views import inside
from views.pages import Page

from tinygpt.alignment import CHAT_TOKENS, GRPOBatch, Rollouts, group_advantages, roll_out, token_likelihoods
from tinygpt.models import GPT, GPTConfig
from tinygpt.tokenizers import train_characters
from tinygpt.views import rollouts

browser_test = pytest.mark.browser
TOK = train_characters("abcdefgh", special_tokens=CHAT_TOKENS)
END = TOK.special_tokens["<|im_end|>"]


def policy(seed: int = 0) -> GPT:
    return GPT(GPTConfig(vocab_size=TOK.vocab_size, n_layers=1, n_heads=2, d_model=16, context=64), seed=seed)


def played(prompts: int = 3, group: int = 4, length: int = 9) -> tuple[Rollouts, torch.Tensor]:
    """Rollouts that end at different places, and rewards; the second group alone is undecided."""
    asked = [[i % 8, (i + 1) % 8, (i + 2) % 8][: i + 1] for i in range(prompts)]
    batch = roll_out(policy(), asked, group=group, max_new_tokens=length, stop=[END], seed=3)
    rewards = torch.zeros(prompts * group)
    rewards[group + 2] = 1.0
    return batch, rewards


def view_of(**options: Any):
    batch, rewards = played()
    return rollouts(batch, TOK, **{"group": 4, "rewards": rewards} | options)


def number(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def signed(value: float) -> str:
    return ("+" if value > 0 else "") + number(value)


def test_it_opens_where_most_is_learnt_and_its_text_says_so() -> None:
    batch, _ = played()
    view = view_of()
    assert view.selected == (6, -1)
    lines = view._text().splitlines()
    assert lines[0] == "Rollouts view: 3 prompts × 4 answers, mean reward 0.083, 2 groups without signal"
    assert lines[1] == "prompt: bc"
    assert lines[4].startswith("reward 1.00, mean advantage +1.50")
    assert lines[4].endswith(TOK.decode(batch.targets[6][batch.counted[6]].tolist()))


def test_what_is_drawn_is_what_was_counted() -> None:
    batch, rewards = played()
    view = view_of(now=batch.log_probs + 0.5 * batch.counted)
    advantages = group_advantages(rewards, 4)
    for row, answer in enumerate(view._answers):
        drawn = batch.counted[row]
        assert answer.ids == batch.targets[row][drawn].tolist()
        np.testing.assert_allclose(answer.values["logProb"], batch.log_probs[row][drawn], rtol=1e-6)
        np.testing.assert_allclose(answer.values["advantage"], advantages[row], rtol=1e-6)
        np.testing.assert_allclose(answer.values["ratio"], np.exp(0.5), rtol=1e-5)
    assert view._prompts == [[0], [1, 2], [2, 3, 4]]


def test_a_batch_brings_what_it_has() -> None:
    batch, rewards = played()
    trained = GRPOBatch(*batch[:3], torch.arange(12.0) - 6, rewards)
    view = rollouts(trained, TOK, group=4)
    assert view._answers[0].values["advantage"].tolist() == [-6.0] * len(view._answers[0].ids)
    assert view._answers[0].finished is None and "cut off" not in view._text()
    per_token = torch.arange(batch.inputs.numel(), dtype=torch.float32).view(batch.inputs.shape)
    fine = rollouts(trained, TOK, group=4, advantages=per_token)
    np.testing.assert_array_equal(fine._answers[5].values["advantage"], per_token[5][batch.counted[5]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rewards": None}, "no rewards of their own"),
        ({"group": 5}, r"12 rows with \(12,\) rewards are no whole groups of 5"),
        ({"rewards": [1.0]}, r"rewards are no whole groups"),
        ({"advantages": [1.0]}, r"one per row or one per token, \(12,\) or "),
        ({"now": torch.zeros(12, 2)}, r"now must be a log-probability for each place"),
        ({"truths": ["a"]}, "truths must hold one for each of 3 prompts; got 1"),
    ],
)
def test_misuse_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        view_of(**options)


@browser_test
def test_hover_tells_a_tokens_numbers_and_keys_move(show: Callable[..., Page]) -> None:
    batch, _ = played()
    later = token_likelihoods(policy(seed=1), batch.inputs, batch.targets)[0]
    view = view_of(now=later, truths=["x", "y", "z"])
    page, answers = show(view), view._answers
    opened = page.said
    assert opened.startswith("Answer 3 of 4: reward 1.00, mean advantage +1.50, ")
    assert page.page.locator(".asked").inner_text().endswith("right: y")
    rows = page.page.locator(".drawn")
    rows.nth(1).locator("span").nth(0).hover()
    own = answers[5].values
    log_prob = own["logProb"][0]
    assert page.said.endswith(
        f"Token 1 “{TOK.pieces(answers[5].ids)[0]}”: log-prob {number(log_prob)} (probability "
        f"{np.exp(np.float16(log_prob)):.3f}), now {own['ratio'][0]:.2f} times as likely, "
        f"advantage {signed(own['advantage'][0])}"
    )
    page.page.mouse.move(2, 2)
    assert page.said == opened
    grid = page.page.get_by_label("Answers.")
    page.press(grid, "ArrowRight", "ArrowUp")
    assert page.said.startswith("Answer 2 of 4") and "Token 1 " in page.said
    page.press(grid, "PageDown")
    assert page.said.startswith("Answer 1 of 4: reward 0.00") and "prompt 3 of 3" in page.page.inner_text(
        ".bar"
    )
    page.press(grid, "PageDown", "PageUp", "PageUp", "PageUp")
    assert "prompt 1 of 3" in page.page.inner_text(".bar")
    assert page.page.get_by_role("button", name="Prompt before").is_disabled()
    page.page.keyboard.press("Escape")
    assert page.said == opened


@browser_test
def test_colours_diverge_from_zero_and_the_best_come_first(show: Callable[..., Page]) -> None:
    page = show(view_of(advantages=[-2.0, 0.0, 2.0, 1.0] * 3, rewards=[0.0, 1.0, 2.0, 0.0] * 3))
    channels = lambda row: [  # noqa: E731
        int(c)
        for c in page.page.locator(".drawn")
        .nth(row)
        .locator("span")
        .first.evaluate("n => getComputedStyle(n).backgroundColor.match(/\\d+/g)")
    ]
    low, none, high = (channels(row) for row in range(3))
    assert low[2] > low[0] and high[0] > high[2] and len(set(none)) == 1
    page.page.get_by_role("button", name="best first").click()
    rewards = page.page.locator(".who b").all_inner_texts()
    assert rewards == ["2.00", "1.00", "0.00", "0.00"] and channels(0) == high
    page.page.get_by_role("button", name="Table").click()
    cells = page.page.locator("table").first.locator("tbody td:first-child").all_inner_texts()
    assert cells == ["3", "2", "1", "4"]


@browser_test
def test_budgets(show: Callable[..., Page]) -> None:
    batch, _ = played(prompts=16, group=8, length=40)
    view = rollouts(batch, TOK, group=8, rewards=torch.arange(128) % 5 / 4, now=batch.log_probs)
    inside.check_budgets(show, view, 120, ".drawn span", cells=8 * 41)


@browser_test
@pytest.mark.parametrize("width", [480, 700])
def test_nothing_leaves_a_narrow_page(show: Callable[..., Page], width: int) -> None:
    batch, rewards = played(length=40)
    view = rollouts(batch, TOK, group=4, rewards=rewards, now=batch.log_probs)
    inside.check_width(show(view, viewport={"width": width, "height": 700}), width)
