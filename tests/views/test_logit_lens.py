"""The logit lens view: its numbers, and what a reader meets in a real Chromium."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from views import inside
from views.pages import Page

from tinygpt.interp import capture
from tinygpt.models import Encoder, EncoderDecoder, GPTConfig
from tinygpt.views import _readings, logit_lens

browser_test = pytest.mark.browser
IDS = [1, 7, 3, 9, 2]
PIECES = [f"t{i}" for i in IDS]


def lens(**options: object):
    return logit_lens(inside.model(), IDS, PIECES, **options)


def logits(model: torch.nn.Module, ids: list[int]) -> torch.Tensor:
    """At every depth, L T V, one depth and position at a time."""
    with capture(model, "embedded", "blocks.*.residual") as seen:
        model(torch.tensor([ids]))
    streams = [seen["embedded"], *(seen[f"blocks.{i}.residual"] for i in range(3))]
    with torch.no_grad():
        return torch.stack([torch.stack([model.head(model.norm(x)) for x in row[0]]) for row in streams])


def test_every_number_is_the_one_of_the_plain_formula() -> None:
    view, odds = lens(answer=5, rivals=[0, 4]), logits(inside.model(), IDS).double().softmax(-1)
    got, right = view._readings, [*IDS[1:], 5]
    for line, ids in enumerate([right, [5] * 5, [0] * 5, [4] * 5]):
        for t, one in enumerate(ids):
            wanted = odds[:, t, one]
            torch.testing.assert_close(
                torch.tensor(got.odds[line, :, t]).double(), wanted, atol=1e-6, rtol=1e-5
            )
            assert got.ranks[line, :, t].tolist() == (odds[:, t] > wanted[:, None]).sum(-1).tolist()
    entropy = -(odds * odds.log()).sum(-1)
    torch.testing.assert_close(torch.tensor(got.entropy).double(), entropy, atol=1e-5, rtol=1e-5)
    divergence = (odds[-1] * (odds[-1] / odds).log()).sum(-1)
    torch.testing.assert_close(torch.tensor(got.divergence).double(), divergence, atol=1e-5, rtol=1e-4)
    assert got.top.tolist() == odds.topk(8).indices.tolist()


def test_a_large_vocabulary_is_read_by_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = lens(answer=5)._data()
    monkeypatch.setattr(_readings, "_MOST_LOGITS", 2 * 11 * 4)
    assert lens(answer=5)._data() == whole


def test_the_right_token_is_the_next_then_the_answer_else_the_models_own() -> None:
    own = int(logits(inside.model(), IDS)[-1, -1].argmax())
    given = lens()._given
    assert (given.right, given.why) == ([*IDS[1:], own], ["next"] * 4 + ["own"])
    given = lens(answer=5)._given
    assert (given.right, given.why, given.followed) == ([*IDS[1:], 5], ["next"] * 4 + ["given"], [5])
    given = lens(answer=5, at=1)._given
    assert (given.right, given.why) == ([7, 5, 9, 2, own], ["next", "given", "next", "next", "own"])
    assert lens(answer=[5, 4, 3, 2, 1], rivals=[4, 4])._given.followed == [4]


def test_ids_may_be_numbers_of_any_kind() -> None:
    plain = lens(answer=5, rivals=[4]).html()
    assert lens(answer=torch.tensor(5), rivals=torch.tensor([4])).html() == plain
    assert lens(answer=np.int64(5), rivals=np.array([4])).html() == plain
    each = lens(answer=[5, 4, 3, 2, 1]).html()
    assert lens(answer=torch.tensor([5, 4, 3, 2, 1])).html() == each


def test_models_with_two_stacks_are_refused() -> None:
    model = EncoderDecoder(GPTConfig(vocab_size=11, n_layers=1))
    with pytest.raises(ValueError, match="GPT or Encoder; got EncoderDecoder"):
        logit_lens(model, IDS, PIECES)


def test_an_encoders_right_tokens_are_the_ones_given() -> None:
    model = Encoder(GPTConfig(vocab_size=11, n_layers=1, n_heads=2, d_model=16), seed=0)
    choice = model(torch.tensor([IDS]))[0].argmax(-1).tolist()
    assert logit_lens(model, IDS, PIECES)._given.right == choice
    blank = logit_lens(model, IDS, PIECES, answer=4, at=2)._given
    assert blank.right == [*choice[:2], 4, *choice[3:]] and blank.why[2] == "given"


def test_a_row_of_a_batch_is_read() -> None:
    both = torch.tensor([IDS, IDS[::-1]])
    one = logit_lens(inside.model(), both, PIECES[::-1], batch=1)
    assert one.html() == logit_lens(inside.model(), IDS[::-1], PIECES[::-1]).html()


def test_its_text_follows_the_tokens_through_the_depths() -> None:
    lines = lens(answer=5, rivals=[4], vocabulary=[f"w{i}" for i in range(11)])._text().splitlines()
    assert lines[0] == "Logit lens view: 4 depths × 5 positions"
    assert [line[:4] for line in lines[2:]] == ["“w5”", "“w4”", "firs"]
    odds = logits(inside.model(), IDS)[-1, -1].softmax(-1)
    assert lines[2].endswith(f"L2 {int((odds > odds[5]).sum())} ({odds[5]:.2f})")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"answer": 11}, r"ids from 0 to 10; got \[11\]"),
        ({"rivals": [-2]}, r"got \[-2\]"),
        ({"answer": [1, 2]}, "one id or 5, one for each position; got 2"),
        ({"at": 5}, "position from 0 to 4; got 5"),
        ({"statistic": "loss"}, "one of .'rank'"),
        ({"top": 0}, "top from 1 to 20; got 0 and 0"),
        ({"batch": 1}, "a row of them"),
    ],
)
def test_misuse_is_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lens(**options)


def test_pieces_must_name_every_token() -> None:
    with pytest.raises(ValueError, match="got 2 for 3 tokens"):
        logit_lens(inside.model(), [1, 2, 3], ["a", "b"])


@browser_test
def test_pointer_and_keys_move_through_the_grid(show: Callable[..., Page]) -> None:
    view = lens(answer=5, rivals=[4])
    page, read = show(view), view._readings
    grid = page.page.get_by_label("Depth down")
    opened = page.said
    assert opened.startswith(f"after L2, at 4 “t2”: “#5” (the answer) has rank {read.ranks[0, 3, 4]}, ")
    grid.hover(position=inside.place(grid, 0, 1))
    said = f"in the embedding, at 1 “t7”: “#3” (the next token) has rank {read.ranks[0, 0, 1]}, "
    assert page.said.startswith(said + f"probability {read.odds[0, 0, 1]:.3f}; ")
    assert f"entropy {read.entropy[0, 1]:.2f} nats, KL to final {read.divergence[0, 1]:.2f}" in page.said
    shown = page.page.locator(".next .mono").all_inner_texts()
    assert [text.removesuffix(" ✓") for text in shown] == [f"#{i}" for i in read.top[0, 1]]
    page.page.mouse.move(2, 2)
    assert page.said == opened
    page.press(grid, "ArrowUp", "ArrowLeft", "ArrowLeft")
    assert page.said.startswith("after L1, at 2 “t3”")
    page.press(grid, "Home", "ArrowUp", "ArrowUp", "ArrowUp")
    assert page.said.startswith("in the embedding, at 0 “t1”")
    page.page.keyboard.press("Escape")
    assert page.said == opened


@browser_test
def test_the_lines_follow_the_answer_and_its_rivals(show: Callable[..., Page]) -> None:
    view = lens(answer=5, rivals=[4])
    page, read = show(view), view._readings
    chart = page.page.get_by_role("img", name="by depth")
    said = lambda i, t: f"{read.ranks[i, 0, t]:.3f} to {read.ranks[i, 3, t]:.3f}"  # noqa: E731
    assert chart.get_attribute("aria-label") == f"rank by depth: #5 ✓ {said(0, 4)}; #4 {said(2, 4)}"
    page.press(page.page.get_by_label("Depth down"), "Home")
    assert (
        chart.get_attribute("aria-label")
        == f"rank by depth: #7 ✓ {said(0, 0)}; #5 {said(1, 0)}; #4 {said(2, 0)}"
    )
    page.page.get_by_label("What the lines show").get_by_text("probability").click()
    assert f"#5 {read.odds[1, 0, 0]:.3f} to {read.odds[1, 3, 0]:.3f}" in chart.get_attribute("aria-label")


@browser_test
def test_the_cells_can_show_another_number_and_the_table_holds_all(show: Callable[..., Page]) -> None:
    view = lens(answer=5, rivals=[4], statistic="top")
    page, read = show(view), view._readings
    legend = page.page.get_by_role("img", name="Colours")
    assert "first choice" in legend.get_attribute("aria-label")
    page.page.get_by_label("What the cells show").get_by_text("KL").click()
    assert "KL to the final answer (nats), " in legend.get_attribute("aria-label")
    page.page.get_by_role("button", name="Table").click()
    cells = page.page.locator("tbody tr").nth(1).locator("td").all_inner_texts()
    number = lambda values, digits=3: f"{values[1, 4]:.{digits}f}"  # noqa: E731
    wanted = [str(read.ranks[0, 1, 4]), number(read.odds[0]), number(read.entropy), number(read.divergence)]
    assert cells[:2] == ["L0", f"#{read.top[1, 4, 0]}"]
    assert [float(cell) for cell in cells[2:6]] == pytest.approx([float(w) for w in wanted], abs=2e-3)


@browser_test
def test_words_stay_readable_and_the_grid_scrolls_to_what_is_locked(show: Callable[..., Page]) -> None:
    model = inside.model(context=64)
    view = logit_lens(model, [i % 11 for i in range(64)], ["word"] * 64, statistic="top")
    page = show(view, viewport={"width": 700, "height": 700})
    grid = page.page.get_by_label("Depth down")
    assert float(grid.get_attribute("data-across")) >= 40
    seen = lambda: grid.evaluate("node => node.parentNode.scrollLeft")  # noqa: E731
    assert seen() > 1500, "it opens on the last position"
    page.press(grid, "Home")
    assert seen() == 0


@browser_test
def test_budgets(show: Callable[..., Page]) -> None:
    model = inside.model(vocab_size=1000, n_layers=12, context=64)
    view = logit_lens(model, range(64), [f"w{i}" for i in range(64)], rivals=[1, 2, 3])
    inside.check_budgets(show, view, 120, "canvas[tabindex]")


@browser_test
@pytest.mark.parametrize("width", [480, 700])
def test_nothing_leaves_a_narrow_page(show: Callable[..., Page], width: int) -> None:
    model = inside.model(n_layers=6, context=40)
    view = logit_lens(model, [i % 11 for i in range(40)], ["word"] * 40, answer=5, rivals=[1, 2])
    inside.check_width(show(view, viewport={"width": width, "height": 700}), width)
