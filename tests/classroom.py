"""A class for the judge: notebooks of two exercises of chapter 03, right, wrong, odd and hostile."""

from __future__ import annotations

import json
from pathlib import Path

RIGHT = "def attention_weights(q, k):\n    return (q @ k.mT / q.shape[-1] ** 0.5).softmax(dim=-1)"
NOT_SCALED = "def attention_weights(q, k):\n    return (q @ k.mT).softmax(dim=-1)"
FUSED = (
    "from torch.nn import functional as G\n"
    "def causal_attention(q, k, v):\n"
    "    return G.scaled_dot_product_attention(q, k, v, is_causal=True)"
)
HOSTILE = (
    "def attention_weights(q, k):\n"
    "    raise ValueError('</p><script>alert(1)</script><img src=x onerror=alert(2)> =HYPERLINK(0) \\ud800')"
)
CRASH = "import os\nos._exit(3)"
LOOP = "while True:\n    pass"


def notebook(*cells: str) -> str:
    """A notebook with these code cells, as text."""
    made = [{"cell_type": "code", "source": source, "metadata": {}, "outputs": []} for source in cells]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def hand_in(folder: Path, submissions: dict[str, str]) -> Path:
    """Writes submissions, source by name, into a folder, and returns it."""
    for name, source in submissions.items():
        path = folder / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(notebook(source), encoding="utf-8")
    return folder
