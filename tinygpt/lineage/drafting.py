"""A draft: a model of one narrow layer that guesses what the lineage's model says next."""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from tinygpt import data
from tinygpt.alignment import chat_batch
from tinygpt.data import Stream
from tinygpt.data.worlds import brambleford, request
from tinygpt.lineage.pretraining import CONTEXT, END, TEST_SEED, documents
from tinygpt.lineage.recipe import Recipe, sha256
from tinygpt.lineage.replay import with_texts
from tinygpt.lineage.suite import suite
from tinygpt.models import GPT, GPTConfig
from tinygpt.training import TrainConfig
from tinygpt.training.losses import IGNORE

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor

    from tinygpt.data.stream import Batch
    from tinygpt.lineage.sizes import Size
    from tinygpt.tokenizers import Tokenizer
    from tinygpt.training.evaluate import Measurement
    from tinygpt.training.loop import LossFn

BATCH_SIZE = 32


def shape(size: Size, vocab_size: int) -> GPTConfig:
    """Returns the shape of a draft: one layer, a quarter of the model's width."""
    narrow = {"n_heads": size.n_heads // 2, "d_model": size.d_model // 4}
    return GPTConfig(vocab_size=vocab_size, context=CONTEXT, n_layers=1, **narrow)


def recipe(model: GPT, tok: Tokenizer, size: Size, seed: int) -> Recipe:
    """The model's distribution after every token of the village's texts, and of answers, in turn."""
    texts, steps = documents(size.documents, seed), size.steps["draft"]
    tokens = data.pack(map(tok.encode, texts), tok.vocab_size, separator=tok.special_tokens[END])
    packed = data.batches(tokens, CONTEXT, BATCH_SIZE, seed=seed)
    chats = with_texts(lambda rng: request(rng).messages, texts, tok, BATCH_SIZE, seed)
    return Recipe(
        Stream(lambda i: (chats if i % 2 else packed)[i // 2]),
        TrainConfig(steps=steps, lr=2.5 * size.lr, warmup=min(100, steps // 10), final_lr=0.02),
        data=f"what the model says after each token of {len(texts):,} texts of Brambleford (seed {seed}) "
        "and of requests with answers, batches of both in turn",
        data_sha256=sha256(texts),
        loss_fn=imitation(model),
        model=GPT(shape(size, tok.vocab_size), seed=seed),
        exam={"accepted": partial(_accepted, model, _held_out(tok))},
    )


def exam(tok: Tokenizer) -> dict[str, Measurement]:
    """Returns what is measured of a draft alone: bits per byte of the village's texts, for `evaluate`."""
    return {name: of for name, of in suite(tok).items() if name == "bits per byte"}


def imitation(teacher: GPT) -> LossFn:
    """Returns a loss: KL(teacher ‖ model) in nats, the mean over the tokens that count.

    Source: Hinton, Vinyals & Dean 2015, "Distilling the knowledge in a neural network", section 2.
    """
    teacher.eval().requires_grad_(False)

    def loss(model: nn.Module, batch: Batch) -> Float[Tensor, ""]:
        with torch.no_grad():
            wanted = _log_probs(teacher, batch)
        return (wanted.exp() * (wanted - _log_probs(model, batch))).sum(dim=-1).mean()

    return loss


def _log_probs(model: nn.Module, batch: Batch) -> Float[Tensor, "N V"]:
    """What the model says wherever a target counts."""
    inputs, targets = batch
    return model.head(model(inputs, unembed=False)[targets != IGNORE]).float().log_softmax(dim=-1)


def _held_out(tok: Tokenizer, n: int = 400) -> dict[str, tuple[Int[Tensor, "B T"], Int[Tensor, "B T"]]]:
    """Texts and chats that nobody was trained on."""
    village, rng = brambleford(TEST_SEED), random.Random(TEST_SEED)
    texts = (tok.encode(village[i].text) for i in range(n))
    packed = data.pack(texts, tok.vocab_size, separator=tok.special_tokens[END])
    rows = torch.from_numpy(packed[: len(packed) // CONTEXT * CONTEXT].astype("int64")).view(-1, CONTEXT)
    asked = [request(rng, held_out=True).messages for _ in range(n)]
    return {"texts": (rows[:, :-1], rows[:, 1:]), "answers": chat_batch(tok, asked)}


def _accepted(teacher: GPT, held_out: dict[str, Batch], model: GPT) -> dict[str, float]:
    """The chance that the teacher takes a guess, Σ min(p, q), where both have read the same text."""
    shares = {}
    for name, batch in held_out.items():
        here = tuple(part.to(model.device) for part in batch)
        p, q = (_log_probs(one, here).exp() for one in (teacher, model))
        shares[name] = torch.minimum(p, q).sum(dim=-1).mean().item()
    return shares
