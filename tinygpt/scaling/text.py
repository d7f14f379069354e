"""One run on real text: the documentation inside this Python installation, each token read once."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch

from tinygpt.data import batches, documentation, pack
from tinygpt.models import GPT, GPTConfig
from tinygpt.tokenizers import train_bpe
from tinygpt.training import TrainConfig, fit, mean_loss

if TYPE_CHECKING:
    import numpy as np

VOCAB_SIZE, END = 512, "<|end|>"
SAMPLE = 300_000
"""Characters that the tokenizer learns its pairs from."""
CONTEXT, ROWS = 64, 8
EXAM_ROWS, EXAM_BATCHES = 64, 12
BASE_WIDTH, LR = 16, 2.0**-6
"""The learning rate was tuned at this width, and is carried to the others by `base_width`."""


def text_run(setting: Mapping[str, Any]) -> dict[str, Any]:
    """Trains one model on documentation, none of it twice, and measures it on documents it has not read.

    Args:
        setting: "width" of the model, "tokens" to train on, "seed" of weights and order.

    Returns:
        "N" parameters, "D" tokens, "loss" in nats per token, and "sha256" of the corpus, which differs from
        one version of Python, PyTorch or NumPy to the next.

    Raises:
        ValueError: when there are fewer tokens than that.
    """
    train, exam, sha256 = corpus()
    steps = max(1, round(setting["tokens"] / (ROWS * CONTEXT)))
    if steps * ROWS * CONTEXT > len(train):
        raise ValueError(
            f"tokens must be at most {len(train):,}, or text comes twice; got {setting['tokens']:,}."
        )
    model = small_gpt(setting["width"], CONTEXT, setting["seed"])
    how = TrainConfig(
        steps=steps,
        lr=LR,
        warmup=max(10, steps // 20),
        final_lr=0.02,
        weight_decay=0.0,
        base_width=BASE_WIDTH,
    )
    fit(model, batches(train, CONTEXT, ROWS, setting["seed"]), config=how, precision="fp32", progress=False)
    loss = mean_loss(model, batches(exam, CONTEXT, EXAM_ROWS), EXAM_BATCHES)
    return {"N": model.n_parameters, "D": steps * ROWS * CONTEXT, "loss": loss, "sha256": sha256}


@lru_cache(maxsize=1)
def corpus() -> tuple[np.ndarray, np.ndarray, str]:
    """Returns tokens to train on, tokens of other documents, and the hash of all documents."""
    found = documentation(progress=False)
    train, exam = found.split()
    random.Random(0).shuffle(train)  # they come by package: the tokenizer would see one of them only
    random.Random(0).shuffle(exam)
    return *encoded(train, exam), found.sha256


def encoded(train: list[str], exam: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """Returns both in tokens, of a tokenizer that learnt from the beginning of the first."""
    tok = train_bpe(["\n".join(train)[:SAMPLE]], VOCAB_SIZE, special_tokens=[END])
    end = tok.special_tokens[END]
    packed = [pack(map(tok.encode, part), VOCAB_SIZE, separator=end) for part in (train, exam)]
    return packed[0], packed[1]


def small_gpt(width: int, context: int, seed: int) -> GPT:
    """Returns a model of two layers with heads of 16, whose logits start at zero.

    Such a start is the same in both parametrizations: then `base_width` alone decides what carries over.
    """
    shape = dict(n_layers=2, n_heads=max(1, width // 16), d_model=width, context=context, tied=False)
    model = GPT(GPTConfig(VOCAB_SIZE, **shape), seed=seed)
    with torch.no_grad():
        model.head.weight.zero_()
    return model
