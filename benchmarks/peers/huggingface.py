"""Hugging Face `transformers`: GPT-2 of any size, randomly initialised, without dropout."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tinygpt.models import GPTConfig

NAME = "Hugging Face GPT-2"


def why_not() -> str | None:
    """Returns why this peer is absent, or None."""
    if importlib.util.find_spec("transformers") is None:
        return "transformers is not installed: pip install 'tinygpt[bench]'"
    return None


def build(config: GPTConfig, seed: int = 0, attention: str = "sdpa") -> Any:
    """Returns a `GPT2LMHeadModel` of the config's shape; its activation gelu_new is our gelu_tanh."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(seed)
    theirs = GPT2Config(
        vocab_size=config.vocab_size,
        n_positions=config.context,
        n_embd=config.d_model,
        n_layer=config.n_layers,
        n_head=config.n_heads,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=0,
        eos_token_id=None,
        attn_implementation=attention,
    )
    return GPT2LMHeadModel(theirs)


def loss(model: Any, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Returns the mean cross-entropy of given targets; its own loss would shift them by one more place."""
    inputs, targets = batch
    logits = model(input_ids=inputs, use_cache=False).logits
    return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())


def greedy(model: Any, prompt: Tensor, n: int) -> Tensor:
    """Returns prompt and n likeliest tokens, 1 × (T + n), with its key/value cache."""
    options = dict(max_new_tokens=n, do_sample=False, use_cache=True, pad_token_id=0)
    return model.generate(prompt, attention_mask=torch.ones_like(prompt), **options)


@torch.no_grad()
def patterns(model: Any, tokens: Tensor) -> tuple[Tensor, ...]:
    """Returns the attention patterns of all layers; the model must have been built with "eager" attention."""
    return model(input_ids=tokens, output_attentions=True, use_cache=False).attentions
