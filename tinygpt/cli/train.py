"""`tinygpt train`: from text to a tokenizer and a model in one file."""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from tinygpt import data, runtime, training
from tinygpt.cli.flags import add_flags, chosen
from tinygpt.models import GPT, GPTConfig
from tinygpt.models.config import CHOICES as MODEL_CHOICES
from tinygpt.tokenizers import Tokenizer, train_bpe
from tinygpt.training import TrainConfig
from tinygpt.training.loop import CHOICES as TRAIN_CHOICES

END = "<|end|>"
MODEL = {"n_layers": 4, "n_heads": 4, "d_model": 128, "context": 128}
TRAINING = {"lr": 3e-3, "steps": None, "warmup": 100}


@dataclass(frozen=True)
class TrainOptions:
    """What to train on and where to put it.

    Args:
        data: "documentation" (what is installed with Python, PyTorch and NumPy; needs no network),
            "shakespeare" (downloaded once), or the path of a text file.
        out: file for the model, its tokenizer and its training state.
        minutes: how long to train when --steps is not given; the speed is measured first.
        vocab_size: tokens of the byte-pair encoding that is trained first.
        batch_size: sequences per batch.
        seed: of the weights and of the order of the data.
        resume: go on from --out if it exists, with its tokenizer, shape and options.
        overwrite: replace --out if it exists.
    """

    data: str = "documentation"
    out: str = "model.safetensors"
    minutes: float = 5.0
    vocab_size: int = 4096
    batch_size: int = 32
    seed: int = 0
    resume: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class Prepared:
    """Text as tokens, with what is needed to judge a loss on it."""

    tokenizer: Tokenizer
    train: np.ndarray
    val: np.ndarray
    val_bytes: int

    def bits_per_byte(self, nats_per_token: float) -> float:
        """The validation loss as bits per byte, which models with other tokenizers can be compared by."""
        return data.bits_per_byte(nats_per_token, len(self.val), self.val_bytes)


def run(argv: list[str]) -> int:
    """Runs the command. Returns 0, or 130 when it was interrupted; what was learnt is saved in both cases."""
    options, model_fields, train_fields = parse(argv)
    out = Path(options.out)
    if out.exists() and not (options.resume or options.overwrite):
        raise FileExistsError(f"{out} exists. Use --resume to go on from it, --overwrite, or another --out.")
    threads, device = runtime.use_threads(), runtime.best_device()
    print(f"device {device}, {threads} threads")
    kept = training.load(out) if options.resume and out.exists() else None
    if kept is not None:
        options = replace(
            options, **{k: v for k, v in kept.info["options"].items() if k in ("data", "batch_size", "seed")}
        )
    train_text, val_text = corpus(options.data)
    prepared = prepare(train_text, val_text, options.vocab_size, kept and kept.tokenizer)
    if kept is not None:
        model, config = GPT(kept.model.config).to(device), TrainConfig(**kept.info["train_config"])
    else:
        shape = GPTConfig(vocab_size=prepared.tokenizer.vocab_size, **model_fields)
        model = GPT(shape, seed=options.seed).to(device)
        steps = train_fields.pop("steps")
        config = TrainConfig(**train_fields)
        batches = data.batches(prepared.train, shape.context, options.batch_size, seed=options.seed)
        config = replace(config, steps=steps or steps_in(options.minutes, model, batches, config))
    print(f"model {model.n_parameters:,} parameters, {config.steps:,} steps")
    result = _fit(model, prepared, options, config)
    _report(result, prepared, train_text, val_text, out)
    return 130 if result.interrupted else 0


def parse(argv: list[str]) -> tuple[TrainOptions, dict, dict]:
    """Returns the options, the fields of the model's config and those of the training config."""
    parser = argparse.ArgumentParser(prog="tinygpt train", description=__doc__)
    add_flags(parser, TrainOptions)
    add_flags(parser, GPTConfig, defaults=MODEL, choices=MODEL_CHOICES, skip=("vocab_size",))
    add_flags(parser, TrainConfig, defaults=TRAINING, choices=TRAIN_CHOICES)
    values = parser.parse_args(argv)
    return (
        TrainOptions(**chosen(TrainOptions, values)),
        chosen(GPTConfig, values, skip=("vocab_size",)),
        chosen(TrainConfig, values),
    )


def corpus(name: str) -> tuple[list[str], list[str]]:
    """Returns the documents to train on and those to validate on."""
    if name == "documentation":
        found = data.documentation()
        print(found)
        return found.split()
    text = data.tiny_shakespeare() if name == "shakespeare" else _read(Path(name))
    cut = int(0.9 * len(text))
    return [text[:cut]], [text[cut:]]


def _read(path: Path) -> str:
    if not path.is_file():
        raise FileNotFoundError(
            f'no file {path}. --data takes "documentation", "shakespeare" or a text file.'
        )
    return path.read_text(encoding="utf-8")


def prepare(
    train: Sequence[str], val: Sequence[str], vocab_size: int, tokenizer: Tokenizer | None = None
) -> Prepared:
    """Returns both texts as tokens, under a given tokenizer or one trained on the first."""
    started = time.perf_counter()
    tokenizer = tokenizer or train_bpe(train, vocab_size, special_tokens=[END])
    end = tokenizer.special_tokens.get(END)
    packed = [
        data.pack(map(tokenizer.encode, texts), tokenizer.vocab_size, separator=end) for texts in (train, val)
    ]
    val_bytes = sum(len(text.encode()) for text in val)
    seconds = time.perf_counter() - started
    print(
        f"tokenizer {tokenizer.vocab_size:,} tokens; {len(packed[0]):,} tokens to train on ({seconds:.0f} s)"
    )
    return Prepared(tokenizer, *packed, val_bytes)


def steps_in(minutes: float, model: GPT, batches: data.Stream, config: TrainConfig) -> int:
    """Returns how many steps this machine makes in some minutes, from the median of a few on a copy."""
    trial = training.train_steps(
        copy.deepcopy(model), batches, training.next_token_loss, replace(config, steps=12, lr=1e-9)
    )
    seconds = sorted(step.seconds for step in trial)[6]
    return max(10, int(0.95 * 60 * minutes / seconds))


def val_loss(model: torch.nn.Module, tokens: np.ndarray, context: int, most: int = 1 << 18) -> float:
    """Returns the mean loss on the validation tokens, or on the first `most` of them, in nats per token."""
    rows = min(len(tokens) - 1, most) // context
    if rows == 0:
        raise ValueError(f"validation needs more than context={context} tokens; there are {len(tokens)}.")
    ids = torch.as_tensor(tokens[: rows * context + 1].astype(np.int64))
    pairs = zip(ids[:-1].view(rows, context).split(32), ids[1:].view(rows, context).split(32), strict=True)
    batches = list(pairs)
    sizes = [len(inputs) for inputs, _ in batches]
    losses = [training.mean_loss(model, [batch], 1, precision="auto") for batch in batches]
    return sum(loss * n for loss, n in zip(losses, sizes, strict=True)) / rows


def _fit(model: GPT, prepared: Prepared, options: TrainOptions, config: TrainConfig) -> training.Run:
    context = model.config.context
    every = max(10, config.steps // 10)
    return training.fit(
        model,
        data.batches(prepared.train, context, options.batch_size, seed=options.seed),
        config=config,
        measure={"val loss": lambda m: val_loss(m, prepared.val, context, most=1 << 16)},
        every=every,
        ruler=data.rulers(prepared.train, prepared.val, prepared.tokenizer.vocab_size),
        checkpoint=options.out,
        resume=options.resume,
        overwrite=options.overwrite,
        tokenizer=prepared.tokenizer,
        info={"options": asdict(options)},
    )


def _report(
    result: training.Run, prepared: Prepared, train: Sequence[str], val: Sequence[str], out: Path
) -> None:
    model = training.load(out).model
    loss = val_loss(model, prepared.val, model.config.context)
    print(f"{result.headline()}")
    print(f"validation loss {loss:.3f} nats per token = {prepared.bits_per_byte(loss):.3f} bits per byte")
    counted = data.character_rulers("\n".join(train), "\n".join(val))
    rows = "  ".join(f"{name} {bits:.2f}" for name, bits in counted.items())
    print(f"characters counted, bits per byte: {rows}")
    print(
        f"saved {out} ({out.stat().st_size / 1e6:.1f} MB). Try: tinygpt sample {out} --prompt 'Returns the'"
    )
