"""A tiny world for policies: "7=" is to be answered by "7.", and at first most answers are wrong."""

from __future__ import annotations

import random
from functools import cache

import torch

from tinygpt.alignment import Rollouts, roll_out, tasks, verifier
from tinygpt.data import lessons
from tinygpt.models import GPT, GPTConfig
from tinygpt.tokenizers import train_characters
from tinygpt.training import fit

tok = train_characters("0123456789=.")
STOP = tok.encode(".")
CONFIG = GPTConfig(vocab_size=tok.vocab_size, n_layers=2, n_heads=2, d_model=32, context=8)
SAMPLING = dict(max_new_tokens=3, stop=STOP)


def careless(rng: random.Random) -> tuple[str, str]:
    """A question, and an answer that is right in a little more than three cases of ten."""
    digit = str(rng.randrange(10))
    return f"{digit}=", f"{digit if rng.random() < 0.3 else rng.randrange(10)}."


def draw(rng: random.Random) -> tuple[str, str]:
    digit = str(rng.randrange(10))
    return f"{digit}=", digit


right = verifier(tok, lambda text, digit: float(text == digit))
questions = tasks(draw, tok, batch_size=8)


@cache
def _trained() -> dict[str, torch.Tensor]:
    model = GPT(CONFIG, seed=0)
    fit(model, lessons(careless, tok, batch_size=32), steps=300, lr=5e-3, progress=False, precision="fp32")
    return model.state_dict()


def careless_model() -> GPT:
    """A model that answers as `careless` does."""
    model = GPT(CONFIG, seed=0)
    model.load_state_dict(_trained())
    return model.eval()


def sampled(model: GPT, n: int = 100) -> Rollouts:
    """n answers to each of the ten questions."""
    prompts = [tok.encode(f"{digit}=") for digit in range(10)]
    return roll_out(model, prompts, group=n, seed=123, **SAMPLING)


def accuracy(model: GPT) -> float:
    """Share of sampled answers that are right."""
    truths = [str(digit) for digit in range(10) for _ in range(100)]
    return sum(right(sampled(model), truths)) / len(truths)
