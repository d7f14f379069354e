"""A base trained on real text: the documentation of the installed packages, where no truth is known."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch

from tinygpt import data
from tinygpt.lineage.pretraining import CONTEXT, END
from tinygpt.lineage.recipe import Recipe
from tinygpt.models import GPT
from tinygpt.tokenizers import Tokenizer, train_bpe
from tinygpt.training import TrainConfig, next_token_loss

if TYPE_CHECKING:
    from tinygpt.lineage.sizes import Size
    from tinygpt.training.evaluate import Measurement

VOCAB_SIZE = 2048


@lru_cache(maxsize=1)
def corpus() -> data.Corpus:
    """Returns the documentation that is installed here."""
    return data.documentation(progress=False)


def begin(size: Size, seed: int) -> tuple[GPT, Tokenizer]:
    """Returns an untrained model and a tokenizer of the documentation."""
    tok = train_bpe(corpus().split()[0], VOCAB_SIZE, special_tokens=[END], progress=False)
    return GPT(size.config(tok.vocab_size, CONTEXT), seed=seed), tok


def exam(tok: Tokenizer, documents: int = 40) -> dict[str, Measurement]:
    """Returns what is measured: bits per byte of documents that were not trained on, for `evaluate`."""
    texts = corpus().split()[1][:documents]
    tokens = data.pack(map(tok.encode, texts), tok.vocab_size, separator=tok.special_tokens[END])
    rows = (len(tokens) - 1) // CONTEXT
    ids = torch.from_numpy(tokens[: rows * CONTEXT + 1].astype("int64"))
    inputs, targets = ids[:-1].view(rows, CONTEXT), ids[1:].view(rows, CONTEXT)
    share = rows * CONTEXT / len(tokens)  # what is left over at the end is measured by neither
    n_bytes = round(share * sum(len(text.encode()) for text in texts))

    def bits(model: GPT) -> float:
        nats = [
            next_token_loss(model, (x.to(model.device), y.to(model.device))).item() * y.numel()
            for x, y in zip(inputs.split(32), targets.split(32), strict=True)
        ]
        return data.bits_per_byte(sum(nats), 1, n_bytes)

    return {"bits per byte": bits}


def recipe(model: GPT, tok: Tokenizer, size: Size, seed: int) -> Recipe:
    """Next tokens of documents, packed one after the other."""
    tokens, val = (
        data.pack(map(tok.encode, part), tok.vocab_size, separator=tok.special_tokens[END])
        for part in corpus().split()
    )
    steps = size.steps["english"]
    return Recipe(
        data.batches(tokens, CONTEXT, size.batch_size, seed=seed),
        TrainConfig(steps=steps, lr=size.lr, warmup=min(200, steps // 10), final_lr=0.05),
        data=f"{corpus().source}, {len(tokens):,} tokens",
        data_sha256=corpus().sha256,
        ruler=data.rulers(tokens, val, tok.vocab_size),
    )
