"""Training steps per second beside Hugging Face's GPT-2 of the same shape, weights, optimiser and loop.

All rows run `tinygpt.train_steps` with the same fused AdamW; what differs is the model, its loss and, in the
bf16 row, the precision of matrix products. `--losses` trains them instead, and compares validation losses.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import repeat
from statistics import mean
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.core import Candidate, Options, gate, gate_close, keep, report, within_seed_noise
from benchmarks.limits import limits
from benchmarks.peers import huggingface as hf
from tinygpt import data
from tinygpt.models import GPT, GPTConfig, cost, from_hf_gpt2, gpt2_shape
from tinygpt.runtime import bf16_pays
from tinygpt.tokenizers import train_bpe
from tinygpt.training import TrainConfig, mean_loss, next_token_loss, train_steps

SHAPE = gpt2_shape(4096, n_layers=4, n_heads=4, d_model=128, context=128)
BATCH = 32
CHARACTERS = 3_000_000
LossFn = Callable[[nn.Module, Any], Tensor]


def main(options: Options) -> None:
    """Gates, then the table; or with `losses` the trained comparison."""
    if reason := hf.why_not():
        print(f"skipped: {reason}")
        return
    if options.losses:
        compare_losses(options)
        return
    batch = _batch(seed=0)
    check(hf.build(SHAPE), batch)
    if options.quick:
        return
    ceiling = limits(options)
    flops = cost(SHAPE).train_flops_per_token * BATCH * SHAPE.context
    report(
        f"train {SHAPE.n_layers}L d{SHAPE.d_model} T{SHAPE.context} V{SHAPE.vocab_size} B{BATCH}",
        "tokens/s",
        [
            _row(f"{hf.NAME} fp32", hf.build(SHAPE), hf.loss, "fp32", flops / ceiling.fp32),
            _row(f"{hf.NAME} bf16 autocast", hf.build(SHAPE), hf.loss, "bf16", flops / ceiling.bf16),
            _row("tinygpt fp32", _ours(), next_token_loss, "fp32", flops / ceiling.fp32),
            _row("tinygpt bf16", _ours(), next_token_loss, "bf16", flops / ceiling.bf16),
            _row("tinygpt default shape fp32", _default(), next_token_loss, "fp32", None),
            _row("tinygpt default shape bf16", _default(), next_token_loss, "bf16", None),
        ],
        options,
    )


def check(theirs: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
    """Gates: same parameters, logits, loss and gradients, so both do the same work."""
    ours = from_hf_gpt2(theirs)
    print("gates, train:")
    count = sum(p.numel() for p in theirs.parameters())
    gate("parameters", ours.n_parameters == count, f"{ours.n_parameters:,} and {count:,}")
    theirs.eval()
    with torch.no_grad():
        gate_close("logits", ours(batch[0]), theirs(batch[0]).logits, 1e-4)
    losses = {}
    for name, model, loss_fn in (("ours", ours, next_token_loss), ("theirs", theirs, hf.loss)):
        losses[name] = loss_fn(model, batch)
        losses[name].backward()
    gate_close("loss", losses["ours"], losses["theirs"], 1e-5)
    gate_close("gradient of the embedding", ours.embed.weight.grad, theirs.transformer.wte.weight.grad, 1e-5)
    for model in (ours, theirs):
        model.zero_grad(set_to_none=True)


def compare_losses(options: Options) -> None:
    """Trains all three from the same weights on the same batches, per seed, and prints validation losses."""
    train, val = _corpus(SHAPE.vocab_size)
    found: dict[str, list[float]] = {"Hugging Face fp32": [], "tinygpt fp32": [], "tinygpt bf16": []}
    print(f"bf16 {'pays' if bf16_pays(torch.device('cpu')) else 'does not pay'} on this CPU")
    for seed in range(options.seeds):
        runs = {
            "Hugging Face fp32": (hf.build(SHAPE, seed), hf.loss, "fp32"),
            "tinygpt fp32": (_ours(seed), next_token_loss, "fp32"),
            "tinygpt bf16": (_ours(seed), next_token_loss, "bf16"),
        }
        for name, (model, loss_fn, precision) in runs.items():
            started = time.process_time()
            batches = data.batches(train, SHAPE.context, BATCH, seed=seed)
            for _ in train_steps(model, batches, loss_fn, _config(options.steps, precision)):
                pass
            loss = mean_loss(model, data.batches(val, SHAPE.context, BATCH, seed=0), 8, loss_fn)
            found[name].append(loss)
            seconds = time.process_time() - started
            print(f"seed {seed}  {name:<20}{options.steps} steps  loss {loss:.4f} nats  {seconds:.0f} CPU-s")
    for name, losses in found.items():
        print(f"{name:<20}{' / '.join(f'{x:.4f}' for x in losses)}  mean {mean(losses):.4f}")
    keep(options, {"title": "train --losses", "losses": found})
    if options.seeds > 1:
        for name in ("tinygpt fp32", "tinygpt bf16"):
            equal = within_seed_noise(found[name], found["Hugging Face fp32"])
            gate(f"{name} within seed noise of Hugging Face", equal, f"{found}")


def _config(steps: int, precision: str) -> TrainConfig:
    return TrainConfig(steps=steps, lr=2e-3, warmup=min(20, steps // 4 + 1), precision=precision)


def _row(name: str, model: nn.Module, loss_fn: LossFn, precision: str, limit: float | None) -> Candidate:
    steps: Iterator[Any] = train_steps(model, repeat(_batch(seed=0)), loss_fn, _config(1_000_000, precision))
    return Candidate(name, lambda: next(steps), work=BATCH * SHAPE.context, limit=limit)


def _ours(seed: int = 0) -> GPT:
    return from_hf_gpt2(hf.build(SHAPE, seed))


def _default() -> GPT:
    return GPT(GPTConfig(SHAPE.vocab_size, n_layers=4, n_heads=4, d_model=128, context=128), seed=0)


def _batch(seed: int) -> tuple[Tensor, Tensor]:
    shape = (BATCH, SHAPE.context + 1)
    tokens = torch.randint(SHAPE.vocab_size, shape, generator=torch.Generator().manual_seed(seed))
    return tokens[:, :-1], tokens[:, 1:]


def _corpus(vocab_size: int) -> tuple[Any, Any]:
    """The first CHARACTERS of the installed documentation's training documents, and a tenth of validation."""
    train, val = ("\n\n".join(side) for side in data.documentation(progress=False).split())
    train, val = train[:CHARACTERS], val[: CHARACTERS // 10]
    tokenizer = train_bpe([train], vocab_size)
    return tuple(data.pack([tokenizer.encode(text)], tokenizer.vocab_size) for text in (train, val))
