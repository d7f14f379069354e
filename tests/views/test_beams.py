"""The beams view: its numbers against Python's, and what a reader meets in a real Chromium."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from views import inside, lab
from views.pages import READY, Page, open_notebook, prints, run_cell

from tinygpt.sampling import BeamNode, Beams, beam_search
from tinygpt.tokenizers import train_characters
from tinygpt.views import BeamTree, beams
from tinygpt.views._beam_tree import grown

browser_test = pytest.mark.browser
WORDS = ["the", " cat", " sat", " on", " a", " mat", ".", " dog", " ran", " off", "</b>$"]
STOP = 6


def search(**options: Any) -> Beams:
    """Four beams over six steps, in which texts end early and late."""
    model = inside.model()
    with torch.no_grad():
        model.head.weight.mul_(12)
    given = {"n_beams": 4, "max_new_tokens": 6, "n_returned": 2, "stop": [STOP], "early_stopping": "never"}
    return beam_search(model, [0, 1], **given | options)


def shown(**options: Any) -> BeamTree:
    return beams(search(), WORDS, **options)


def by_hand() -> Beams:
    """Two beams; 9 ends a text: once at rank 1, which goes on to the end, and once too late, at rank 4."""
    tree = [
        BeamNode(-1, 1, -0.5, -0.5, "kept", 0),
        BeamNode(-1, 9, -1.0, -1.0, "ended", 0),
        BeamNode(-1, 2, -1.5, -1.5, "kept", 0),
        BeamNode(-1, 3, -2.0, -2.0, "pruned", 0),
        BeamNode(0, 1, -0.2, -0.7, "kept", 0),
        BeamNode(2, 1, -0.3, -1.8, "kept", 0),
        BeamNode(2, 9, -0.4, -1.9, "pruned", 0),
        BeamNode(4, 2, -0.1, -0.8, "ended", 0),
        BeamNode(4, 3, -0.2, -0.9, "ended", 0),
        BeamNode(5, 4, -0.2, -2.0, "pruned", 0),
    ]
    texts = [torch.tensor([7, 1, 1, 2]), torch.tensor([7, 1, 1, 3]), torch.tensor([7, 9])]
    return Beams(texts, [-0.8 / 3, -0.3, -1.0], tree)


def test_steps_ranks_and_whom_the_pruned_had_to_beat() -> None:
    tree = grown(by_hand(), 1.0)
    assert tree.steps == [1] * 4 + [2] * 3 + [3] * 3
    assert tree.ranks == [0, 1, 2, 3, 0, 1, 2, 0, 1, 2]
    assert tree.rivals == [-1, -1, -1, 2, -1, -1, 5, -1, -1, 8], (
        "in the last step the second of two that ended"
    )
    assert tree.path(9) == [2, 5, 9]
    assert [i for _, i in tree.ended(1.0)] == [7, 8, 1] and [i for _, i in tree.ended(0.0)] == [7, 8, 1]
    assert [i for _, i in tree.ended(-1.0)] == [1, 7, 8], "short texts first"


def test_a_late_end_had_to_be_among_the_first() -> None:
    """A token that ends a text and comes third, before both beams have gone on."""
    nodes = [BeamNode(-1, 9, -1.0, -1.0, "ended", 0), BeamNode(-1, 1, -2.0, -2.0, "kept", 0)]
    nodes += [BeamNode(-1, 8, -3.0, -3.0, "pruned", 0), BeamNode(-1, 2, -4.0, -4.0, "kept", 0)]
    tree = grown(Beams([torch.tensor([0, 9])], [-1.0], nodes), 1.0)
    assert tree.rivals == [-1, -1, 1, -1]


def case(view: BeamTree) -> dict[str, Any]:
    tree = view._tree
    deep = 1 + max(tree.ranks)
    rows = [
        {"i": i, "parent": node.parent, "token": view._names[node.token], "fate": node.fate}
        | {"group": node.group, "rival": tree.rivals[i], "step": tree.steps[i], "rank": tree.ranks[i]}
        | {"row": node.group * deep + tree.ranks[i]}
        | {"logProb": node.log_prob, "score": node.score}
        for i, node in enumerate(tree.nodes)
    ]
    ended = [{"penalty": p, "ends": tree.ended(p)} for p in (-1.0, 0.0, 0.35, 1.0, 2.75)]
    return {"payload": base64.b64encode(view._packed()[1]).decode(), "nodes": rows, "ended": ended}


def test_javascript_agrees_with_python(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        lab.not_run("No node, which runs the views' JavaScript. Install Node.js 18 or newer.")
    groups = search(n_groups=2, diversity=0.5)
    views = [shown(), beams(groups, WORDS), beams(by_hand())]
    assert len({end for p in (-1.0, 2.75) for end in [views[0]._tree.ended(p)[0][1]]}) == 2, (
        "the order changes"
    )
    (tmp_path / "golden.json").write_text(json.dumps([case(view) for view in views]))
    done = subprocess.run(
        [node, "--test", str(Path(__file__).with_name("beams.test.mjs"))],
        env=os.environ | {"GOLDEN": str(tmp_path / "golden.json")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_its_text_tells_the_best_and_every_step() -> None:
    found, view = search(), shown()
    lines = view._text().splitlines()
    ended = [node for node in found.tree if node.fate == "ended"]
    assert lines[0] == f"Beams view: {len(found.tree)} tokens looked at in 6 steps; {len(ended)} texts ended"
    assert lines[1] == "prompt: the·cat"
    best = "".join(WORDS[i] for i in found.sequences[0][2:].tolist()).replace(" ", "·")
    assert lines[2].startswith(f"score {found.scores[0]:.4f}, log p ") and lines[2].endswith(
        f"tokens: {best}"
    )
    first = found.tree[0]
    token = WORDS[first.token].replace(" ", "·")
    steps = [line for line in lines if line.startswith("step ")]
    assert len(steps) == 6 and f"{first.fate} “{token}” {first.score:.2f}" in steps[0]
    assert "pruned “" in steps[0]


def test_a_tokenizer_names_the_tokens() -> None:
    tok = train_characters("abcdefghijk")
    view = beams(search(), tok)
    assert view._text().splitlines()[1] == "prompt: ab"


def test_what_is_to_be_predicted_is_not_told() -> None:
    view = shown(predict=True)
    assert "step 1:" not in view._text() and "score" not in view._text()
    assert "from step 1 on the tree is hidden" in view._text()
    survived = [i for i, node in enumerate(search().tree[:8]) if node.fate != "pruned"]
    view.widget.selected = [1, -1, 1.0, [[1, [survived[0], 7]]]]
    text = view._text()
    assert view.guesses == {1: (survived[0], 7)}
    assert f"step 1: you named 2, 1 of the {len(survived)} that survived" in text
    assert "step 1: kept" in text and "step 2:" not in text and "from step 2 on the tree is hidden" in text


def test_python_follows_the_page() -> None:
    view = shown()
    assert view.selected == -1 and view.length_penalty == 1.0
    view.widget.selected = [3, 9, -1.0, []]
    assert view.selected == 9 and view.length_penalty == -1.0
    assert view._text().splitlines()[2].startswith(f"score {view._tree.ended(-1.0)[0][0]:.4f}")


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match=r"by length_penalty=0.0 .* Give the length_penalty of the search"):
        beams(search(), WORDS, length_penalty=0.0)
    assert beams(search(length_penalty=0.0), WORDS, length_penalty=0.0).length_penalty == 0.0
    long = by_hand()._replace(tree=by_hand().tree * 501)
    with pytest.raises(ValueError, match="a page shows 5000 tokens; this search looked at 5010"):
        beams(long)


def test_a_search_in_which_nothing_ended() -> None:
    view = beams(Beams([], [], []))
    assert view._text().splitlines()[0] == "Beams view: 0 tokens looked at in 0 steps; 0 texts ended"
    assert view.png().startswith(b"\x89PNG")


# In a browser


def tree(page: Page) -> Any:
    return page.page.get_by_label("Tree.")


def spot(page: Page, step: int, row: int) -> dict[str, float]:
    """The middle of a box, in pixels of the canvas."""
    names = ("left", "top", "across", "down", "first")
    left, top, across, down, first = (float(tree(page).get_attribute(f"data-{name}")) for name in names)
    return {"x": left + (step - 1 - first + 0.35) * across, "y": top + (row + 0.5) * down}


def minus(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


@browser_test
def test_hover_tells_why_a_token_was_pruned(show: Callable[..., Page]) -> None:
    page, found, read = show(shown()), search(), grown(search(), 1.0)
    assert page.said.startswith("Step 6: ")
    tree(page).hover(position=spot(page, 1, 7))
    node, rival = found.tree[7], found.tree[read.rivals[7]]
    assert node.fate == "pruned"
    assert (
        f", score {minus(node.score)}, rank 8 of 8; pruned: it needed more than {minus(rival.score)}, "
        in page.said
    )
    assert page.said.endswith(
        f"it lacks {minus(rival.score - node.score)}. Text: “{WORDS[node.token].replace(' ', '·')}”"
    )
    page.page.mouse.move(2, 2)
    assert page.said.startswith("Step 6: ")
    tree(page).click(position=spot(page, 2, 0))
    page.page.mouse.move(2, 2)
    assert page.said.startswith("Step 2, “")
    page.page.keyboard.press("Escape")
    assert page.said.startswith("Step 6: ")


@browser_test
def test_keys_grow_the_tree_and_walk_along_it(show: Callable[..., Page]) -> None:
    page, read = show(shown()), grown(search(), 1.0)
    page.press(tree(page), "Home")
    assert page.said.startswith("The prompt.")
    assert page.page.locator(".texts li").count() == 0
    page.press(tree(page), "ArrowRight", "ArrowRight")
    assert page.said.startswith("Step 2: ")
    page.press(tree(page), "ArrowDown", "ArrowDown")
    assert f", rank 2 of {len(read.by_step[1])}; " in page.said and page.said.startswith("Step 2, “")
    page.press(tree(page), "ArrowLeft")
    assert page.said.startswith("Step 1, “")
    page.press(tree(page), "ArrowRight")
    assert page.said.startswith("Step 2, “")
    page.press(page.page.get_by_role("slider", name="Checkpoint"), "End")
    assert page.page.get_by_text("step 6 of 6").count() == 1
    page.page.get_by_role("button", name="Table").click()
    assert page.page.locator("tbody tr").count() == len(search().tree)


@browser_test
def test_the_penalty_ranks_anew(show: Callable[..., Page]) -> None:
    page, view = show(shown()), shown()
    slider = page.page.get_by_role("slider", name="Length penalty")
    for penalty, key in ((-1.0, "Home"), (3.0, "End")):
        page.press(slider, key)
        scores = page.page.locator(".texts b").all_inner_texts()
        ended = view._tree.ended(penalty)
        assert scores == [f"score {minus(score)}" for score, _ in ended][:10]
        assert page.page.locator(".texts button.best .mono").inner_text() == view._written(ended[0][1])
    assert page.page.get_by_text("The search itself went by 1.00").is_visible()
    page.page.get_by_role("button", name="As searched").click()
    assert not page.page.get_by_text("The search itself").count()
    page.page.locator(".texts button").first.click()
    assert "is the 1st of" in page.said


@browser_test
def test_predict_then_reveal(show: Callable[..., Page]) -> None:
    page, found = show(shown(predict=True)), search()
    reveal = page.page.get_by_role("button", name="Reveal")
    column = sorted(range(8), key=lambda i: -found.tree[i].log_prob)
    right = {i for i in range(8) if found.tree[i].fate != "pruned"}
    tree(page).click(position=spot(page, 1, 7))
    page.page.mouse.move(2, 2)
    assert "1 marked" in page.page.locator(".ask").inner_text()
    page.press(tree(page), "ArrowDown")
    assert "score" not in page.said.split("whose")[0] and page.said.endswith("Does it survive?")
    page.press(tree(page), "Enter", "ArrowDown", "Enter", "Enter")
    assert "2 marked" in page.page.locator(".ask").inner_text()
    reveal.click()
    named = {column[7], column[0]}
    assert page.said.startswith(
        f"You marked 2: {len(named & right)} of the {len(right)} that survived. Step 1: "
    )
    assert "0 marked" in page.page.locator(".ask").inner_text()
    for _ in range(5):
        reveal.click()
    assert not page.page.locator(".ask").is_visible() and page.said.startswith("You marked 0: 0 of ")


@browser_test
def test_budgets(show: Callable[..., Page]) -> None:
    inside.check_budgets(show, shown(), 64, "canvas.stage")


@browser_test
@pytest.mark.parametrize("width", [480, 700])
def test_nothing_leaves_a_narrow_page(show: Callable[..., Page], width: int) -> None:
    inside.check_width(show(shown(), viewport={"width": width, "height": 700}), width)


CELLS = """
import sys; sys.path.insert(0, {tests!r})
from views import test_beams
view = test_beams.shown(predict=True)
view
---
print("guesses", view.guesses, view.length_penalty)
"""


@browser_test
def test_a_kernel_hears_of_the_guess(server: lab.Lab, browser: Any) -> None:
    sources = CELLS.format(tests=str(lab.ROOT / "tests")).strip().split("\n---\n")
    lab.notebook(server.folder / "beams.ipynb", *sources)
    context = browser.new_context(viewport={"width": 1400, "height": 1400})
    page = open_notebook(context, server.url("beams.ipynb"))
    run_cell(page, 0)
    live = page.locator(f"[data-tinygpt-live]{READY}")
    live.wait_for()
    live.get_by_label("Tree.").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    live.get_by_role("button", name="Reveal").click()
    live.get_by_role("slider", name="Length penalty").press("Home")
    assert prints(page, 1, "guesses {1: (0,)} -1.0")
    context.close()
    server.end_kernels()
