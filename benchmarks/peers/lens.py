"""`transformer_lens`: its bridge over a Hugging Face GPT-2, so that all three have the same weights."""

from __future__ import annotations

import copy
import importlib.util
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from torch import Tensor

from benchmarks.peers import huggingface as hf

NAME = "transformer_lens"


def why_not() -> str | None:
    """Returns why this peer is absent, or None."""
    if hf.why_not() or importlib.util.find_spec("transformer_lens") is None:
        return "transformer_lens is not installed: pip install 'tinygpt[bench]'"
    if int(version("transformer-lens").split(".")[0]) < 4:
        return "transformer_lens is older than 4: pip install -U 'tinygpt[bench]'"
    return None


def build(theirs: Any) -> Any:
    """Returns a bridge over a copy of a `GPT2LMHeadModel`, which would otherwise be changed in place."""
    from transformer_lens.model_bridge.sources import build_bridge_from_module

    bridge = build_bridge_from_module(copy.deepcopy(theirs), "GPT2LMHeadModel", hf_config=theirs.config)
    return bridge.eval()


def run_with_cache(bridge: Any, tokens: Tensor, endings: Sequence[str]) -> Mapping[str, Tensor]:
    """Returns what one forward pass keeps under names with one of the endings; without endings, all of it."""
    wanted = (lambda name: name.endswith(tuple(endings))) if endings else None
    return bridge.run_with_cache(tokens, names_filter=wanted, use_cache=False)[1]
