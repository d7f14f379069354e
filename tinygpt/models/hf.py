"""GPT-2 weights from Hugging Face's `transformers`, without depending on it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tinygpt.models.config import gpt2_shape
from tinygpt.models.transformer import GPT

_ACTIVATIONS = {"gelu_new": "gelu_tanh", "gelu": "gelu"}


def from_hf_gpt2(hf_model: Any) -> GPT:
    """Returns a `GPT` in float32 on the CPU, with the logits of a `transformers.GPT2LMHeadModel`.

    Args:
        hf_model: the model, already loaded; `transformers` itself is not imported here.

    Raises:
        ValueError: when the model has a part that `GPT` has not.

    Source: Hugging Face stores linear weights as `Conv1D`, in × out, and queries, keys and values in
    one matrix; here they are out × in and three.
    """
    theirs = hf_model.config
    if theirs.activation_function not in _ACTIVATIONS:
        raise ValueError(
            f"activation must be one of {tuple(_ACTIVATIONS)}; got {theirs.activation_function!r}."
        )
    if getattr(theirs, "scale_attn_by_inverse_layer_idx", False) or not theirs.scale_attn_weights:
        raise ValueError("scores must be scaled by 1/√d_head alone; this model scales them otherwise.")
    if theirs.layer_norm_epsilon != 1e-5:
        raise ValueError(f"layer_norm_epsilon must be 1e-5; got {theirs.layer_norm_epsilon}.")
    config = gpt2_shape(
        theirs.vocab_size,
        n_layers=theirs.n_layer,
        n_heads=theirs.n_head,
        d_model=theirs.n_embd,
        context=theirs.n_positions,
        d_ff=theirs.n_inner,
        activation=_ACTIVATIONS[theirs.activation_function],
        tied=theirs.tie_word_embeddings,
    )
    model = GPT(config, seed=0)
    state = {key: value.detach() for key, value in hf_model.state_dict().items()}
    model.load_state_dict(_renamed(state, config.n_layers), strict=True)
    return model.eval()


def _renamed(state: dict[str, Tensor], n_layers: int) -> dict[str, Tensor]:
    ours = {
        "embed.weight": state["transformer.wte.weight"],
        "position.weight": state["transformer.wpe.weight"],
        "head.weight": state["lm_head.weight"],
        "norm.weight": state["transformer.ln_f.weight"],
        "norm.bias": state["transformer.ln_f.bias"],
    }
    for layer in range(n_layers):
        here, there = f"blocks.{layer}.", f"transformer.h.{layer}."
        for kind in ("weight", "bias"):
            ours[f"{here}attn_norm.{kind}"] = state[f"{there}ln_1.{kind}"]
            ours[f"{here}mlp_norm.{kind}"] = state[f"{there}ln_2.{kind}"]
            parts = state[f"{there}attn.c_attn.{kind}"].chunk(3, dim=-1)
            for name, part in zip("qkv", parts, strict=True):
                ours[f"{here}attn.{name}.{kind}"] = part.mT if kind == "weight" else part
            for name, source in (
                ("attn.out", "attn.c_proj"),
                ("mlp.up", "mlp.c_fc"),
                ("mlp.down", "mlp.c_proj"),
            ):
                value = state[f"{there}{source}.{kind}"]
                ours[f"{here}{name}.{kind}"] = value.mT if kind == "weight" else value
    return {name: torch.clone(value) for name, value in ours.items()}
