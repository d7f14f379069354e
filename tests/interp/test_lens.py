"""The lens, attribution and patching against what they must add up to."""

from __future__ import annotations

import pytest
import torch
from tiny_models import SHAPE, VARIANTS, scrambled, tokens

from tinygpt.interp import attribute, capture, cut_edges, edit, lead, logit_lens, patch, ranks
from tinygpt.models import GPT, GPTConfig

PRE_NORM = [config for config in VARIANTS if config.norm_first]


@pytest.mark.parametrize("config", VARIANTS, ids=str)
def test_the_last_depth_of_the_lens_is_the_answer_and_the_first_a_model_without_blocks(config) -> None:
    model, ids = scrambled(config), tokens(config)
    with capture(model, "embedded", "blocks.*.residual") as seen:
        logits = model(ids)
    lens = logit_lens(model, seen)
    assert lens.shape == (3, *logits.shape)
    torch.testing.assert_close(lens[-1], logits)
    model.blocks = torch.nn.ModuleList()
    torch.testing.assert_close(lens[0], model(ids))


def test_the_lens_names_what_it_lacks() -> None:
    model = scrambled(GPTConfig(**SHAPE))
    with capture(model, "embedded") as seen:
        model(tokens(model.config))
    with pytest.raises(KeyError, match=r"blocks\.0\.residual.*not captured"):
        logit_lens(model, seen)


def test_ranks_count_the_tokens_ahead() -> None:
    logits = torch.tensor([[3.0, 1.0, 2.0], [0.0, 5.0, 5.0]])
    assert ranks(logits, torch.tensor([1, 2])).tolist() == [2, 0]
    assert ranks(logits[:, None].expand(2, 4, 3), torch.tensor([[0], [0]])).tolist() == [[0] * 4, [2] * 4]


@pytest.mark.parametrize("position", [-1, 3])
@pytest.mark.parametrize("config", PRE_NORM, ids=str)
def test_the_parts_add_up_to_the_logit_and_to_the_lead(config, position: int) -> None:
    model, ids = scrambled(config), tokens(config)
    answers, rivals = torch.tensor([3, 4]), torch.tensor([7, 1])
    logits = model(ids)[:, position]
    logit = logits.gather(1, answers[:, None])[:, 0]
    ahead = lead(answers, rivals, position)(model(ids))
    parts = attribute(model, ids, answers, position=position)
    torch.testing.assert_close(sum(parts.values()), logit, atol=1e-4, rtol=1e-4)
    led = attribute(model, ids, answers, rivals, position)
    torch.testing.assert_close(sum(led.values()), ahead, atol=1e-4, rtol=1e-4)


def test_a_heads_part_is_what_is_lost_when_only_its_direct_path_is_cut() -> None:
    config = GPTConfig(**SHAPE)
    model, ids, answers = scrambled(config), tokens(config), torch.tensor([3, 4])
    parts = attribute(model, ids, answers)
    with capture(model, "blocks.1.attn.heads", "blocks.1.residual") as seen:
        whole = model(ids)[:, -1].gather(1, answers[:, None])[:, 0]
    write = torch.zeros_like(seen["blocks.1.attn.heads"])
    write[:, 2] = seen["blocks.1.attn.heads"][:, 2]
    said = model.blocks[1].attn.out(write.transpose(1, 2).flatten(2))[:, -1]
    x = seen["blocks.1.residual"][:, -1]
    rms = (x.square().mean(-1, keepdim=True) + model.norm.eps).sqrt()
    without = ((x - said) / rms * model.norm.weight * model.head.weight[answers]).sum(-1)
    torch.testing.assert_close(parts["L1H2"], whole - without, atol=1e-4, rtol=1e-4)


def test_post_norm_models_have_no_such_sum() -> None:
    model = GPT(GPTConfig(**SHAPE, norm_first=False))
    with pytest.raises(ValueError, match="it is no sum of parts"):
        attribute(model, tokens(model.config), torch.tensor([3, 4]))


LEAD = lead(torch.tensor([3, 5]), torch.tensor([4, 2]))


def test_a_lead_is_each_row_s_answer_over_its_rival_in_every_block() -> None:
    logits = torch.randn(6, 3, 8, generator=torch.Generator().manual_seed(0))
    wanted = [
        row[-1, 3] - row[-1, 4] if i % 2 == 0 else row[-1, 5] - row[-1, 2] for i, row in enumerate(logits)
    ]
    torch.testing.assert_close(LEAD(logits), torch.stack(wanted))
    first = lead(torch.tensor([3]), torch.tensor([4]), position=0)
    torch.testing.assert_close(first(logits), logits[:, 0, 3] - logits[:, 0, 4])
    for rows in (logits[:5], logits[:0]):
        with pytest.raises(ValueError, match=r"blocks of 2, one per answer"):
            LEAD(rows)


def test_patching_one_position_is_editing_that_position() -> None:
    config = GPTConfig(**SHAPE)
    model, clean = scrambled(config), tokens(config)
    corrupt = clean.clone()
    corrupt[:, 5] = (corrupt[:, 5] + 1) % config.vocab_size
    got = patch(model, clean, corrupt, LEAD)
    assert got.shape == (2, 12)
    with capture(model, "blocks.0.residual") as seen:
        right = LEAD(model(clean)).mean()
    wrong = LEAD(model(corrupt)).mean()

    def put(activation: torch.Tensor) -> torch.Tensor:
        activation = activation.clone()
        activation[:, 7] = seen["blocks.0.residual"][:, 7]
        return activation

    with edit(model, {"blocks.0.residual": put}):
        patched = LEAD(model(corrupt)).mean()
    torch.testing.assert_close(got[0, 7], (patched - wrong) / (right - wrong), atol=1e-4, rtol=1e-4)


def test_what_comes_before_the_difference_carries_nothing_and_the_last_position_ends_with_all() -> None:
    config = GPTConfig(**SHAPE)
    model, clean = scrambled(config), tokens(config)
    corrupt = clean.clone()
    corrupt[:, 5] = (corrupt[:, 5] + 1) % config.vocab_size
    got = patch(model, clean, corrupt, LEAD)
    torch.testing.assert_close(got[:, :5], torch.zeros(2, 5), atol=1e-5, rtol=0.0)
    torch.testing.assert_close(got[-1], torch.eye(12)[-1], atol=1e-5, rtol=0.0)
    embedded = patch(model, clean, corrupt, LEAD, "embedded")
    torch.testing.assert_close(embedded[0], torch.eye(12)[5], atol=1e-5, rtol=0.0)


def test_patching_heads_gives_one_column_each() -> None:
    config = GPTConfig(**SHAPE)
    model, clean = scrambled(config), tokens(config)
    corrupt = clean.flip(1)
    got = patch(model, clean, corrupt, LEAD, "blocks.*.attn.heads")
    assert got.shape == (2, 4)
    with capture(model, "blocks.1.attn.heads") as seen:
        right = LEAD(model(clean)).mean()
    wrong = LEAD(model(corrupt)).mean()

    def put(heads: torch.Tensor) -> torch.Tensor:
        return torch.cat([heads[:, :2], seen["blocks.1.attn.heads"][:, 2:3], heads[:, 3:]], dim=1)

    with edit(model, {"blocks.1.attn.heads": put}):
        patched = LEAD(model(corrupt)).mean()
    torch.testing.assert_close(got[1, 2], (patched - wrong) / (right - wrong), atol=1e-4, rtol=1e-4)


def test_prompts_must_match_and_differ() -> None:
    model, ids = scrambled(GPTConfig(**SHAPE)), tokens(GPTConfig(**SHAPE))
    with pytest.raises(ValueError, match=r"match token by token; got \(2, 12\), \(2, 11\)"):
        patch(model, ids, ids[:, 1:], LEAD)
    with pytest.raises(ValueError, match="nothing to trace"):
        patch(model, ids, ids, LEAD)
    with pytest.raises(KeyError, match=r"no tap matches 'blocks\.9"):
        patch(model, ids, ids.flip(1), LEAD, "blocks.9.residual")


def test_cut_edges_are_gone_and_the_rest_shares_their_weight() -> None:
    config = GPTConfig(**SHAPE)
    model, ids = scrambled(config), tokens(config)
    with capture(model, "*.0.attn.pattern") as before:
        model(ids)
    cut = edit(model, {"blocks.0.attn.scores": cut_edges([6, -1], range(3), 1)})
    with cut, capture(model, "*.0.attn.pattern") as after:
        model(ids)
    was, now = before["blocks.0.attn.pattern"], after["blocks.0.attn.pattern"]
    assert (now[:, 1, [6, 11], :3] == 0).all()
    want = was[:, 1, 6, 3:] / was[:, 1, 6, 3:].sum(-1, keepdim=True)
    torch.testing.assert_close(now[:, 1, 6, 3:], want)
    torch.testing.assert_close(now[:, [0, 2, 3]], was[:, [0, 2, 3]])
    torch.testing.assert_close(now[:, 1, 7], was[:, 1, 7])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((2, range(3)), "position 2 would have nothing to look at"),
        ((12, 0), "there are 12 of them, numbered 0 to 11; got \\[12\\]"),
        ((3, 0, 4), "there are 4 of them, numbered 0 to 3; got \\[4\\]"),
    ],
)
def test_what_cannot_be_cut(arguments: tuple, message: str) -> None:
    model = scrambled(GPTConfig(**SHAPE))
    with (
        edit(model, {"blocks.0.attn.scores": cut_edges(*arguments)}),
        pytest.raises(ValueError, match=message),
    ):
        model(tokens(model.config))
