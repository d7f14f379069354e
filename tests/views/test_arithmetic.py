"""The JavaScript of the views computes what numpy computes: goldens go to `node --test`."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from views import lab, samples

from tinygpt.views import attention, switches


def read_case(
    seen: dict[str, np.ndarray], length: int, *, ask: tuple[int, int] | None = None
) -> dict[str, Any]:
    """A payload, and for every head the packed weights that Python started from."""
    view = attention(seen, samples.pieces(length))
    header = view._header()
    query, key = np.tril_indices(length) if header["causal"] else np.indices((length, length)).reshape(2, -1)
    patterns = np.stack([value[0] for name, value in seen.items() if name.endswith("pattern")])
    case = {"payload": encode(view._packed()[1]), "kind": header["kind"]}
    case["weights"] = patterns[..., query, key].tolist()
    if ask is not None:
        start = (ask[0] * patterns.shape[1] + ask[1]) * len(query)
        message, buffer = view._answer({"frame": 0, "row": ask[0], "head": ask[1], "start": start})
        case |= {"ask": ask, "message": message, "buffer": encode(buffer)}
    return case


def explain_case(length: int, query: int, key: int) -> dict[str, Any]:
    seen = samples.seen(1, 1, length)
    row = seen["blocks.0.attn.scores"][0, 0, query, : query + 1].astype(np.float16).astype(np.float64)
    shares = np.exp(row - row.max())
    return {
        "payload": encode(attention(seen, samples.pieces(length))._packed()[1]),
        "at": [query, key],
        "score": row[key],
        "max": row.max(),
        "share": shares[key],
        "sum": shares.sum(),
        "weight": shares[key] / shares.sum(),
    }


def switch_case() -> dict[str, Any]:
    losses, probs = samples.combinations(3, 5)
    view = switches(losses, probs, list("abcde"), ["x", "y", "z"])
    return {"payload": encode(view._packed()[1]), "losses": losses.tolist(), "probs": probs.ravel().tolist()}


def encode(content: bytes) -> str:
    return base64.b64encode(content).decode()


def test_javascript_agrees_with_python(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        lab.not_run("No node, which runs the views' JavaScript. Install Node.js 18 or newer.")
    halves = np.arange(65536, dtype=np.uint16).view(np.float16).astype(np.float64)
    golden = {
        "halves": [None if np.isnan(value) else str(value) for value in halves],
        "cividis": (matplotlib.colormaps["cividis"](np.arange(256))[:, :3] * 255).tolist(),
        "exact": read_case(samples.seen(2, 3, 9), 9),
        "encoder": read_case(samples.seen(2, 2, 7, causal=False), 7),
        "rounded": read_case(samples.seen(2, 2, 9, keep_scores=False), 9, ask=(1, 0)),
        "large": read_case(samples.seen(12, 12, 32), 32, ask=(11, 3)),
        "explain": explain_case(9, 6, 2),
        "switches": switch_case(),
    }
    (tmp_path / "golden.json").write_text(json.dumps(golden))
    done = subprocess.run(
        [node, "--test", str(Path(__file__).with_name("arithmetic.test.mjs"))],
        env=os.environ | {"GOLDEN": str(tmp_path / "golden.json")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
