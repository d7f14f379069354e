"""`tinygpt train`: from text to a tokenizer and a model in one file.

With several GPUs or processes: `torchrun --nproc-per-node 2 -m tinygpt train`, which gives the same losses.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import sys
import time
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from tinygpt import data, runtime, training
from tinygpt.cli import stages
from tinygpt.cli.flags import add_flags, chosen, flag
from tinygpt.cli.parser import Parser
from tinygpt.models import GPT, GPTConfig
from tinygpt.models.config import CHOICES as MODEL_CHOICES
from tinygpt.tokenizers import Tokenizer, train_bpe, train_characters
from tinygpt.training import TrainConfig
from tinygpt.training.loop import CHOICES as TRAIN_CHOICES

END = "<|end|>"
MODEL = {"n_layers": 4, "n_heads": 4, "d_model": 128, "context": 128}
TRAINING = {"lr": 3e-3, "warmup": 100}
# A resumed run keeps every other option, because it is to end where the unbroken run would have.
FREE_ON_RESUME = {"out", "resume", "overwrite", "steps", "shard"}


@dataclass(frozen=True)
class TrainOptions:
    """What to train on and where to put it.

    Args:
        data: "documentation" (what is installed with Python, PyTorch and NumPy; needs no network),
            "shakespeare" (downloaded once), or the path of a text file.
        out: file for the model, its tokenizer and its training state.
        minutes: how long to train when --steps is not given; the speed is measured first.
        vocab_size: tokens of the byte-pair encoding that is trained first.
        characters: a token for each character of the text instead; --vocab-size does not matter then.
        batch_size: sequences per batch.
        seed: of the weights and of the order of the data.
        resume: go on from --out if it exists, with its options; only --steps may be another, to train longer.
        overwrite: replace --out if it exists.

    Raises:
        ValueError: when they contradict each other or a number is out of range.
    """

    data: str = "documentation"
    out: str = "model.safetensors"
    minutes: float = 5.0
    vocab_size: int = 4096
    characters: bool = False
    batch_size: int = 32
    seed: int = 0
    resume: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.resume and self.overwrite:
            raise ValueError("--resume goes on from --out and --overwrite replaces it. Give one of them.")
        if not self.minutes > 0:
            raise ValueError(f"--minutes must be positive; got {self.minutes:g}.")


@dataclass(frozen=True)
class Text:
    """Documents to train on and to validate on, and the same as tokens."""

    documents: tuple[list[str], list[str]]
    tokenizer: Tokenizer
    train: np.ndarray
    val: np.ndarray

    def bits_per_byte(self, nats_per_token: float) -> float:
        """The validation loss as bits per byte, which models with other tokenizers can be compared by."""
        n_bytes = sum(len(document.encode()) for document in self.documents[1])
        return data.bits_per_byte(nats_per_token, len(self.val), n_bytes)

    def sha256(self) -> str:
        """Equal for equal tokens."""
        return hashlib.sha256(self.train.tobytes() + self.val.tobytes()).hexdigest()


@dataclass(frozen=True)
class Job:
    """All that a run of training needs, new or resumed."""

    options: TrainOptions
    text: Text
    model: GPT
    config: TrainConfig

    @property
    def batches(self) -> data.Stream:
        """What to train on, in the order that the seed gives."""
        options, context = self.options, self.model.config.context
        return data.batches(self.text.train, context, options.batch_size, seed=options.seed)


def run(argv: list[str]) -> int:
    """Runs the command. Returns 0, or 130 when it was interrupted; what was learnt is saved in both cases."""
    if any(argument.split("=")[0] == "--stage" for argument in argv):
        return stages.run(argv)
    started = time.perf_counter()
    given = parse(argv)
    options = TrainOptions(**chosen(TrainOptions, given))
    with training.joined() as crew, redirect_stdout(None if crew.rank else sys.stdout):
        exists = crew.first(_exists(options))
        threads, device = runtime.use_threads(), crew.device if crew.size > 1 else runtime.best_device()
        print(f"device {device}, {threads} threads" + (f", {crew.size} processes" if crew.size > 1 else ""))
        job = resumed(options.out, given, device) if options.resume and exists else begun(given, device)
        print(f"model {job.model.n_parameters:,} parameters, {job.config.steps:,} steps")
        result = _fit(job)
        if crew.measures(job.model):
            _report(result, job)
        print(f"{time.perf_counter() - started:.0f} s in all, with the tokenizer and the validation")
    return 130 if result.interrupted else 0


def _exists(options: TrainOptions) -> bool:
    exists = Path(options.out).exists()
    if exists and not (options.resume or options.overwrite):
        raise FileExistsError(
            f"{options.out} exists. Use --resume to go on from it, --overwrite, or another --out."
        )
    return exists


def parse(argv: list[str]) -> argparse.Namespace:
    """Returns what was given: fields of `TrainOptions`, `GPTConfig` and `TrainConfig`, and no others."""
    epilog = "The stages of the lineage are another command: tinygpt train --stage all --help."
    parser = Parser(prog="tinygpt train", description=__doc__, epilog=epilog)
    add_flags(parser, TrainOptions)
    add_flags(parser, GPTConfig, defaults=MODEL, choices=MODEL_CHOICES, skip=("vocab_size",))
    shown = {**TRAINING, "steps": "what fits into --minutes", "warmup": "100, or a tenth of a shorter run"}
    add_flags(parser, TrainConfig, defaults=shown, choices=TRAIN_CHOICES)
    return parser.parse_args(argv)


def begun(given: argparse.Namespace, device: torch.device) -> Job:
    """Returns a new run. What is wrong with the numbers is said before the text is read."""
    options = TrainOptions(**chosen(TrainOptions, given))
    shape = GPTConfig(**{**MODEL, **chosen(GPTConfig, given), "vocab_size": options.vocab_size})
    chosen_training = chosen(TrainConfig, given)
    config = TrainConfig(**{**TRAINING, **chosen_training})
    text = read(options.data, None if options.characters else options.vocab_size)
    if training.world().first(text.sha256()) != text.sha256():
        raise ValueError(f"{options.data} is another text here than on the first machine. Give all the same.")
    _check_length(text, shape.context)
    model = GPT(replace(shape, vocab_size=text.tokenizer.vocab_size), seed=options.seed).to(device)
    job = Job(options, text, model, config)
    if "steps" not in chosen_training:
        config = replace(config, steps=steps_in(options.minutes, job))
    if "warmup" not in chosen_training:
        config = replace(config, warmup=min(config.warmup, config.steps // 10))
    return replace(job, config=config)


def resumed(path: str, given: argparse.Namespace, device: torch.device) -> Job:
    """Returns the run that `path` holds, to be gone on with.

    Raises:
        ValueError: when `path` holds no such run, or other options or another text are given than it had.
    """
    kept = training.load(path, device=device)
    if kept.tokenizer is None or "text_sha256" not in kept.info:
        raise ValueError(f"{path} was not written by `tinygpt train`, which therefore cannot go on from it.")
    before = kept.info["train_config"] | asdict(kept.model.config) | kept.info["options"]
    for name, value in vars(given).items():
        if name not in FREE_ON_RESUME and value != before[name]:
            raise ValueError(
                f"{path} was begun with {flag(name)} {before[name]}; got {value}. Leave it out, or begin "
                "anew with --overwrite or another --out. Only --steps may be another."
            )
    config, done = TrainConfig(**kept.info["train_config"]), len(kept.info["run"]["steps"])
    config = replace(config, **chosen(TrainConfig, given))
    if config.steps < done:
        raise ValueError(f"{path} has made {done} steps; got --steps {config.steps}. Ask for more in all.")
    print(f"{path}: {done:,} steps made" + ("; a larger --steps goes on" if config.steps == done else ""))
    options = replace(TrainOptions(**kept.info["options"]), out=path, resume=True, overwrite=False)
    text = read(options.data, tokenizer=kept.tokenizer)
    if text.sha256() != kept.info["text_sha256"]:
        raise ValueError(f"{options.data} is no longer the text that {path} was begun with. Use --overwrite.")
    return Job(options, text, kept.model, config)


def read(name: str, vocab_size: int | None = None, tokenizer: Tokenizer | None = None) -> Text:
    """Returns a text as tokens, under a given tokenizer or a new one.

    A new one is trained on what is to be trained on; without a size it knows each character of the text.
    """
    documents = corpus(name)
    started = time.perf_counter()
    if tokenizer is None and vocab_size is None:
        tokenizer = train_characters(text for side in documents for text in side)
    elif tokenizer is None:
        tokenizer = train_bpe(documents[0], vocab_size, special_tokens=[END])
    end, size = tokenizer.special_tokens.get(END), tokenizer.vocab_size
    train, val = (data.pack(map(tokenizer.encode, part), size, separator=end) for part in documents)
    seconds = time.perf_counter() - started
    print(f"tokenizer {size:,} tokens; {len(train):,} tokens to train on ({seconds:.0f} s)")
    return Text(documents, tokenizer, train, val)


def corpus(name: str) -> tuple[list[str], list[str]]:
    """Returns the documents to train on and those to validate on."""
    if name == "documentation":
        found = data.documentation()
        print(found)
        return found.split()
    text = data.tiny_shakespeare() if name == "shakespeare" else _read_file(Path(name))
    cut = int(0.9 * len(text))
    return [text[:cut]], [text[cut:]]


def _read_file(path: Path) -> str:
    if not path.is_file():
        raise FileNotFoundError(
            f'no file {path}. --data takes "documentation", "shakespeare" or a text file.'
        )
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text in UTF-8 ({error}). Save it as UTF-8.") from None


def _check_length(text: Text, context: int) -> None:
    least = max(100, context + 1)
    for tokens, what in ((text.train, "to train on"), (text.val, "to validate on")):
        if len(tokens) < least:
            raise ValueError(
                f"{len(tokens)} tokens {what} are too few; --context {context} needs {least}. "
                "Take a longer text or a shorter --context."
            )


def steps_in(minutes: float, job: Job) -> int:
    """Returns how many steps this machine makes in some minutes, from the median of a few on a copy."""
    config = replace(job.config, steps=12)
    trial = training.train_steps(copy.deepcopy(job.model), job.batches, training.next_token_loss, config)
    seconds = sorted(step.seconds for step in trial)[6]
    return training.world().first(max(10, int(0.95 * 60 * minutes / seconds)))


def val_loss(model: torch.nn.Module, tokens: np.ndarray, context: int, most: int = 1 << 18) -> float:
    """Returns the mean loss on the validation tokens, or on the first `most` of them, in nats per token."""
    rows = min(len(tokens) - 1, most) // context
    ids = torch.as_tensor(tokens[: rows * context + 1].astype(np.int64))
    pairs = zip(ids[:-1].view(rows, context).split(32), ids[1:].view(rows, context).split(32), strict=True)
    batches = list(pairs)
    sizes = [len(inputs) for inputs, _ in batches]
    losses = [training.mean_loss(model, [batch], 1, precision="auto") for batch in batches]
    return sum(loss * n for loss, n in zip(losses, sizes, strict=True)) / rows


def _fit(job: Job) -> training.Run:
    text, context = job.text, job.model.config.context
    return training.fit(
        job.model,
        job.batches,
        config=job.config,
        measure={"val loss": lambda m: val_loss(m, text.val, context, most=1 << 16)},
        every=max(10, job.config.steps // 10),
        ruler=data.rulers(text.train, text.val, text.tokenizer.vocab_size),
        checkpoint=job.options.out,
        resume=job.options.resume,
        overwrite=job.options.overwrite,
        tokenizer=text.tokenizer,
        info={"options": asdict(job.options), "text_sha256": text.sha256()},
    )


def _report(result: training.Run, job: Job) -> None:
    out, text = job.options.out, job.text
    loss = val_loss(job.model, text.val, job.model.config.context)
    print(f"{result.headline()} in steps")
    print(f"validation loss {loss:.3f} nats per token = {text.bits_per_byte(loss):.3f} bits per byte")
    counted = data.character_rulers(*("\n".join(part) for part in text.documents))
    rows = "  ".join(f"{name} {bits:.2f}" for name, bits in counted.items())
    print(f"characters counted, bits per byte: {rows}")
    size = Path(out).stat().st_size / 1e6
    print(f'saved {out} ({size:.1f} MB). Try: tinygpt sample {out} --prompt "Returns the"')
