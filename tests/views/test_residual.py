"""The residual view: its numbers, and what a reader meets in a real Chromium."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from views import inside
from views.pages import Page

from tinygpt.interp import attribute, capture
from tinygpt.models import EncoderDecoder, GPTConfig
from tinygpt.views import residual

browser_test = pytest.mark.browser
IDS, PIECES = [1, 7, 3, 9], ["t1", "t7", "t3", "t9"]


def stream(model: torch.nn.Module | None = None, **options: object):
    return residual(model or inside.model(), IDS, PIECES, **options)


def test_norms_and_cosines_are_those_of_what_was_captured() -> None:
    model = inside.model()
    writes = stream(model)._models[0]
    with capture(model) as seen:
        model(torch.tensor([IDS]))
    assert writes.parts == ["embedding", "L0 attn", "L0 mlp", "L1 attn", "L1 mlp", "L2 attn", "L2 mlp"]
    before = seen["embedded"][0]
    np.testing.assert_allclose(writes.stream[0], before.norm(dim=-1), rtol=1e-5)
    assert np.isnan(writes.along[0]).all()
    for i in range(3):
        for row, tap in ((1 + 2 * i, "attn_out"), (2 + 2 * i, "mlp_out")):
            write = seen[f"blocks.{i}.{tap}"][0]
            np.testing.assert_allclose(writes.added[row], write.norm(dim=-1), rtol=1e-5)
            cosine = (write * before).sum(-1) / write.norm(dim=-1) / before.norm(dim=-1)
            np.testing.assert_allclose(writes.along[row], cosine, rtol=1e-3, atol=1e-5)
            before = before + write
            np.testing.assert_allclose(writes.stream[row], before.norm(dim=-1), rtol=1e-5)


@pytest.mark.parametrize("changes", [{}, {"norm": "layernorm", "bias": True}])
def test_towards_the_answer_has_the_sign_and_size_of_direct_attribution(changes: dict) -> None:
    model = inside.model(**changes)
    with torch.no_grad():
        model.norm.weight.copy_(torch.linspace(0.2, 2, 16))
    writes = stream(model, answer=5)._models[0]
    parts = attribute(model, torch.tensor([IDS]), torch.tensor([5]))
    wanted = {"embedding": parts["embedding"]} | {f"L{i} mlp": parts[f"L{i} mlp"] for i in range(3)}
    rows = [writes.parts.index(name) for name in wanted]
    got = writes.towards[rows, -1] * writes.added[rows, -1]
    ratios = got / torch.cat(list(wanted.values())).numpy()
    # cos · ‖w‖ = w·u / ‖u‖, and the logit is w·u over the last norm's divisor: one factor for all parts. A
    # LayerNorm's writes also have a mean, which their norm holds and the logit does not.
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-3)
    assert ratios[0] > 0


def test_a_post_norm_stream_is_measured_after_its_norm() -> None:
    model = inside.model(norm_first=False)
    writes = stream(model)._models[0]
    np.testing.assert_allclose(writes.stream[1:], np.full((6, 4), 4.0), rtol=5e-2)  # √D, by RMSNorm
    assert stream(inside.model(d_ff=0))._models[0].parts == ["embedding", "L0 attn", "L1 attn", "L2 attn"]


def test_what_is_shipped_is_rounded_by_less_than_a_reader_sees() -> None:
    writes = stream(answer=5)._models[0]
    shipped = np.frombuffer(writes.packed(), "<f4").reshape(4, 7, 4)
    np.testing.assert_allclose(shipped[0], writes.stream, rtol=2**-12)
    np.testing.assert_array_equal(np.isnan(shipped[2]), np.isnan(writes.along))


def test_its_text_holds_mean_norms() -> None:
    view = stream({"pre": inside.model(), "post": inside.model(norm_first=False)})
    lines = view._text().splitlines()
    assert lines[0] == "Residual stream view: pre 7, post 7 parts × 4 positions"
    writes = view._models[0]
    assert f"L2 mlp {writes.stream[-1].mean():.3g} (+{writes.added[-1].mean():.3g})" in lines[1]
    assert lines[2].startswith("post: mean norm after embedding ")


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (None, {"statistic": "towards"}, r"one of \('stream', 'added', 'along'\)"),
        (None, {"answer": 11}, "id from 0 to 10; got 11"),
        ({}, {}, "at least one model"),
        (EncoderDecoder(GPTConfig(vocab_size=11, n_layers=1)), {}, "GPT or Encoder; got EncoderDecoder"),
    ],
)
def test_misuse_is_refused(model: object, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        residual(inside.model() if model is None else model, IDS, PIECES, **options)


@browser_test
def test_pointer_and_keys_show_what_a_part_adds(show: Callable[..., Page]) -> None:
    view = stream(answer=5)
    page, writes = show(view), view._models[0]
    grid = page.page.get_by_label("Parts down")
    opened = page.said
    mean = f"adds a vector of norm {writes.added[6].mean():.3f}; the stream goes from norm "
    assert opened.startswith("L2 mlp on average over positions: " + mean + f"{writes.stream[5].mean():.3f}")
    grid.hover(position=inside.place(grid, 3, 2))
    number = lambda values: f"{values[3, 1]:.3f}".replace("-", "−")  # noqa: E731
    assert page.said.startswith(f"L1 attn at 1 “t7”: adds a vector of norm {number(writes.added)}; ")
    assert page.said.endswith(
        f"cosine with the stream {number(writes.along)}, with the answer's direction {number(writes.towards)}"
    )
    page.page.mouse.move(2, 2)
    assert page.said == opened
    page.press(grid, "End", *["ArrowUp"] * 6)
    assert page.said.startswith("embedding at 3 “t9”: the stream begins with norm ")
    page.page.keyboard.press("Escape")
    assert page.said == opened


@browser_test
def test_models_side_by_side_share_scales_and_move_together(show: Callable[..., Page]) -> None:
    wild = inside.model()
    with torch.no_grad():
        for block in wild.blocks:
            block.mlp.down.weight *= 2000
    view = stream({"tame": inside.model(), "wild": wild})
    page = show(view)
    boxes = [page.page.get_by_label(f"{name}: parts down").bounding_box() for name in ("tame", "wild")]
    assert boxes[0]["y"] == boxes[1]["y"] and boxes[0]["x"] < boxes[1]["x"]
    log = page.page.get_by_role("button", name="Log scale")
    assert log.get_attribute("aria-pressed") == "true", "norms a thousand times apart open on a log scale"
    means = [
        f"{w.name} {w.stream[0].mean():.3f} to {w.stream[-1].mean():{'.3f' if w.name == 'tame' else '.0f'}}"
        for w in view._models
    ]
    chart = page.page.get_by_role("img", name="by part")
    assert chart.get_attribute("aria-label") == "norm of stream by part: " + "; ".join(means)
    page.press(page.page.get_by_label("wild: parts down"), "ArrowUp", "ArrowRight")
    assert page.said.startswith("wild, L2 attn at 0 “t1”: ")
    values = [
        f"{w.name} {w.stream[0, 0]:.3f} to {w.stream[-1, 0]:{'.3f' if w.name == 'tame' else '.0f'}}"
        for w in view._models
    ]
    assert "; ".join(values) in chart.get_attribute("aria-label")
    log.click()
    assert "logarithmic" not in page.page.locator("h3").last.inner_text()


@browser_test
def test_the_table_holds_a_position(show: Callable[..., Page]) -> None:
    view = stream(answer=5, statistic="towards")
    page, writes = show(view), view._models[0]
    assert page.page.get_by_role("button", name="Log scale").is_hidden()
    page.press(page.page.get_by_label("Parts down"), "ArrowRight")
    page.press(page.page.get_by_role("button", name="Table"), "Enter")
    rows = [row.locator("td").all_inner_texts() for row in page.page.locator("tbody tr").all()]
    assert rows[0][3] == "–" and [row[0] for row in rows] == writes.parts
    got = [[float(cell.replace("−", "-")) for cell in row[1:]] for row in rows[1:]]
    wanted = [writes.stream, writes.added, writes.along, writes.towards]
    np.testing.assert_allclose(got, np.stack([values[1:, 0] for values in wanted], -1), atol=2e-3)


@browser_test
def test_budgets(show: Callable[..., Page]) -> None:
    model = inside.model(vocab_size=64, n_layers=12, context=64)
    view = residual({"a": model, "b": model}, range(64), [f"w{i}" for i in range(64)], answer=3)
    inside.check_budgets(show, view, 120, "canvas[tabindex]")


@browser_test
@pytest.mark.parametrize("width", [480, 700])
def test_nothing_leaves_a_narrow_page(show: Callable[..., Page], width: int) -> None:
    model = inside.model(n_layers=6, context=40)
    view = residual({"a": model, "b": model}, [i % 11 for i in range(40)], ["word"] * 40)
    inside.check_width(show(view, viewport={"width": width, "height": 700}), width)
