"""GRPO against TRL's own trainer: advantages, loss and gradients on the same answers; and that it learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny_digits as digits
import torch
from tiny_models import scrambled

from tinygpt.alignment import GRPOBatch, group_advantages, grpo_batches, grpo_loss, token_likelihoods
from tinygpt.models import from_hf_gpt2
from tinygpt.training import fit

REWARDS = [0.0, 1.0, 0.5, 0.0, 0.2, 0.2, 0.9, 0.1]


@pytest.fixture(scope="module")
def trl(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """TRL's GRPO trainer for a tiny GPT-2, with answers that it drew and scored itself in `.answers`."""
    pytest.importorskip("trl")
    patch = pytest.MonkeyPatch()
    patch.setenv("HF_HUB_OFFLINE", "1")
    with torch.random.fork_rng():
        trainer = trl_trainer(tmp_path_factory.mktemp("trl"))
        trainer.answers = trainer._generate_and_score_completions(
            [{"prompt": "1 2 3"}] * 4 + [{"prompt": "4 5 6"}] * 4
        )
    patch.undo()
    trainer.current_gradient_accumulation_steps = 1
    return trainer


def trl_trainer(folder: Path) -> Any:
    from datasets import Dataset
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast
    from trl import GRPOConfig, GRPOTrainer

    words = {word: i for i, word in enumerate(["<pad>", "<eos>", *"0123456789"])}
    tok = Tokenizer(WordLevel(words, unk_token="<pad>"))
    tok.pre_tokenizer = WhitespaceSplit()
    torch.manual_seed(0)
    shape = dict(vocab_size=12, n_embd=16, n_layer=2, n_head=2, n_positions=16)
    ids = dict(bos_token_id=1, eos_token_id=1, pad_token_id=0)
    still = dict(resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)
    model = GPT2LMHeadModel(GPT2Config(**shape, **ids, **still, initializer_range=0.3))
    config = GRPOConfig(
        output_dir=str(folder),
        report_to="none",
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        per_device_train_batch_size=8,
        num_generations=4,
        max_completion_length=6,
        temperature=1.0,
    )
    return GRPOTrainer(
        model=model,
        reward_funcs=lambda completions, **_: REWARDS,
        args=config,
        train_dataset=Dataset.from_dict({"prompt": ["1 2 3", "4 5 6"] * 4}),
        processing_class=PreTrainedTokenizerFast(tokenizer_object=tok, pad_token="<pad>", eos_token="<eos>"),
    )


def ours(answers: dict[str, torch.Tensor], before: torch.Tensor, reference: torch.Tensor) -> GRPOBatch:
    """TRL's answers as our batch; `before` and `reference` are of the answers' tokens, B × N."""
    whole = torch.cat([answers["prompt_ids"], answers["completion_ids"]], dim=1)
    asked = answers["prompt_ids"].shape[1] - 1
    counted = torch.cat([torch.zeros(len(whole), asked), answers["completion_mask"]], dim=1).bool()
    wide = [
        torch.cat([torch.zeros(len(whole), asked), part], dim=1) * counted for part in (before, reference)
    ]
    targets = whole[:, 1:].masked_fill(~counted, -100)
    return GRPOBatch(whole[:, :-1], targets, wide[0], answers["advantages"], torch.tensor(REWARDS), wide[1])


@pytest.mark.parametrize("scale", ["group", "none"])
def test_advantages_are_trls(trl: Any, scale: str) -> None:
    trl.scale_rewards = scale
    with torch.random.fork_rng():
        answers = trl._generate_and_score_completions([{"prompt": "1 2 3"}] * 8)
    found = group_advantages(torch.tensor(REWARDS), 4, std=scale == "group")
    torch.testing.assert_close(found, answers["advantages"])


@pytest.mark.parametrize(("kl", "unbiased"), [(0.0, False), (0.3, False), (0.3, True)])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("grpo", {}),
        ("grpo", {"clip": 0.1, "clip_high": 0.4}),
        ("dr_grpo", {"per": 6}),
        ("bnpo", {"per": "token"}),
        ("dapo", {"per": "token", "clip_high": 0.28}),
    ],
)
def test_loss_and_gradients_are_trls(
    trl: Any, kind: str, options: dict[str, Any], kl: float, unbiased: bool
) -> None:
    answers, mask = dict(trl.answers), trl.answers["completion_mask"]
    assert len(set(mask.sum(1).tolist())) > 1, "the answers must differ in length"
    model = from_hf_gpt2(trl.model)
    model.train()
    with torch.no_grad():
        drawn = ours(answers, mask * 0.0, mask * 0.0)
        now = token_likelihoods(model, *drawn[:2])[0][:, -mask.shape[1] :]
    generator = torch.Generator().manual_seed(0)
    before, reference = now + torch.randn(2, *now.shape, generator=generator) * 0.4
    answers |= {"old_per_token_logps": before, "ref_per_token_logps": reference}
    trl.loss_type, trl.beta, trl.args.use_bias_correction_kl = kind, kl, unbiased
    trl.epsilon_low = options.get("clip", 0.2)
    trl.epsilon_high = options.get("clip_high", trl.epsilon_low)
    trl.model.zero_grad()
    theirs = trl._compute_loss(trl.model, answers)
    theirs.backward()
    loss, metrics = grpo_loss(kl=kl, unbiased_kl=unbiased, **options)(model, ours(answers, before, reference))
    loss.backward()
    torch.testing.assert_close(loss, theirs, atol=1e-6, rtol=1e-5)
    for ours_, theirs_ in [("embed", "wte"), ("position", "wpe")]:
        grad = getattr(trl.model.transformer, theirs_).weight.grad
        torch.testing.assert_close(getattr(model, ours_).weight.grad, grad, atol=1e-6, rtol=1e-4)
    logged = trl._metrics["train"]
    assert 0 < metrics["clip_fraction"] < 1
    assert metrics["clip_fraction"].item() == pytest.approx(logged["clip_ratio/region_mean"][-1], abs=1e-6)
    assert metrics["entropy"].item() == pytest.approx(logged["entropy"][-1], rel=1e-5)
    if kl:
        assert metrics["kl"].item() == pytest.approx(logged["kl"][-1], rel=1e-4)


def test_a_batch_is_what_was_drawn_with_its_rewards() -> None:
    model, reference = digits.careless_model(), scrambled(digits.CONFIG)
    options = dict(group=4, reference=reference, **digits.SAMPLING)
    batch = grpo_batches(model, digits.questions, digits.right, **options).make(0)
    torch.testing.assert_close(batch.advantages, group_advantages(batch.rewards, 4))
    torch.testing.assert_close(batch.reference, token_likelihoods(reference, *batch[:2])[0].detach())
    torch.testing.assert_close(batch.log_probs, token_likelihoods(model, *batch[:2])[0].detach())
    assert not batch.reference.requires_grad
    flat = grpo_batches(model, digits.questions, digits.right, std=False, group=4, **digits.SAMPLING).make(0)
    torch.testing.assert_close(flat.advantages, group_advantages(batch.rewards, 4, std=False))
    _, metrics = grpo_loss()(model, batch)
    assert metrics["no_signal"] == (batch.rewards.view(-1, 4).std(1) == 0).float().mean()
    assert metrics["reward"] == batch.rewards.mean() and metrics["clip_fraction"] == 0
    assert metrics["length"] == (batch.targets != -100).sum() / 32


@pytest.mark.parametrize(
    ("batches", "loss", "seed"),
    [
        ({}, {}, 0),
        ({"std": False}, {"per": 3}, 1),
        ({"reference": True}, {"per": "token", "clip_high": 0.28, "kl": 0.02}, 2),
    ],
    ids=["GRPO", "Dr. GRPO", "DAPO with a KL penalty"],
)
def test_it_learns_to_say_the_digit_asked_for(batches: dict, loss: dict, seed: int) -> None:
    model = digits.careless_model()
    assert digits.accuracy(model) < 0.4
    if "reference" in batches:
        batches = {"reference": digits.careless_model()}
    source = grpo_batches(
        model, digits.questions, digits.right, updates=2, seed=seed, **batches, **digits.SAMPLING
    )
    options = dict(lr=3e-3, weight_decay=0.0, schedule="constant", precision="fp32", progress=False)
    run = fit(model, source, grpo_loss(**loss), steps=150, **options)
    assert digits.accuracy(model) > 0.8
    assert run.steps[-1].metrics["entropy"] < run.steps[0].metrics["entropy"] / 2


def test_a_strong_penalty_keeps_the_policy_where_it_was() -> None:
    def further(kl: float) -> float:
        model, reference = digits.careless_model(), digits.careless_model()
        source = grpo_batches(model, digits.questions, digits.right, reference=reference, **digits.SAMPLING)
        options = dict(lr=3e-3, schedule="constant", precision="fp32", progress=False)
        return fit(model, source, grpo_loss(kl=kl), steps=40, **options).steps[-1].metrics["kl"]

    assert further(5.0) < further(0.0) / 5


def test_what_cannot_be_is_explained() -> None:
    with pytest.raises(ValueError, match=r'per must be "row", "token" or a number of tokens; got \'length\''):
        grpo_loss(per="length")
    with pytest.raises(ValueError, match="got 0"):
        grpo_loss(per=0)
    model = digits.careless_model()
    batch = grpo_batches(model, digits.questions, digits.right, **digits.SAMPLING).make(0)
    with pytest.raises(ValueError, match=r"kl=0\.1 needs a reference"):
        grpo_loss(kl=0.1)(model, batch)
