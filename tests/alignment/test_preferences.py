"""Pairs, the reward model and DPO: against TRL on the same tensors, and shown to learn."""

from __future__ import annotations

import copy
import itertools
import math
import random
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from oracles import peer
from tokenizers import Tokenizer as HuggingFace

from tinygpt.alignment import (
    CHAT_TOKENS,
    Pairs,
    Preference,
    RewardModel,
    add_lora,
    bradley_terry_loss,
    chat_batch,
    dpo_loss,
    learned_reward,
    pair_batches,
    preference_batch,
    roll_out,
    sequence_log_probs,
    use_lora,
    with_reference,
)
from tinygpt.models import GPT, GPTConfig, from_hf_gpt2
from tinygpt.tokenizers import train_bpe, train_characters
from tinygpt.training import fit, next_token_loss

TOK = train_bpe(
    "user assistant good day sun rain tea " * 3, 285, special_tokens=["<|pad|>", *CHAT_TOKENS], progress=False
)
PREFERENCES = [
    Preference([("user", "good day")], "tea", "rain rain"),
    Preference([("user", "sun"), ("assistant", "good"), ("user", "tea")], "tea tea sun", "day"),
    Preference([("system", "rain"), ("user", "day")], "sun", "good day"),
]
# TRL would count the line break that ends a turn as part of the answer; here the answer ends the text.
TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' }}"
    "{% if not (loop.last and m['role'] == 'assistant') %}{{ '\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def small(seed: int = 0, **changes: object) -> GPT:
    shape = {"vocab_size": TOK.vocab_size, "n_layers": 2, "d_model": 32, "context": 64, **changes}
    return GPT(GPTConfig(**shape), seed=seed)


# Against TRL


def huggingfaces(kind: str, seed: int) -> Any:
    """A GPT-2 of transformers whose weights are large enough for differences to show."""
    import transformers

    torch.manual_seed(seed)
    quiet = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    tokens = {"pad_token_id": 282, "bos_token_id": 283, "eos_token_id": 284}
    shape = {"vocab_size": TOK.vocab_size, "n_positions": 64, "n_embd": 32, "n_layer": 2, "n_head": 2}
    config = transformers.GPT2Config(**shape, **quiet, **tokens, num_labels=1)
    model = getattr(transformers, kind)(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


def trainer(kind: str, model: Any, folder: Path, config: dict[str, Any], **options: Any) -> Any:
    """TRL's own trainer on our preferences, with our tokenizer."""
    from datasets import Dataset
    from transformers import PreTrainedTokenizerFast

    trl = peer("trl")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=HuggingFace.from_str(TOK.to_huggingface()),
        chat_template=TEMPLATE,
        eos_token="<|im_end|>",
        pad_token="<|pad|>",
    )
    rows = [
        {
            "prompt": [{"role": role, "content": content} for role, content in each.prompt],
            "chosen": [{"role": "assistant", "content": each.chosen}],
            "rejected": [{"role": "assistant", "content": each.rejected}],
        }
        for each in PREFERENCES
    ]
    quiet = {"report_to": [], "disable_tqdm": True, "use_cpu": True, "bf16": False, "output_dir": str(folder)}
    quiet |= {"per_device_train_batch_size": len(rows), "gradient_checkpointing": False}
    return getattr(trl, f"{kind}Trainer")(
        model,
        args=getattr(trl, f"{kind}Config")(**quiet, **config),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        **options,
    )


def rows_of(batch: dict[str, torch.Tensor]) -> list[list[int]]:
    parts = zip(batch["input_ids"], batch["attention_mask"], strict=True)
    return [ids[mask.bool()].tolist() for ids, mask in parts]


def whole_rows(pairs: Pairs) -> list[list[int]]:
    """Each row's tokens up to the last that counts."""
    found = []
    for inputs, targets in zip(pairs.inputs, pairs.targets, strict=True):
        last = int((targets >= 0).nonzero().max())
        found.append([*inputs[: last + 1].tolist(), int(targets[last])])
    return found


@pytest.mark.parametrize("nll", [0.0, 0.5])
def test_dpo_is_trls_batch_loss_gradient_and_metrics(nll: float, tmp_path: Path) -> None:
    peer("trl")
    model, reference = huggingfaces("GPT2LMHeadModel", 0), huggingfaces("GPT2LMHeadModel", 1)
    config = {"beta": 0.3, "loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, nll]}
    theirs = trainer("DPO", model, tmp_path, config, ref_model=reference)
    (batch,) = theirs.get_train_dataloader()
    ours, pairs = from_hf_gpt2(model), preference_batch(TOK, PREFERENCES)
    order = [rows_of(batch).index(row) for row in whole_rows(pairs)]
    batch = {name: rows[order] for name, rows in batch.items()}
    assert torch.equal(batch["completion_mask"][:, 1:].bool(), pairs.targets >= 0)
    model.eval()
    want = theirs.compute_loss(model, batch)
    loss, metrics = dpo_loss(from_hf_gpt2(reference), beta=0.3, nll=nll)(ours, pairs)
    torch.testing.assert_close(loss, want, atol=1e-5, rtol=1e-5)
    loss.backward()
    want.backward()
    for mine, other in (
        (ours.embed, model.transformer.wte),
        (ours.blocks[0].mlp.down.bias, model.transformer.h[0].mlp.c_proj.bias),
    ):
        mine, other = (getattr(x, "weight", x).grad for x in (mine, other))
        torch.testing.assert_close(mine, other, atol=1e-5, rtol=1e-4)
    said = theirs._metrics["eval"]
    for name, key in (("margin", "margins"), ("accuracy", "accuracies"), ("chosen", "chosen")):
        assert metrics[name].item() == pytest.approx(said[f"rewards/{key}"][-1], abs=1e-4)


def test_the_reward_model_and_its_loss_are_trls(tmp_path: Path) -> None:
    peer("trl")
    model, body = huggingfaces("GPT2ForSequenceClassification", 0), huggingfaces("GPT2LMHeadModel", 0)
    body.transformer.load_state_dict(model.transformer.state_dict())
    theirs = trainer("Reward", model, tmp_path, {})
    (batch,) = theirs.get_train_dataloader()
    ours, pairs = RewardModel(from_hf_gpt2(body)), preference_batch(TOK, PREFERENCES)
    ours.score.load_state_dict(model.score.state_dict())
    order = [rows_of(batch).index(row) for row in whole_rows(pairs)]
    batch = {name: rows[order] for name, rows in batch.items()}
    model.eval()
    torch.testing.assert_close(ours(pairs.inputs, pairs.targets), model(**batch).logits[:, 0])
    want = theirs.compute_loss(model, batch)
    loss, metrics = bradley_terry_loss(ours, pairs)
    torch.testing.assert_close(loss, want)
    said = theirs._metrics["eval"]
    assert metrics["margin"].item() == pytest.approx(said["margin"][-1], abs=1e-4)
    assert metrics["accuracy"].item() == pytest.approx(said["accuracy"][-1])


# Pairs


def test_only_the_answer_to_the_prompt_counts() -> None:
    pairs = preference_batch(TOK, PREFERENCES)
    said = [TOK.decode(row[row >= 0]) for row in pairs.targets]
    answers = [p.chosen for p in PREFERENCES] + [p.rejected for p in PREFERENCES]
    assert said == [f"{answer}<|im_end|>" for answer in answers]
    chat = chat_batch(TOK, [[*PREFERENCES[0].prompt, ("assistant", "tea")]])
    T = (chat[1][0] >= 0).nonzero().max() + 1
    assert torch.equal(chat[1][0, :T], pairs.targets[0, :T])
    assert torch.equal(chat[0][0, :T], pairs.inputs[0, :T])


def test_batches_keep_pairs_together_and_show_each_once_per_epoch() -> None:
    answers = ["a" * n + end for n, end in itertools.product(range(1, 6), ("", " sun"))]
    preferences = [Preference([("user", "tea")], better, better + " rain") for better in answers]
    pairs = with_reference(preference_batch(TOK, preferences), small())
    stream, seen = pair_batches(pairs, 4, seed=1), []
    for i in range(5):
        batch = stream[i]
        assert (batch.targets >= 0).any(dim=0)[-1], "no column is there for nothing"
        said = [TOK.decode(row[row >= 0]).removesuffix("<|im_end|>") for row in batch.targets]
        assert said[4:] == [f"{better} rain" for better in said[:4]]
        torch.testing.assert_close(
            batch.reference, sequence_log_probs(small(), batch.inputs, batch.targets), atol=1e-4, rtol=1e-5
        )
        seen += said[:4]
    assert sorted(seen) == sorted(answers * 2) and len(set(seen[:10])) == 10
    assert torch.equal(stream[7].targets, stream.skip(7)[0].targets)
    assert pair_batches(preference_batch(TOK, preferences), 4)[0].reference is None


# The reward model


def test_a_score_reads_its_answer_to_the_end_and_no_further() -> None:
    model, pairs = RewardModel(small()), preference_batch(TOK, PREFERENCES)
    torch.nn.init.normal_(model.score.weight, generator=torch.Generator().manual_seed(0))
    scores = model(pairs.inputs, pairs.targets)
    for row, score in zip(whole_rows(pairs), scores, strict=True):
        hidden = model.body(torch.tensor([row]), unembed=False)[0, -1]
        torch.testing.assert_close(score, hidden @ model.score.weight[0])
    padded = F.pad(pairs.inputs, (0, 3), value=7), F.pad(pairs.targets, (0, 3), value=-100)
    torch.testing.assert_close(model(*padded), scores)


def test_a_reward_model_judges_rollouts_by_their_completions() -> None:
    body = small()
    model = RewardModel(copy.deepcopy(body))
    torch.nn.init.normal_(model.score.weight, generator=torch.Generator().manual_seed(0))
    prompts = [[5, 6, 7], [8]]
    rollouts = roll_out(body, prompts, group=3, max_new_tokens=8, stop=[3], seed=0)
    scores = learned_reward(model)(rollouts, [None] * 6)
    assert not scores.requires_grad
    for i, score in enumerate(scores):
        row = torch.tensor([prompts[i // 3] + rollouts.targets[i][rollouts.counted[i]].tolist()])
        hidden = model.body(row, unembed=False)[0, -1]
        torch.testing.assert_close(score, hidden @ model.score.weight[0], atol=1e-4, rtol=1e-4)


def test_a_reward_model_starts_at_log_2_and_learns_what_is_preferred() -> None:
    tok = train_characters("user assistant:abcdefgh\n", special_tokens=CHAT_TOKENS)
    rng = random.Random(0)

    def answer(share: float) -> str:
        return "".join(rng.choices("abcdefgh", [8 * share, *[1] * 7], k=6))

    drawn = [(answer(2.0), answer(0.5)) for _ in range(300)]
    better = [
        Preference([("user", "abc")], *pair) for pair in drawn if pair[0].count("a") > pair[1].count("a")
    ]
    train, held_out = preference_batch(tok, better[50:]), preference_batch(tok, better[:50])
    model = RewardModel(GPT(GPTConfig(vocab_size=tok.vocab_size, n_layers=2, d_model=32, context=64), seed=0))
    loss, metrics = bradley_terry_loss(model, held_out)
    assert loss.item() == pytest.approx(math.log(2)) and metrics["accuracy"] == 0
    options = {"lr": 1e-2, "precision": "fp32", "progress": False}
    fit(model, pair_batches(train, 16), bradley_terry_loss, steps=80, **options)
    loss, metrics = bradley_terry_loss(model, held_out)
    assert metrics["accuracy"] > 0.9 and loss < 0.3


def test_a_reward_model_can_be_an_adapter_on_its_base() -> None:
    model, pairs = RewardModel(small()), preference_batch(TOK, PREFERENCES)
    add_lora(model, targets="*.attn.[qv]", seed=0)
    model.score.requires_grad_(True)
    before = copy.deepcopy(model.body.embed.weight)
    fit(model, pair_batches(pairs, 3), bradley_terry_loss, steps=5, lr=1e-2, progress=False)
    assert bradley_terry_loss(model, pairs)[0] < 0.69 and torch.equal(model.body.embed.weight, before)


# DPO


def test_log_probs_of_a_sequence_are_the_sum_of_its_tokens() -> None:
    model, pairs = small(), preference_batch(TOK, PREFERENCES)
    got = sequence_log_probs(model, pairs.inputs, pairs.targets)
    for i, row in enumerate(whole_rows(pairs)):
        n = int((pairs.targets[i] >= 0).sum())
        log_p = model(torch.tensor([row[:-1]]))[0].log_softmax(-1)
        torch.testing.assert_close(got[i], sum(log_p[t - 1, row[t]] for t in range(len(row) - n, len(row))))
    mean = -got.sum() / (pairs.targets >= 0).sum()
    torch.testing.assert_close(mean, next_token_loss(model, pairs[:2]))
    with torch.autocast("cpu", torch.bfloat16):
        low = sequence_log_probs(model, pairs.inputs, pairs.targets)
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, got, atol=0.2, rtol=0.02)


def test_a_known_reference_says_what_the_live_one_does() -> None:
    model, reference, pairs = small(0), small(1), preference_batch(TOK, PREFERENCES)
    live, metrics = dpo_loss(reference, beta=2.0)(model, pairs)
    known = with_reference(pairs, reference, batch_size=4)
    kept, same = dpo_loss(None, beta=2.0)(model, known)
    torch.testing.assert_close(kept, live)
    torch.testing.assert_close(same, metrics)
    assert not known.reference.requires_grad
    live.backward()
    assert all(p.grad is None for p in reference.parameters())


def test_dpo_makes_the_chosen_likelier_and_the_rejected_less_likely() -> None:
    tok = train_characters("user assistant:abcdefgh!?\n", special_tokens=CHAT_TOKENS)
    chats = [[("user", x), ("assistant", x + end)] for x in "abcdefgh" for end in "!?"]
    model = GPT(GPTConfig(vocab_size=tok.vocab_size, n_layers=2, d_model=32, context=64), seed=0)
    options = {"precision": "fp32", "progress": False}
    fit(model, itertools.repeat(chat_batch(tok, chats)), steps=150, lr=1e-2, **options)
    pairs = preference_batch(tok, [Preference([("user", x)], x + "!", x + "?") for x in "abcdef"])
    unseen = preference_batch(tok, [Preference([("user", x)], x + "!", x + "?") for x in "gh"])
    before = sequence_log_probs(model, *unseen[:2]).exp()
    assert ((before > 0.25) & (before < 0.75)).all(), "both endings were taught"
    stream = pair_batches(with_reference(pairs, model), 6)
    run = fit(model, stream, dpo_loss(None, beta=0.5, nll=0.2), steps=60, lr=1e-3, **options)
    chosen, rejected = sequence_log_probs(model, *pairs[:2]).exp().chunk(2)
    assert (chosen > 0.85).all() and (rejected < 0.15).all()
    chosen, rejected = sequence_log_probs(model, *unseen[:2]).exp().chunk(2)
    assert (chosen > 5 * rejected).all(), "the taste carries over to letters it was not taught with"
    first, last = run.steps[0].metrics, run.steps[-1].metrics
    assert abs(first["margin"]) < 1e-4 and last["accuracy"] == 1.0 and last["margin"] > 1.0


def test_an_adapter_can_learn_from_preferences_with_its_base_as_reference() -> None:
    model, pairs = small(), preference_batch(TOK, PREFERENCES)
    known = with_reference(pairs, model)
    add_lora(model, targets="blocks.*", seed=0)
    fit(model, pair_batches(known, 3), dpo_loss(None), steps=20, lr=1e-2, precision="fp32", progress=False)
    _, metrics = dpo_loss(None)(model, known)
    assert metrics["margin"] > 0.1
    use_lora(model, {})
    torch.testing.assert_close(sequence_log_probs(model, *pairs[:2]), known.reference)


def test_what_is_refused() -> None:
    model, pairs = small(), preference_batch(TOK, PREFERENCES)
    with pytest.raises(ValueError, match="pair 1 has the same answer twice, 'tea'"):
        preference_batch(TOK, [PREFERENCES[0], PREFERENCES[0]._replace(rejected="tea")])
    with pytest.raises(ValueError, match="at least one row"):
        preference_batch(TOK, [])
    with pytest.raises(ValueError, match=r"beta must be positive and nll 0 or more; got 0 and 0\.0"):
        dpo_loss(model, beta=0)
    with pytest.raises(ValueError, match=r"got 0\.1 and -1"):
        dpo_loss(model, nll=-1)
    with pytest.raises(ValueError, match=r"neither given nor in the batch.*with_reference"):
        dpo_loss(None)(model, pairs)
    with pytest.raises(ValueError, match=r"is the model that is trained.*copy\.deepcopy\(model\)"):
        dpo_loss(model)(model, pairs)
    with pytest.raises(ValueError, match="at least 1; got 3 and 0"):
        pair_batches(pairs, 0)
    torn = Pairs(pairs.inputs[::2], pairs.targets[::2])  # of 3 pairs, as one of two processes gets them
    for loss_fn in (dpo_loss(small()), lambda m, batch: bradley_terry_loss(RewardModel(m), batch)):
        with pytest.raises(ValueError, match=r"3 rows are no pairs\. Several processes need"):
            loss_fn(model, torn)
