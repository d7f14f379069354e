"""Generation: the snapshot and the cache equal the plain forward pass, token by token."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_models import SHAPE, VARIANTS, scrambled, tokens
from torch import nn

from tinygpt import sampling
from tinygpt.interp import edit, zero_head
from tinygpt.models import GPT, GPTConfig
from tinygpt.sampling import Decoder, generate, greedy, pick, stream, temperature


def slow_greedy(model: GPT, row: torch.Tensor, n: int) -> torch.Tensor:
    for _ in range(n):
        row = torch.cat([row, model(row[None])[0, -1].argmax()[None]])
    return row


SNAPSHOTS = [config for config in VARIANTS if config.norm_first]


@pytest.mark.parametrize("config", SNAPSHOTS, ids=str)
def test_decoder_equals_the_model(config: GPTConfig) -> None:
    model, ids = scrambled(config), tokens(config)[0]
    decoder = Decoder(model)
    got = torch.cat([decoder.read(part) for part in ids.split([5, 1, 1, 1, 1, 1, 1, 1])])
    want = model(ids[None])[0, [4, 5, 6, 7, 8, 9, 10, 11]]
    torch.testing.assert_close(got, want, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("config", VARIANTS, ids=str)
def test_one_row_and_batches_continue_as_the_plain_model_does(config: GPTConfig) -> None:
    model, ids = scrambled(config), tokens(config, length=6)
    want = torch.stack([slow_greedy(model, row, 10) for row in ids])
    assert torch.equal(generate(model, ids, max_new_tokens=10, filters=[greedy()]), want)
    assert torch.equal(generate(model, ids[0], max_new_tokens=10, filters=[greedy()]), want[0])


@pytest.mark.parametrize("position", ["learned", "rope"])
def test_beyond_the_context_the_older_half_is_forgotten(position: str) -> None:
    model = scrambled(GPTConfig(**SHAPE, position=position))
    out = generate(model, [1, 2, 3], max_new_tokens=30, filters=[greedy()])
    row, first = torch.tensor([1, 2, 3]), 0
    for _ in range(30):
        if len(row) - first > 16:
            first = len(row) - 8
        row = torch.cat([row, model(row[None, first:])[0, -1].argmax()[None]])
    assert torch.equal(out, row)


def test_a_prompt_longer_than_the_context_is_read_from_its_end() -> None:
    model = scrambled(GPTConfig(**SHAPE, position="learned"))
    assert len(generate(model, tokens(model.config, length=40)[0], max_new_tokens=3, seed=0)) == 43


def test_editing_a_head_changes_what_is_generated() -> None:
    model = scrambled(GPTConfig(**SHAPE))
    plain = generate(model, [1, 2, 3], max_new_tokens=12, filters=[greedy()])
    with edit(model, {"blocks.*.attn.heads": zero_head(0, 1, 2, 3)}):
        edited = generate(model, [1, 2, 3], max_new_tokens=12, filters=[greedy()])
    assert not torch.equal(plain, edited)


def test_the_seed_repeats_the_draw() -> None:
    model = scrambled(GPTConfig(**SHAPE))
    draw = lambda seed: generate(model, [1], max_new_tokens=12, filters=[temperature(2.0)], seed=seed)  # noqa: E731
    assert torch.equal(draw(0), draw(0))
    assert not torch.equal(draw(0), draw(1))


def test_frequencies_follow_the_distribution() -> None:
    logits = torch.tensor([[0.4, 0.3, 0.2, 0.1]]).log().expand(20_000, 4)
    counts = sampling.pick(logits, torch.Generator().manual_seed(0)).bincount(minlength=4)
    expected = 20_000 * torch.tensor([0.4, 0.3, 0.2, 0.1])
    assert ((counts - expected) ** 2 / expected).sum() < 16.3  # chi-squared, 3 degrees, p = 0.001


def test_stop_tokens_end_rows_and_batches() -> None:
    model, ids = scrambled(GPTConfig(**SHAPE)), tokens(GPTConfig(**SHAPE), length=3)
    plain = generate(model, ids, max_new_tokens=12, filters=[greedy()])[:, 3:]
    end = plain[0, 2].item()
    out = generate(model, ids, max_new_tokens=12, filters=[greedy()], stop=[end])[:, 3:]
    first = plain[0].tolist().index(end)
    assert (out[0, first:] == end).all()
    assert torch.equal(out[0, :first], plain[0, :first])
    alone = generate(model, ids[0], max_new_tokens=12, filters=[greedy()], stop=[end])[3:]
    assert alone.tolist() == plain[0, : first + 1].tolist()


def test_stream_yields_what_generate_returns() -> None:
    model = scrambled(GPTConfig(**SHAPE))
    parts = list(stream(model, [1, 2], max_new_tokens=5, seed=0))
    assert torch.equal(torch.stack(parts)[:, 0], generate(model, [1, 2], max_new_tokens=5, seed=0)[2:])


def test_results_can_be_trained_on() -> None:
    model = scrambled(GPTConfig(**SHAPE))
    out = generate(model, tokens(model.config, length=3), max_new_tokens=5, seed=0)
    model(out).sum().backward()
    assert model.embed.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("text", r"must be ids; got the text 'text'. .*tokenizer.encode"),
        ([], "at least one token"),
        ([31], "ids from 31 to 31; the model knows 0 to 30"),
        ([-1], "from -1"),
    ],
)
def test_bad_prompts_are_explained(prompt: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        generate(GPT(GPTConfig(**SHAPE)), prompt)


def test_a_filter_that_cuts_everything_is_explained() -> None:
    with pytest.raises(ValueError, match="filters cut all"):
        generate(GPT(GPTConfig(**SHAPE)), [1], filters=[lambda x: x - torch.inf], max_new_tokens=1)


def test_pick_draws_tokens_as_often_as_they_are_likely_and_never_a_cut_one() -> None:
    probability = torch.tensor([0.0, 0.5, 0.0, 0.3, 0.2, 0.0])
    drawn = pick(probability.log().expand(20_000, -1), torch.Generator().manual_seed(0))
    shares = torch.bincount(drawn, minlength=6) / len(drawn)
    assert (shares[probability == 0] == 0).all()
    torch.testing.assert_close(shares, probability, atol=0.015, rtol=0)


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor])
def test_rows_of_any_kind_are_a_batch(kind) -> None:
    model, rows = scrambled(GPTConfig(**SHAPE)), [[1, 2], [3, 4]]
    out = generate(model, kind(rows), max_new_tokens=3, filters=[greedy()])
    assert torch.equal(out, torch.stack([slow_greedy(model, torch.tensor(row), 3) for row in rows]))
    alone = generate(model, kind(rows[1]), max_new_tokens=3, filters=[greedy()])
    assert torch.equal(alone, out[1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rows", [[1, 2], [[1, 2], [3, 4]]])
def test_a_filter_gets_float32_and_may_write_into_it(rows: list, dtype: torch.dtype) -> None:
    def ban_likely(logits: torch.Tensor) -> torch.Tensor:
        assert logits.dtype == torch.float32
        logits[..., likely] = -torch.inf
        return logits

    model = scrambled(GPTConfig(**SHAPE)).to(dtype)
    likely = generate(model, rows, max_new_tokens=1, filters=[greedy()]).flatten()[-1]
    out = generate(model, rows, max_new_tokens=1, filters=[ban_likely, greedy()])
    assert out.flatten()[-1] != likely


@pytest.mark.parametrize("name", ["blocks.0", "blocks.1.mlp.up", "norm", "head", ""])
def test_pytorchs_own_hooks_are_not_skipped(name: str) -> None:
    model = scrambled(GPTConfig(**SHAPE))
    model.get_submodule(name).register_forward_hook(lambda module, inputs, output: output.flip(-1))
    want = slow_greedy(model, torch.tensor([1, 2]), 5)
    assert torch.equal(generate(model, [1, 2], max_new_tokens=5, filters=[greedy()]), want)


@pytest.mark.parametrize("name", ["embed", "norm", "head", "blocks.1.attn.q"])
def test_replaced_parts_are_used(name: str) -> None:
    model = scrambled(GPTConfig(**SHAPE))
    part = model.get_submodule(name)

    class Reversed(type(part)):
        def forward(self, x):
            return super().forward(x).flip(-1)

    part.__class__ = Reversed
    want = slow_greedy(model, torch.tensor([1, 2]), 5)
    assert torch.equal(generate(model, [1, 2], max_new_tokens=5, filters=[greedy()]), want)


def test_a_replaced_activation_is_used() -> None:
    model, ids = scrambled(GPTConfig(**SHAPE)), torch.tensor([1, 2, 3])
    model.blocks[0].mlp.activation = torch.cos
    torch.testing.assert_close(Decoder(model).read(ids), model(ids[None])[0, -1:], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("config", SNAPSHOTS, ids=str)
def test_a_decoder_that_starts_with_one_token(config: GPTConfig) -> None:
    model = scrambled(config)
    torch.testing.assert_close(
        Decoder(model).read(torch.tensor([1])), model(torch.tensor([[1]]))[0], atol=2e-5, rtol=1e-4
    )


def test_there_is_no_decoder_of_a_post_norm_model() -> None:
    with pytest.raises(ValueError, match="a post-norm model has none there"):
        Decoder(GPT(GPTConfig(**SHAPE, norm_first=False)))


def test_a_decoder_is_not_made_longer_than_its_positions() -> None:
    with pytest.raises(ValueError, match="learned positions end at context=16; got length=17"):
        Decoder(GPT(GPTConfig(**SHAPE, position="learned")), 17)


def test_of_a_prompt_only_the_last_logits_are_computed(monkeypatch) -> None:
    model, shapes, linear = scrambled(GPTConfig(**SHAPE)), [], nn.functional.linear

    def counted(x: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        shapes.append((*x.shape[:-1], len(weights[0])))
        return linear(x, *weights)

    monkeypatch.setattr(nn.functional, "linear", counted)
    generate(model, [[1, 2, 3], [4, 5, 6]], max_new_tokens=1)
    assert [shape for shape in shapes if shape[-1] == 31] == [(2, 31)]
