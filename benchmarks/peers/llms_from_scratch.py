"""LLMs-from-scratch (Raschka): its GPT-2 with a cache, given another implementation's weights.

It is a script in the repository, ch04/03_kv-cache/gpt_with_kv_cache_optimized.py; the option `--script` says
where it is. The package on PyPI (1.0.19) has another GPT-2 with a cache, which fails at the second token.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tinygpt.models import GPT

NAME = "LLMs-from-scratch, optimised cache"


def why_not(script: Path | None) -> str | None:
    """Returns why this peer is absent, or None."""
    if script is None:
        return "gpt_with_kv_cache_optimized.py from its repository is wanted: --script FILE"
    return None if script.is_file() else f"there is no {script}"


def build(model: GPT, script: Path) -> Any:
    """Returns their GPTModel with the weights of ours, which must have GPT-2's parts."""
    c = model.config
    theirs = _module(script).GPTModel(
        {
            "vocab_size": c.vocab_size,
            "context_length": c.context,
            "emb_dim": c.d_model,
            "n_heads": c.n_heads,
            "n_layers": c.n_layers,
            "drop_rate": 0.0,
            "qkv_bias": True,
            "kv_window_size": c.context,
        }
    )
    theirs.load_state_dict({_theirs(name): value for name, value in model.state_dict().items()})
    return theirs.eval()


def _module(script: Path) -> Any:
    spec = importlib.util.spec_from_file_location("gpt_with_kv_cache", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _theirs(name: str) -> str:
    """Their name of a parameter of ours."""
    if name.endswith(("norm.weight", "norm.bias")):
        name = name.replace("norm.weight", "norm.scale").replace("norm.bias", "norm.shift")
    for ours, own in (
        ("embed.", "tok_emb."),
        ("position.", "pos_emb."),
        ("head.", "out_head."),
        ("blocks.", "trf_blocks."),
        ("attn_norm.", "norm1."),
        ("mlp_norm.", "norm2."),
        ("attn.q.", "att.W_query."),
        ("attn.k.", "att.W_key."),
        ("attn.v.", "att.W_value."),
        ("attn.out.", "att.out_proj."),
        ("mlp.up.", "ff.layers.0."),
        ("mlp.down.", "ff.layers.2."),
    ):
        name = name.replace(ours, own)
    return f"final_{name}" if name.startswith("norm.") else name


@torch.no_grad()
def greedy(model: Any, prompt: Tensor, n: int) -> Tensor:
    """Returns prompt and n likeliest tokens, 1 × (T + n), with its key/value cache; the last is not read."""
    model.reset_kv_cache()
    ids, new = prompt, prompt
    for _ in range(n):
        new = model(new, use_cache=True)[:, -1].argmax(-1, keepdim=True)
        ids = torch.cat([ids, new], dim=1)
    return ids
