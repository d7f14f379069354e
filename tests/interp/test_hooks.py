"""Capturing and editing: they see, they change, they clean up, and they say when they cannot."""

from __future__ import annotations

import pytest
import torch
from tiny_models import SHAPE, scrambled, tokens

from tinygpt.interp import capture, edit, mean_head, zero_head
from tinygpt.models import GPT, GPTConfig, taps

CONFIG = GPTConfig(**SHAPE)


def hooks_left(model: GPT) -> int:
    return sum(len(tap.watchers) for tap in taps(model).values())


def test_capture_sees_every_tap() -> None:
    model = scrambled(CONFIG)
    with capture(model) as seen:
        model(tokens(CONFIG))
    assert set(seen) == set(taps(model))
    assert seen["blocks.1.residual"].shape == (2, 12, 32)
    torch.testing.assert_close(seen["blocks.0.middle"], seen["embedded"] + seen["blocks.0.attn_out"])
    torch.testing.assert_close(seen["blocks.0.residual"], seen["blocks.0.middle"] + seen["blocks.0.mlp_out"])
    assert hooks_left(model) == 0


def test_captured_pattern_times_values_is_what_the_heads_say() -> None:
    model = scrambled(CONFIG)
    with capture(model, "blocks.0.attn.*") as seen:
        model(tokens(CONFIG))
    said = seen["blocks.0.attn.pattern"] @ seen["blocks.0.attn.values"]
    torch.testing.assert_close(said, seen["blocks.0.attn.heads"])


def test_capturing_nothing_is_an_error() -> None:
    nothing = pytest.raises(RuntimeError, match="captured nothing: run the model inside the with block")
    with nothing, capture(scrambled(CONFIG), "*.pattern"):
        pass


def test_hooks_are_removed_after_an_error() -> None:
    model = scrambled(CONFIG)
    with pytest.raises(ZeroDivisionError), capture(model), edit(model, {"embedded": lambda x: x}):
        raise ZeroDivisionError
    assert hooks_left(model) == 0


def test_a_name_that_matches_nothing_lists_the_taps() -> None:
    for context in (lambda m: capture(m, "blocks.7.*"), lambda m: edit(m, {"blocks.7.*": lambda x: x})):
        unknown = pytest.raises(KeyError, match=r"no tap matches 'blocks\.7\.\*'.*blocks\.0\.attn\.pattern")
        with unknown, context(scrambled(CONFIG)):
            pass


def test_a_silenced_head_adds_nothing() -> None:
    model, ids = scrambled(CONFIG), tokens(CONFIG)
    by_hand = scrambled(CONFIG)
    with torch.no_grad():
        by_hand.blocks[1].attn.out.weight[:, 2 * 8 : 3 * 8] = 0
    with edit(model, {"blocks.1.attn.heads": zero_head(2)}):
        torch.testing.assert_close(model(ids), by_hand(ids))


def test_edits_of_patterns_are_used() -> None:
    model, ids = scrambled(CONFIG), tokens(CONFIG)
    uniform = lambda p: torch.ones_like(p).tril() / torch.arange(1, 13)[:, None]  # noqa: E731
    with edit(model, {"blocks.*.attn.pattern": uniform}), capture(model, "*.heads", "*.values") as seen:
        model(ids)
    want = seen["blocks.0.attn.values"].cumsum(2) / torch.arange(1, 13)[:, None]
    torch.testing.assert_close(seen["blocks.0.attn.heads"], want)


def test_mean_head_keeps_the_mean() -> None:
    outputs = torch.randn(3, 4, 5, 6)
    edited = mean_head(1)(outputs)
    torch.testing.assert_close(edited[:, 1], outputs[:, 1].mean((0, 1)).expand(3, 5, 6))
    assert torch.equal(edited[:, [0, 2, 3]], outputs[:, [0, 2, 3]])


def test_bad_edits_are_explained() -> None:
    model, ids = scrambled(CONFIG), tokens(CONFIG)
    no_head = pytest.raises(ValueError, match=r"heads are numbered 0 to 3; got \[4\]")
    with no_head, edit(model, {"blocks.0.attn.heads": zero_head(4)}):
        model(ids)
    wrong_shape = pytest.raises(ValueError, match=r"must return shape \(2, 12, 32\); it returned \(12, 32\)")
    with wrong_shape, edit(model, {"embedded": lambda x: x[0]}):
        model(ids)
    no_heads = pytest.raises(ValueError, match=r"B × H × T × K activations; this one is \(2, 12, 32\)")
    with no_heads, edit(model, {"embedded": zero_head(0)}):
        model(ids)


def test_inside_an_edit_the_edited_activation_is_captured() -> None:
    model = scrambled(CONFIG)
    with edit(model, {"blocks.0.attn.heads": zero_head(1)}), capture(model, "blocks.0.attn.heads") as seen:
        model(tokens(CONFIG))
    assert (seen["blocks.0.attn.heads"][:, 1] == 0).all()
