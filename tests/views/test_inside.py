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
from views import inside, lab

from tinygpt.views import View, logit_lens, patching


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


def test_javascript_agrees_with_python(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        lab.not_run("No node, which runs the views' JavaScript. Install Node.js 18 or newer.")
    (tmp_path / "golden.json").write_text(json.dumps({"lens": lens_case(), "patching": patching_case()}))
    done = subprocess.run(
        [node, "--test", str(Path(__file__).with_name("inside.test.mjs"))],
        env=os.environ | {"GOLDEN": str(tmp_path / "golden.json")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
