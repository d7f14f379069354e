"""The JavaScript of the views that look inside a model against numpy, without a browser: `node --test`."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from views import inside, lab
from views.pages import READY, open_notebook, run_cell

from tinygpt.views import View, logit_lens, patching, residual


def payload(view: View) -> str:
    return base64.b64encode(view._packed()[1]).decode()


def lens_case() -> dict[str, Any]:
    model = inside.model(vocab_size=700)  # ranks of more than one byte
    view = logit_lens(model, [3, 1, 4, 1], list("abcd"), answer=2, rivals=[9, 600], top=5)
    read = view._readings
    lines = lambda values: values.reshape(len(values), -1).tolist()  # noqa: E731
    return {
        "payload": payload(view),
        "ranks": lines(read.ranks),
        "odds": lines(read.odds),
        "entropy": read.entropy.ravel().tolist(),
        "divergence": read.divergence.ravel().tolist(),
        "top": lines(read.top.transpose(2, 0, 1)),
        "topOdds": lines(read.top_odds.transpose(2, 0, 1)),
    }


def patching_case() -> dict[str, Any]:
    grids = {"residual": np.linspace(-2.5, 1, 6).reshape(2, 3), "heads": np.linspace(0, 1, 8).reshape(2, 4)}
    view = patching(grids, clean=["a", "b", "c"], corrupt=["a", "x", "c"])
    return {"payload": payload(view), "values": [grid.ravel().tolist() for grid in grids.values()]}


def residual_case() -> dict[str, Any]:
    models = {"a": inside.model(), "b": inside.model(n_layers=2, d_ff=0)}
    view = residual(models, [3, 1, 4], list("abc"), answer=2)
    rows = lambda values: [[None if np.isnan(v) else float(v) for v in row] for row in values]  # noqa: E731
    fields = ("stream", "added", "along", "towards")
    listed = [{field: rows(getattr(writes, field)) for field in fields} for writes in view._models]
    return {"payload": payload(view), "models": listed}


def test_javascript_agrees_with_python(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        lab.not_run("No node, which runs the views' JavaScript. Install Node.js 18 or newer.")
    golden = {"lens": lens_case(), "patching": patching_case(), "residual": residual_case()}
    (tmp_path / "golden.json").write_text(json.dumps(golden))
    done = subprocess.run(
        [node, "--test", str(Path(__file__).with_name("inside.test.mjs"))],
        env=os.environ | {"GOLDEN": str(tmp_path / "golden.json")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


CELLS = """
import sys; sys.path.insert(0, {tests!r})
from views import inside
import tinygpt as tg
lens = tg.views.logit_lens(inside.model(), [1, 2, 3], ["a", "b", "c"], rivals=[4])
lens
---
patching = tg.views.patching([[0.0, 1.0], [0.5, -1.0]], clean=["a", "b"], corrupt=["a", "x"])
patching
---
plan = tg.views.model_map(inside.model())
plan
---
stream = tg.views.residual({{"one": inside.model(), "two": inside.model()}}, [1, 2], ["a", "b"])
stream
---
print(lens.selected, patching.selected, plan.selected, stream.selected)
---
"a cell below"
"""


@pytest.mark.browser
def test_all_of_them_live_in_jupyterlab(server: lab.Lab, browser: Any) -> None:
    sources = CELLS.format(tests=str(lab.ROOT / "tests")).strip().split("\n---\n")
    lab.notebook(server.folder / "inside.ipynb", *sources)
    context = browser.new_context(viewport={"width": 1200, "height": 3000})
    page = open_notebook(context, server.url("inside.ipynb"))
    for cell in range(4):
        run_cell(page, cell)
    live = page.locator(f"[data-tinygpt-live]{READY}")
    live.nth(3).wait_for()
    still = page.locator(f"[data-tinygpt]{READY}")
    lab.wait_for(lambda: still.count() == 4, "the static views")
    assert not any(one.is_visible() for one in still.all()), "they step aside for the live ones"
    # Letters that are JupyterLab's shortcuts for cells, in each of the views.
    targets = ("Depth down", "Layers down", "Parts. Up", "one: parts down")
    for view, label in zip(live.all(), targets, strict=True):
        node = view.get_by_label(label)
        (node.get_by_role("treeitem").first if label.startswith("Parts.") else node).focus()
        for key in ("a", "b", "d", "d", "ArrowDown", "ArrowRight"):
            page.keyboard.press(key)
    run_cell(page, 4)
    page.get_by_text("(3, 2) ('', 1, 1) blocks.0.attn_norm (6, 0)").wait_for()
    assert page.locator(".jp-Notebook .jp-CodeCell").count() == 6, "no key reached JupyterLab"
    context.close()
    server.end_kernels()
