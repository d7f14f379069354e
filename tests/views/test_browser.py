"""The views in a real Chromium: budgets, pointer, keyboard, themes, and every place a notebook can end up."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import nbformat
import numpy as np
import pytest
from views import lab, samples
from views.pages import READY, Page, contrast, hover, open_notebook, run_cell

from tinygpt.views import View, attention, switches

pytestmark = pytest.mark.browser


def sample(layers: int = 2, heads: int = 3, length: int = 12, **options: Any) -> View:
    return attention(samples.seen(layers, heads, length), samples.pieces(length), **options)


@pytest.mark.parametrize(("shape", "kilobytes"), [((4, 4, 32), 40), ((12, 12, 64), 300)])
def test_budgets(show: Callable[..., Page], shape: tuple[int, int, int], kilobytes: int) -> None:
    view = sample(*shape)
    assert len(view.fragment().encode()) <= kilobytes * 1024
    pages = [show(view) for _ in range(3)]
    first = min(float(page.page.locator(READY).get_attribute("data-ready")) for page in pages)
    assert first <= 600, f"first render after {first} ms"
    nodes = pages[0].page.evaluate(
        f"document.querySelector('{READY}').shadowRoot.querySelectorAll('*').length"
    )
    assert nodes <= 500 + shape[2]
    p95 = hover(pages[-1], "canvas[tabindex]")
    assert p95 <= 16, f"95 % of hovers within {p95:.1f} ms"


def test_hover_previews_click_locks_and_escape_clears(show: Callable[..., Page]) -> None:
    page = show(sample(head=(0, 0)))
    opened = page.said
    assert opened.startswith("L0H0, query 11 “the” looks at ")
    page.stage.hover(position=page.cell(5, 2))
    assert "query 5 “mat” → key 2 “sat”" in page.said
    page.page.mouse.move(2, 2)
    assert page.said == opened
    page.stage.click(position=page.cell(5, 2))
    page.grid.hover(position=page.tile(1, 2))
    assert page.said.startswith("L1H2, query 5")
    page.page.mouse.move(2, 2)
    assert page.said.startswith("L0H0, query 5 “mat” → key 2 “sat”: weight ")
    page.grid.click(position=page.tile(1, 1))
    page.page.mouse.move(2, 2)
    assert page.said.startswith("L1H1, query 5")
    page.page.keyboard.press("Escape")
    assert page.said == opened
    page.strip.locator("span").nth(3).hover()
    assert "query 3 “on” looks at" in page.said


def test_every_part_is_reached_and_moved_by_keys(show: Callable[..., Page]) -> None:
    page = show(sample(head=(0, 0)))
    order = []
    for _ in range(5):
        page.page.keyboard.press("Tab")
        order.append(
            page.page.evaluate(
                """() => { const at = document.querySelector("[data-ready]").shadowRoot.activeElement;
            return [at.getAttribute("aria-label") ?? at.textContent, getComputedStyle(at).outlineStyle]; }"""
            )
        )
    names = ["Table", "Large text", "Tokens", "All heads", "One head"]
    assert [label.startswith(name) for (label, _), name in zip(order, names, strict=True)] == [True] * 5, (
        order
    )
    assert {outline for _, outline in order} == {"solid"}
    page.press(page.grid, "ArrowDown", "ArrowRight", "ArrowRight", "ArrowRight")
    assert page.said.startswith("L1H2, query 11")
    strongest = int(samples.seen(2, 3, 12)["blocks.1.attn.pattern"][0, 2, 10].argmax())
    page.press(page.stage, "ArrowUp")
    assert f"query 10 “that” → key {strongest} " in page.said
    page.press(page.stage, "ArrowUp", "ArrowRight")
    assert f"query 9 “saw” → key {strongest + 1} " in page.said
    page.press(page.strip, "ArrowLeft")
    assert "query 8 “dog” looks at" in page.said
    page.press(page.strip, "Escape")
    assert page.said.startswith("L0H0, query 11 “the” looks at")


def test_a_click_shows_what_made_the_weight(show: Callable[..., Page]) -> None:
    seen = samples.with_queries(1, 12, width=16)
    page = show(attention(seen, samples.pieces(12)))
    page.stage.click(position=page.cell(6, 4))
    scores = seen["blocks.0.attn.scores"][0, 0, 6, :7].astype(np.float16).astype(float)
    shares = np.exp(scores - scores.max())
    number = lambda value, digits=3: f"{value:.{digits}f}".replace("-", "−")  # noqa: E731
    shown = page.page.locator("ol").inner_text()
    assert f"q·k ÷ √K = {number(4 * scores[4], 2)} ÷ √16 = {number(scores[4], 2)}" in shown
    assert f"e^({number(scores[4], 2)} − largest {number(scores.max(), 2)}) = {number(shares[4])}" in shown
    assert (
        f"{number(shares[4])} ÷ {number(shares.sum())} (sum over 7) = {number(shares[4] / shares.sum())}"
        in shown
    )
    page.stage.click(position=page.cell(6, 9))
    assert "key 9 comes after query 6" in page.page.locator("ol").inner_text()
    assert "masked, weight 0" in page.said


def test_scores_of_unknown_making_claim_no_dot_product(show: Callable[..., Page]) -> None:
    page = show(attention(samples.seen(1, 1, 8), samples.pieces(8)))
    page.stage.click(position=page.cell(6, 4))
    shown = page.page.locator("ol").inner_text()
    assert "√" not in shown and "q·k" not in shown
    assert [part in shown for part in ("score", "e^(", "(sum over 7)")] == [True] * 3


@pytest.mark.parametrize(
    ("seen", "note"),
    [
        (samples.seen(1, 1, 8, keep_scores=False), 'Capture "blocks.*.attn.scores"'),
        (samples.seen(12, 12, 40), "run the cell"),
    ],
)
def test_without_scores_one_line_says_how_to_get_them(
    show: Callable[..., Page], seen: dict[str, np.ndarray], note: str
) -> None:
    page = show(attention(seen, samples.pieces(seen["blocks.0.attn.pattern"].shape[-1])))
    page.stage.click(position=page.cell(6, 4))
    assert page.page.get_by_text(note).bounding_box()["height"] < 30
    assert page.page.get_by_text("How this weight is made").count() == 0
    assert page.page.get_by_text("Click a cell").count() == 0


def numbers(page: Page, change: Callable[[], object]) -> list[str]:
    """What `change` makes the page write into the cells of the large head."""
    page.page.evaluate(
        """() => {
        window.written = [];
        const write = CanvasRenderingContext2D.prototype.fillText;
        CanvasRenderingContext2D.prototype.fillText = function (text, ...at) {
            if (this.textAlign === "center") window.written.push(text);
            return write.call(this, text, ...at);
        };
    }"""
    )
    change()
    return page.page.evaluate("window.written")


@pytest.mark.parametrize("keep_scores", [True, False])
def test_zero_means_zero(show: Callable[..., Page], keep_scores: bool) -> None:
    scores = np.array([[0, 0, 0], [0, -np.inf, 0], [0, -5.5, -9.0]], np.float32)
    hidden = np.triu(np.ones((3, 3), bool), 1)
    pattern = samples.softmax(np.where(hidden, -np.inf, scores))
    taps = {"pattern": pattern, "scores": scores} if keep_scores else {"pattern": pattern}
    seen = {f"blocks.0.attn.{tap}": np.stack([value, value])[None] for tap, value in taps.items()}
    page = show(attention(seen, ["a", "b", "c"]))
    shown = numbers(page, lambda: page.press(page.grid, "ArrowRight"))
    # Where 1/8103 is too little for a byte, no 0 of the page is known to be one.
    assert shown == ["1", "1", "0" if keep_scores else "<.01", "1", "<.01", "<.01"]


def test_the_table_holds_the_row(show: Callable[..., Page]) -> None:
    seen = samples.seen(1, 1, 8)
    page = show(attention(seen, samples.pieces(8)))
    assert page.page.locator("table").count() == 0
    page.press(page.page.get_by_role("button", name="Table"), "Enter")
    rows = page.page.locator("tbody tr")
    assert rows.count() == 8
    weights = [float(rows.nth(k).locator("td").last.inner_text()) for k in range(8)]
    np.testing.assert_allclose(weights, seen["blocks.0.attn.pattern"][0, 0, 7], atol=3e-3)


def test_large_text_is_larger(show: Callable[..., Page]) -> None:
    page = show(sample())
    size = lambda: page.strip.evaluate("node => parseFloat(getComputedStyle(node).fontSize)")  # noqa: E731
    before, wide = size(), page.grid.bounding_box()["width"]
    page.page.get_by_role("button", name="Large text").click()
    assert size() >= 1.4 * before and page.grid.bounding_box()["width"] > 1.2 * wide


@pytest.mark.parametrize("width", [700, 1000, 1366])
@pytest.mark.parametrize("length", [6, 12, 32])
def test_large_text_shrinks_no_pattern(show: Callable[..., Page], width: int, length: int) -> None:
    page = show(sample(2, 4, length), viewport={"width": width, "height": 660})
    cell = lambda: float(page.stage.get_attribute("data-cell"))  # noqa: E731
    button = page.page.get_by_role("button", name="Large text")
    before, tall = cell(), button.bounding_box()["height"]
    shown = numbers(page, button.click)
    assert cell() >= before
    assert button.bounding_box()["height"] < 1.8 * tall
    assert length > 12 or sum(text == "1" for text in shown) >= 2, "one on the legend, one in the first cell"
    edge = page.stage.bounding_box()
    assert edge["x"] + edge["width"] <= width


def test_both_themes_are_readable_and_followed(show: Callable[..., Page]) -> None:
    page = show(sample(), color_scheme="light")
    host = page.page.locator(READY)
    colour = lambda name: host.evaluate(f"n => getComputedStyle(n).getPropertyValue('--{name}').trim()")  # noqa: E731
    seen = []
    for scheme in ("light", "dark"):
        page.page.emulate_media(color_scheme=scheme)
        lab.wait_for(
            lambda dark=scheme == "dark": (host.get_attribute("data-dark") is not None) == dark, scheme
        )
        seen.append(colour("ink"))
        assert contrast(colour("ink"), colour("paper")) >= 7
        assert min(contrast(colour(ink), colour("masked")) for ink in ("ink", "soft", "query")) >= 4.4
        assert contrast(colour("ink"), colour("fill")) >= 4.5
        assert contrast(colour("key"), colour("paper")) >= 3
    assert len(set(seen)) == 2


def test_reduced_motion_stops_the_transitions(show: Callable[..., Page]) -> None:
    losses, probs = samples.combinations(2, 2)
    moving = "node => getComputedStyle(node).transitionDuration"
    for motion, duration in (("no-preference", "0.15s"), ("reduce", "0s")):
        page = show(switches(losses, probs, ["a", "b"], ["x", "y"]), reduced_motion=motion)
        assert page.page.locator(".grow").first.evaluate(moving) == duration


def checkpoints() -> View:
    frames = [
        (step, samples.seen(1, 2, 8, sharp=sharp)) for step, sharp in ((0, 0.0), (100, 2.0), (400, 9.0))
    ]
    curves = {
        "loss (nats)": ([0, 50, 100, 400], [3.0, 2.9, 2.0, 1.0]),
        "score (0 to 1)": ([0, 400], [0.0, 0.9]),
    }
    return attention(None, samples.pieces(8), frames=frames, curves=curves)


def test_the_scrubber_moves_through_checkpoints(show: Callable[..., Page]) -> None:
    page = show(checkpoints())
    slider = page.page.get_by_role("slider")
    weight = lambda: float(page.said.split("(")[1].split(")")[0])  # noqa: E731
    assert "at step 400" in page.said and slider.get_attribute("aria-valuetext") == "step 400"
    last = weight()
    page.press(slider, "ArrowLeft")
    assert "at step 100" in page.said and weight() < last
    page.press(slider, "Home")
    assert "at step 0" in page.said
    charts = page.page.get_by_label("Curves against step")
    box = charts.bounding_box()
    for chart in (0.0, 0.5):  # side by side
        page.page.mouse.move(box["x"] + (chart + 0.18) * box["width"], box["y"] + 60)
        page.page.mouse.down()
        assert "at step 100" in page.said
        page.page.mouse.move(box["x"] + (chart + 0.45) * box["width"], box["y"] + 60)
        page.page.mouse.up()
        assert "at step 400" in page.said


def test_heads_that_are_trained_fit_on_a_slide(show: Callable[..., Page]) -> None:
    frames = [(step, samples.seen(2, 4, 32)) for step in (0, 400)]
    curves = {name: ([0, 400], [3.0, 1.0]) for name in ("loss (nats)", "near target", "on target")}
    view = attention(None, samples.pieces(32), frames=frames, curves=curves)
    page = show(view, viewport={"width": 1140, "height": 720})
    edges = [node.bounding_box() for node in (page.stage, page.grid)]
    assert max(edge["y"] + edge["height"] for edge in edges) <= 720
    narrow = show(view, viewport={"width": 480, "height": 720})
    height = lambda page: page.page.get_by_label("Curves against step").bounding_box()["height"]  # noqa: E731
    assert height(narrow) > 2 * height(page), "one above the other where there is no room beside"


def on_top(node: Any) -> bool:
    """Whether the middle of the upper and of the lower edge can be seen."""
    return node.evaluate(
        """node => {
        const { x, y, width, height } = node.getBoundingClientRect();
        const seen = (down) => node.getRootNode().elementFromPoint(x + width / 2, down) === node;
        return seen(y + 2) && seen(y + height - 2);
    }"""
    )


def both_fit(slider: Any, stage: Any) -> bool:
    stage.evaluate("node => node.scrollIntoView({ block: 'end' })")
    return on_top(slider) and on_top(stage)


def test_slider_and_pattern_fit_on_a_small_screen(show: Callable[..., Page]) -> None:
    page = show(checkpoints(), viewport={"width": 1366, "height": 660})
    slider = page.page.get_by_role("slider")
    assert both_fit(slider, page.stage)
    page.page.evaluate("document.body.style.paddingBottom = '900px'")
    page.stage.evaluate("node => node.scrollIntoView({ block: 'start' })")
    assert on_top(slider)


def test_play_runs_to_the_end_and_can_be_paused(show: Callable[..., Page]) -> None:
    page = show(checkpoints())
    page.page.get_by_role("button", name="Play").click()
    assert "at step 0" in page.said
    lab.wait_for(lambda: "at step 400" in page.said, "the last checkpoint", 10)
    lab.wait_for(lambda: page.page.get_by_role("button", name="Play").count(), "the end of play", 10)


def test_switches_show_loss_and_probabilities_of_any_combination(show: Callable[..., Page]) -> None:
    losses, probs = samples.combinations(4, 3)
    heads = [(0, 0), (0, 1), (1, 0), (1, 1)]
    page = show(switches(losses, probs, list("abc"), heads, ruler={"uniform": 4.16}, prompt="so it ran to"))
    knobs = page.page.get_by_role("switch")
    assert page.said == f"All heads on: loss {losses[0]:.3f} nats"
    knobs.nth(0).click()
    page.press(knobs.nth(0), "ArrowDown", "ArrowRight", "Space")
    assert page.said.startswith(
        f"L0H0, L1H1 off: loss {losses[0b1001]:.3f} nats, +{losses[9] - losses[0]:.3f}"
    )
    assert [knob.get_attribute("aria-checked") for knob in knobs.all()] == ["false", "true", "true", "false"]
    shown = [float(text) for text in page.page.locator("output").all_inner_texts()]
    np.testing.assert_allclose(shown, probs[0b1001], atol=1e-3)
    assert "uniform 4.160" in page.page.get_by_role("img", name="Loss ").get_attribute("aria-label")
    page.page.get_by_role("button", name="Table").click()
    cells = page.page.locator("table").first.locator("tbody tr").nth(1).locator("td").all_inner_texts()
    assert cells == ["L0H1", "on", f"{losses[0b1001]:.3f}", f"{losses[0b1011]:.3f}"]
    page.page.keyboard.press("Escape")
    assert page.said.startswith("All heads on")


def test_ten_switches_stay_small_and_quick(show: Callable[..., Page]) -> None:
    losses, probs = samples.combinations(10, 8)
    view = switches(losses, probs, list("abcdefgh"), [(i // 5, i % 5) for i in range(10)])
    assert len(view.fragment().encode()) <= 60 * 1024
    pages = [show(view) for _ in range(3)]
    assert min(float(page.page.locator(READY).get_attribute("data-ready")) for page in pages) <= 600


def test_the_right_next_token_is_ticked(show: Callable[..., Page]) -> None:
    losses, probs = samples.combinations(2, 3)
    page = show(switches(losses, probs, list("abc"), ["x", "y"], answer="b"))
    assert page.page.locator(".next .mono").all_inner_texts() == ["a", "b ✓", "c"]
    page.page.get_by_role("switch").first.click()
    assert page.said.endswith(f"; right next token “b” {probs[1, 1]:.3f}")
    page.page.get_by_role("button", name="Table").click()
    first = page.page.locator("table").last.locator("tbody td:first-child").all_inner_texts()
    assert first == ["a", "b ✓ right", "c"]


CELLS = """
import sys; sys.path.insert(0, {tests!r})
from views import samples
import tinygpt as tg
view = tg.views.attention(samples.seen(12, 12, 40), samples.pieces(40), head=(1, 1))
picked = []
view.on_select(picked.append)
view
---
print("picked", view.selected, picked)
---
view.update(samples.seen(2, 4, 10), samples.pieces(10))
"""

SLIDER = """
import sys; sys.path.insert(0, {tests!r})
from views import samples
import tinygpt as tg
frames = [(step, samples.seen(2, 4, 16, seed=step)) for step in (0, 100, 400)]
tg.views.attention(None, samples.pieces(16), frames=frames, curves={{"loss (nats)": ([0, 400], [3.0, 1.0])}})
---
"a cell below"
"""


@pytest.fixture(scope="module")
def ran(server: lab.Lab, browser: Any) -> nbformat.NotebookNode:
    """The notebook after a reader ran it in JupyterLab, with what was checked on the way."""
    sources = CELLS.format(tests=str(lab.ROOT / "tests")).strip().split("\n---\n")
    lab.notebook(server.folder / "live.ipynb", *sources)
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    page = open_notebook(context, server.url("live.ipynb"))
    run_cell(page, 0)
    live = page.locator(f"[data-tinygpt-live]{READY}")
    live.wait_for()
    page.wait_for_selector(f"[data-tinygpt]{READY}", state="attached")
    assert page.locator(f"[data-tinygpt]{READY}").is_hidden(), "the static view steps aside for the live one"

    grid, stage = live.get_by_label("All heads."), live.get_by_label("One head:")
    grid.focus()
    for key in ("ArrowRight", "a", "b", "d", "d"):
        page.keyboard.press(key)
    assert page.locator(".jp-Notebook .jp-CodeCell").count() == 3, (
        "letters do not reach JupyterLab's shortcuts"
    )
    stage.focus()
    page.keyboard.press("ArrowUp")
    live.get_by_text(
        "sum over 39"
    ).wait_for()  # the scores came from the kernel: they are too many for the page
    run_cell(page, 1)
    page.get_by_text("picked (1, 2) [(1, 2)]").wait_for()
    run_cell(page, 2)
    live.get_by_text("2 × 4 heads, 10 tokens").wait_for()

    page.keyboard.press("Control+s")
    path = server.folder / "live.ipynb"
    saved = lambda: "picked (1, 2)" in path.read_text() and "update" in path.read_text()  # noqa: E731
    lab.wait_for(saved, "the notebook to be saved")
    context.close()
    server.end_kernels()
    return nbformat.read(path, 4)


def test_live_in_jupyterlab(ran: nbformat.NotebookNode) -> None:
    outputs = [sorted(output.data) for output in ran.cells[0].outputs]
    assert outputs == [["application/vnd.jupyter.widget-view+json"], ["image/png", "text/html", "text/plain"]]


def test_the_slider_stays_in_sight_in_jupyterlab(server: lab.Lab, browser: Any) -> None:
    sources = SLIDER.format(tests=str(lab.ROOT / "tests")).strip().split("\n---\n")
    lab.notebook(server.folder / "slider.ipynb", *sources)
    context = browser.new_context(viewport={"width": 1366, "height": 660})
    page = open_notebook(context, server.url("slider.ipynb"))
    run_cell(page, 0)
    live = page.locator(f"[data-tinygpt-live]{READY}")
    live.wait_for()
    page.wait_for_selector(f"[data-tinygpt]{READY}", state="attached")
    slider, stage = live.get_by_role("slider"), live.get_by_label("One head:")
    lab.wait_for(lambda: both_fit(slider, stage), "slider and pattern on one screen", 10)
    stage.evaluate("node => node.scrollIntoView({ block: 'start' })")
    lab.wait_for(lambda: on_top(slider), "the slider above a pattern scrolled to the top", 10)
    assert on_top(slider)
    context.close()
    server.end_kernels()


TYPED = """
import tinygpt as tg
from tinygpt.tokenizers import BPETokenizer
tok = BPETokenizer(merges=[(104, 105)], specials=["<|end|>"])
tg.views.tokens(tok, "hi 🦙", tg.tokenizers.train_characters("hi 🦙"))
---
tg.views.merges("hug pug hug", 3)
---
"a cell below"
"""


def test_typing_in_jupyterlab_stays_in_the_view(server: lab.Lab, browser: Any) -> None:
    lab.notebook(server.folder / "typed.ipynb", *TYPED.strip().split("\n---\n"))
    context = browser.new_context(viewport={"width": 1400, "height": 1400})
    page = open_notebook(context, server.url("typed.ipynb"))
    for cell in (0, 1):
        run_cell(page, cell)
    live = page.locator(f"[data-tinygpt-live]{READY}")
    live.nth(1).wait_for()
    # Letters that are JupyterLab's shortcuts for cells.
    typing, strip, number = (
        live.nth(0).get_by_label(name) for name in ("Text to", "Tokens of BPE", "Token id:")
    )
    typing.fill("")
    typing.press_sequentially("add hi b")
    assert strip.locator(".p").all_inner_texts() == ["a", "d", "d", "·", "hi", "·", "b"]
    strip.press("End")
    number.press("ArrowUp")
    assert number.input_value() == "99"
    live.nth(1).get_by_label("Text to learn from").fill("abab")
    live.nth(1).get_by_text("come 2 times").wait_for()
    live.nth(1).get_by_role("slider").press("End")
    assert live.nth(1).locator(".pieces .p").all_inner_texts() == ["abab"]
    assert page.locator(".jp-Notebook .jp-CodeCell").count() == 3, "no key reached JupyterLab"
    context.close()
    server.end_kernels()


def test_after_the_kernel_died_and_the_page_was_reloaded(
    ran: nbformat.NotebookNode, server: lab.Lab, browser: Any
) -> None:
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    page = open_notebook(context, server.url("live.ipynb"))
    still = page.locator(f"[data-tinygpt]{READY}")
    still.wait_for()
    lab.wait_for(
        lambda: page.get_by_text("Error displaying widget").count(), "JupyterLab to give up the widget"
    )
    lab.wait_for(lambda: page.get_by_text("Error displaying widget").is_hidden(), "its message to be hidden")
    still.get_by_label("All heads.").focus()
    page.keyboard.press("ArrowDown")
    assert still.locator("[aria-live]").inner_text().startswith("L2H1")
    context.close()


def test_an_untrusted_notebook_shows_the_picture(
    ran: nbformat.NotebookNode, server: lab.Lab, browser: Any
) -> None:
    stranger = nbformat.from_dict(ran)
    stranger.cells.append(nbformat.v4.new_markdown_cell("from a stranger", id="stranger"))
    nbformat.write(stranger, server.folder / "stranger.ipynb")
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    page = open_notebook(context, server.url("stranger.ipynb"))
    picture = page.locator(".jp-OutputArea img")
    picture.wait_for()
    assert picture.evaluate("image => image.naturalWidth") > 100
    assert page.get_by_text("Attention view: 12 layers").is_visible()
    assert page.locator("canvas").count() == 0
    context.close()


def test_exported_with_the_network_cut(ran: nbformat.NotebookNode, server: lab.Lab, browser: Any) -> None:
    command = [sys.executable, "-m", "nbconvert", "--to", "html", "live.ipynb"]
    subprocess.run(command, cwd=server.folder, check=True, capture_output=True)
    context = browser.new_context(offline=True, viewport={"width": 1100, "height": 900})
    page = context.new_page()
    page.goto((server.folder / "live.html").as_uri())
    page.locator(f"[data-tinygpt]{READY}").wait_for()
    page.get_by_label("All heads.").focus()
    page.keyboard.press("ArrowDown")
    assert page.locator("[aria-live]").inner_text().startswith("L2H1")
    context.close()
