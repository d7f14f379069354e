"""Steps of SFT, DPO and GRPO beside TRL's trainers, from the same weights and on the same batches.

What makes it fair: one GPT-2 with the same weights on both sides; batches that TRL collated, so that both
read the same rows to their last token, all of one length; AdamW and clipping at 1 in both; a step as a
whole, from fetching the batch to the optimiser; both in float32 and in bf16 autocast. In GRPO both draw from
the same distribution, without filters, and update once per rollout. Before any clock, loss and gradient are
the same. The learning rate is too small for answers to change in length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.core import Candidate, Options, gate_close, report
from benchmarks.peers import huggingface as hf
from benchmarks.peers import trl
from tinygpt.alignment import (
    GRPOBatch,
    Pairs,
    Rollouts,
    dpo_loss,
    grpo_batches,
    grpo_loss,
    token_likelihoods,
    with_reference,
)
from tinygpt.data import Stream
from tinygpt.models import GPT, GPTConfig, from_hf_gpt2, gpt2_shape
from tinygpt.training import TrainConfig, next_token_loss, train_steps
from tinygpt.training.loop import LossFn

SHAPE = gpt2_shape(512, n_layers=4, n_heads=4, d_model=128, context=128)
DEFAULT = GPTConfig(512, n_layers=4, n_heads=4, d_model=128, context=128)
END, IGNORE = 1, -100
SFT_ROWS, SFT_PROMPT, SFT_ANSWER = 32, 32, 32
DPO_PAIRS, DPO_PROMPT, DPO_ANSWER = 16, 32, 64
GRPO_PROMPTS, GRPO_GROUP, GRPO_PROMPT, GRPO_ANSWER = 4, 8, 12, 32
STEPS = 1_000_000


@dataclass(frozen=True)
class Work:
    """A kind of training.

    Attributes:
        title: as printed.
        tokens: in a step, padding not counted.
        theirs: precision → a new trainer of TRL's.
        inputs: trainer → what its `compute_loss` takes.
        batch: trainer, its inputs and our copy of its model → the same as our batch.
        loss: ours.
        batches: our model and batch → what a run reads; by default that batch again and again.
    """

    title: str
    tokens: int
    theirs: Callable[[str], Any]
    inputs: Callable[[Any], dict[str, Tensor]]
    batch: Callable[[Any, dict[str, Tensor], GPT], Any]
    loss: LossFn
    batches: Callable[[GPT, Any], Iterable[Any]] = lambda model, batch: repeat(batch)


def main(options: Options) -> None:
    """Gates, then a table for each kind of training."""
    if reason := hf.why_not() or trl.why_not():
        print(f"skipped: {reason}")
        return
    works = (sft(masked=False), sft(masked=True), dpo(cached=False), dpo(cached=True), grpo())
    print("gates, align:")
    for work in works:
        check(work)
    if options.quick:
        return
    for work in works:
        report(work.title, "tokens/s", candidates(work), options)


def check(work: Work) -> None:
    """Gates: the same loss and the same gradient, so both do the same work."""
    theirs = work.theirs("fp32")
    inputs, ours = work.inputs(theirs), from_hf_gpt2(theirs.model)
    batch = work.batch(theirs, inputs, ours)
    result = work.loss(ours, batch)
    loss, want = result[0] if isinstance(result, tuple) else result, theirs.compute_loss(theirs.model, inputs)
    gate_close(f"{work.title}: loss", loss, want, 1e-5)
    loss.backward()
    want.backward()
    gradient = theirs.model.transformer.wte.weight.grad
    gate_close(f"{work.title}: gradient of the embedding", ours.embed.weight.grad, gradient, 1e-5)


def candidates(work: Work) -> list[Candidate]:
    """Returns both sides in both precisions, and ours in its default shape, which is no GPT-2.

    TRL in float32 is what the others are compared with.
    """
    rows = []
    for precision in ("fp32", "bf16"):
        step = trl.stepped(work.theirs(precision))
        rows.append(Candidate(f"{trl.NAME} {precision}", step, work=work.tokens))
    for precision in ("fp32", "bf16"):
        rows.append(Candidate(f"tinygpt {precision}", our_step(work, precision), work=work.tokens))
    other = our_step(work, "bf16", GPT(DEFAULT, seed=0))
    return [*rows, Candidate("tinygpt default shape bf16", other, work=work.tokens)]


def our_step(work: Work, precision: str, model: GPT | None = None) -> Callable[[], Any]:
    """Returns a function that makes one step of ours, on a copy of TRL's model or on another one."""
    theirs = work.theirs("fp32")
    model = model or from_hf_gpt2(theirs.model)
    batch = work.batch(theirs, work.inputs(theirs), model)
    config = TrainConfig(steps=STEPS, lr=1e-6, warmup=0, precision=precision)
    return partial(next, train_steps(model, work.batches(model, batch), work.loss, config))


def sft(masked: bool) -> Work:
    """Returns the training on answers, with the loss on them alone, or on the prompts too."""
    length = SFT_PROMPT + SFT_ANSWER
    ids = tokens(SFT_ROWS, length)
    labels = ids.clone()
    if masked:
        labels[:, :SFT_PROMPT] = IGNORE
    rows = [{"input_ids": x, "labels": y} for x, y in zip(ids.tolist(), labels.tolist(), strict=True)]
    return Work(
        f"SFT B{SFT_ROWS} T{length}, loss on {'answers' if masked else 'every token'}",
        SFT_ROWS * length,
        lambda precision: trl.trainer("SFT", model(), rows, settings(SFT_ROWS, precision)),
        first_batch,
        lambda made, inputs, ours: (inputs["input_ids"], following(inputs["labels"])),
        next_token_loss,
    )


def dpo(cached: bool) -> Work:
    """Returns the training on pairs, with the reference's log-probabilities known or made in each step."""
    reference, length = from_hf_gpt2(model(1)), DPO_PROMPT + DPO_ANSWER
    rows = [preference(row) for row in tokens(DPO_PAIRS, DPO_PROMPT + 2 * DPO_ANSWER)]

    def theirs(precision: str) -> Any:
        config = settings(DPO_PAIRS, precision) | {"precompute_ref_log_probs": cached}
        return trl.trainer("DPO", model(0), rows, config, ref_model=model(1))

    def batch(made: Any, inputs: dict[str, Tensor], ours: GPT) -> Pairs:
        ids, counted = inputs["input_ids"], inputs["completion_mask"].bool()
        pairs = Pairs(ids, following(ids.masked_fill(~counted, IGNORE)))
        return with_reference(pairs, reference) if cached else pairs

    return Work(
        f"DPO {DPO_PAIRS} pairs T{length}, reference {'known' if cached else 'computed'}",
        2 * DPO_PAIRS * length,
        theirs,
        first_batch,
        batch,
        dpo_loss(reference),
    )


def preference(ids: Tensor) -> dict[str, str]:
    """Returns a prompt and two answers, each with its end, as TRL wants them: as texts."""
    prompt, *answers = ids.split([DPO_PROMPT, DPO_ANSWER, DPO_ANSWER])
    chosen, rejected = (" " + trl.words([*answer[:-1].tolist(), END]) for answer in answers)
    return {"prompt": trl.words(prompt.tolist()), "chosen": chosen, "rejected": rejected}


def grpo() -> Work:
    """Returns the training on one's own answers: rollout, reward and update in each step."""
    prompts, answers = tokens(GRPO_PROMPTS, GRPO_PROMPT).tolist(), GRPO_PROMPTS * GRPO_GROUP
    rows = [{"prompt": trl.words(prompt)} for prompt in prompts]
    told = {"num_generations": GRPO_GROUP, "max_completion_length": GRPO_ANSWER, "loss_type": "grpo"}

    def theirs(precision: str) -> Any:
        config = settings(answers, precision) | told | {"steps_per_generation": 1, "shuffle_dataset": False}
        return trl.trainer("GRPO", model(), rows, config, reward_funcs=their_reward)

    def inputs(made: Any) -> dict[str, Tensor]:
        made.current_gradient_accumulation_steps = 1  # which train() would say
        return made._generate_and_score_completions([row for row in rows for _ in range(GRPO_GROUP)])

    def batch(made: Any, inputs: dict[str, Tensor], ours: GPT) -> GRPOBatch:
        ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1)
        drawn = torch.cat([torch.zeros_like(inputs["prompt_ids"]), inputs["completion_mask"]], dim=1).bool()
        targets = ids[:, 1:].masked_fill(~drawn[:, 1:], IGNORE)
        with torch.no_grad():
            log_probs = token_likelihoods(ours, ids[:, :-1], targets)[0]
        return GRPOBatch(ids[:, :-1], targets, log_probs, inputs["advantages"], torch.zeros(answers))

    def batches(ours: GPT, batch: GRPOBatch) -> Iterable[GRPOBatch]:
        tasks = Stream(lambda i: [(prompt, None) for prompt in prompts])
        sampling = {"max_new_tokens": GRPO_ANSWER, "stop": [END]}
        return grpo_batches(ours, tasks, our_reward, group=GRPO_GROUP, **sampling)

    return Work(
        f"GRPO {answers} answers of at most {GRPO_ANSWER} tokens",
        answers * GRPO_ANSWER,
        theirs,
        inputs,
        batch,
        grpo_loss(),
        batches,
    )


def their_reward(completion_ids: list[list[int]], **_: Any) -> list[float]:
    """The share of even tokens in each answer, for TRL."""
    return [sum(i % 2 == 0 for i in ids) / max(1, len(ids)) for ids in completion_ids]


def our_reward(rollouts: Rollouts, truths: list[Any]) -> list[float]:
    """The same for us."""
    return their_reward(rollouts.completions())


def settings(rows: int, precision: str) -> dict[str, Any]:
    """Returns what all of TRL's configs are told."""
    return {"per_device_train_batch_size": rows, "bf16": precision == "bf16"}


def following(labels: Tensor) -> Tensor:
    """Returns what follows each token: nothing that counts after the last, which TRL's models read too."""
    return F.pad(labels[:, 1:], (0, 1), value=IGNORE)


def first_batch(made: Any) -> dict[str, Tensor]:
    """Returns the batch that a trainer reads first."""
    return next(iter(made.get_train_dataloader()))


def model(seed: int = 0) -> Any:
    """Returns a GPT-2 of transformers, which knows its padding and its end."""
    made = hf.build(SHAPE, seed)
    made.config.pad_token_id = made.generation_config.pad_token_id = 0
    made.config.eos_token_id = made.generation_config.eos_token_id = END
    return made


def tokens(rows: int, length: int) -> Tensor:
    """Returns random tokens, none of them the padding or the end."""
    return torch.randint(2, SHAPE.vocab_size, (rows, length), generator=torch.Generator().manual_seed(0))
