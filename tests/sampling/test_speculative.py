"""Speculation: the model's own text, whatever the draft says, in fewer passes."""

from __future__ import annotations

import importlib.util
import math
import sys
from collections import Counter
from itertools import product

import pytest
import torch
from scipy.stats import chi2
from tiny_models import POSITIONS, SHAPE, scrambled, tokens

from tinygpt.models import GPT, GPTConfig, KVCache
from tinygpt.sampling import (
    apply,
    fast,
    generate,
    greedy,
    leftover,
    no_repeat_ngram,
    presence_penalty,
    prompt_lookup,
    rounded,
    rounds,
    speculative,
    temperature,
    top_k,
)
from tinygpt.sampling.rewinding import Reading
from tinygpt.sampling.speculative import chance
from tinygpt.tokenizers import CharacterTokenizer

HAS_LOOPS = importlib.util.find_spec("numba") is not None
ENGINES = [
    lambda model: model,
    pytest.param(fast, marks=pytest.mark.skipif(not HAS_LOOPS, reason="no numba")),
]
TINY = dict(vocab_size=4, n_heads=2, d_model=8, context=16, n_layers=1)
N = 600  # draws; a wrong rule is seen in half as many
CLOSE = dict(atol=2e-5, rtol=1e-4, check_dtype=False)
PROMPT = [1, 2, 3, 1]
LOOKING_BACK = [presence_penalty(1.5), no_repeat_ngram(2)]


def close_to(model: GPT, amount: float, seed: int = 1) -> GPT:
    """Another model, which often agrees."""
    copy, generator = GPT(model.config).eval(), torch.Generator().manual_seed(seed)
    copy.load_state_dict(model.state_dict())
    with torch.no_grad():
        for parameter in copy.parameters():
            parameter.add_(amount * torch.randn(parameter.shape, generator=generator))
    return copy


MODEL = scrambled(GPTConfig(**TINY))
DRAFT = close_to(MODEL, 0.6)
DRAFT_OF_MANY = scrambled(GPTConfig(**{**SHAPE, "n_layers": 1}))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("n_drafted", [1, 4, 9])
def test_greedy_text_is_the_models_own_beyond_the_context_too(engine, position: str, n_drafted: int) -> None:
    model = scrambled(GPTConfig(**SHAPE, position=position))
    options = dict(max_new_tokens=45, filters=[presence_penalty(0.3), greedy()])
    want = generate(model, [1, 2, 3], **options)
    short = scrambled(GPTConfig(**{**SHAPE, "context": 7, "n_layers": 1}, position=position))
    for draft in (close_to(model, 0.01), short):
        found = speculative(engine(model), engine(draft), [1, 2, 3], n_drafted=n_drafted, **options)
        assert torch.equal(found.ids, want)
        assert len(want) - 3 == found.accepted + found.rounds
        assert 0 <= found.accepted <= found.proposed <= n_drafted * found.rounds


@pytest.mark.parametrize("engine", ENGINES)
def test_a_draft_that_is_the_model_is_always_right(engine) -> None:
    model = scrambled(GPTConfig(**SHAPE))
    found = speculative(
        engine(model), engine(model), [1, 2], n_drafted=4, max_new_tokens=10, filters=[greedy()]
    )
    assert (found.proposed, found.accepted, found.rounds) == (8, 8, 2)
    assert found.acceptance == 1


def misfit(counts: Counter, expected: dict[tuple, float]) -> float:
    """The chance of counts at least as far from these probabilities; cells that expect under 5 are one."""
    n, squares, cells, rest = counts.total(), 0.0, 0, [0.0, 0.0]
    assert set(counts) <= set(expected)
    for text, p in expected.items():
        if n * p < 5:
            rest = [rest[0] + counts[text], rest[1] + n * p]
        else:
            squares, cells = squares + (counts[text] - n * p) ** 2 / (n * p), cells + 1
    if rest[1] > 0:
        squares, cells = squares + (rest[0] - rest[1]) ** 2 / rest[1], cells + 1
    return float(chi2.sf(squares, cells - 1))


def exactly(model: GPT, prompt: list[int], n: int, filters=()) -> dict[tuple, float]:
    """Every text of n tokens and its probability, from the model alone."""
    found = {}
    for text in product(range(model.config.vocab_size), repeat=n):
        p = 1.0
        for i, token in enumerate(text):
            ids = torch.tensor([[*prompt, *text[:i]]])
            with torch.no_grad():
                logits = apply(filters, model(ids)[:, -1], ids, i)
            p *= logits.softmax(-1)[0, token].item()
        if p > 0:
            found[text] = p
    assert sum(found.values()) == pytest.approx(1, abs=1e-4)
    return found


def drawn(draft, filters=()) -> Counter:
    """How often each pair of tokens comes."""
    options = dict(n_drafted=2, max_new_tokens=2, filters=filters)
    texts = (speculative(MODEL, draft, PROMPT, seed=seed, **options).ids[len(PROMPT) :] for seed in range(N))
    return Counter(tuple(text.tolist()) for text in texts)


@pytest.mark.parametrize(
    ("draft", "filters"),
    [
        (DRAFT, []),
        (DRAFT, [temperature(0.7), top_k(3)]),
        (DRAFT, LOOKING_BACK),
        (prompt_lookup(1), LOOKING_BACK),
    ],
    ids=["plain", "filters", "history", "lookup"],
)
def test_draws_have_the_models_own_distribution(draft, filters) -> None:
    assert misfit(drawn(draft, filters), exactly(MODEL, PROMPT, 2, filters)) > 0.001


@pytest.mark.parametrize("wrong", ["accepts if p >= q", "redraws from p", "redraws from q"])
def test_that_test_sees_a_wrong_rule(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["tinygpt.sampling.speculative"]
    if wrong == "accepts if p >= q":
        monkeypatch.setattr(module, "chance", lambda p, q: (p >= q).float())
    else:
        monkeypatch.setattr(module, "leftover", lambda p, q: p if wrong.endswith("p") else q)
    assert misfit(drawn(DRAFT), exactly(MODEL, PROMPT, 2)) < 1e-6


@pytest.mark.parametrize("sharpness", [0.1, 1.0, 5.0])
def test_taken_and_replaced_guesses_add_up_to_the_model(sharpness: float) -> None:
    p, q = (sharpness * torch.randn(2, 50, generator=torch.Generator().manual_seed(0))).softmax(-1)
    taken = q * chance(p, q)
    torch.testing.assert_close(taken + (1 - taken.sum()) * leftover(p, q), p)
    assert torch.equal(leftover(p, p), p)


@pytest.mark.parametrize("engine", [*ENGINES, lambda model: model.double()], ids=["eager", "fast", "cache"])
@pytest.mark.parametrize("position", POSITIONS)
def test_what_is_taken_back_leaves_no_trace(engine, position: str) -> None:
    model = scrambled(GPTConfig(**SHAPE, position=position, n_kv_heads=2))
    ids, other = tokens(model.config, batch=2, length=14)
    with torch.no_grad():
        want = model(ids[None])[0]
    reading = Reading(engine(model), 14)
    assert reading.begin(6) == 8
    torch.testing.assert_close(reading.logits(torch.cat([ids[:6], other[:5]]), 6)[0], want[5], **CLOSE)
    reading.rewind(6)
    torch.testing.assert_close(reading.logits(ids[:7]), want[6:7], **CLOSE)
    torch.testing.assert_close(reading.logits(ids, 7), want[7:], **CLOSE)
    reading.rewind(0)
    torch.testing.assert_close(reading.logits(ids, 14), want, **CLOSE)
    with pytest.raises(ValueError, match=r"14 tokens.*fewer; got 15"):
        reading.inner.rewind(15)


@pytest.mark.parametrize("n", [1, 2])
def test_lookup_goes_on_as_it_did_the_last_time(n: int) -> None:
    ids = torch.tensor([1, 2, 5, 1, 2, 3, 1, 2])
    assert prompt_lookup(n)(ids, 2).tolist() == [3, 1]
    assert prompt_lookup(n)(ids[:2], 2).tolist() == []
    assert prompt_lookup(n)(torch.tensor([4]), 2).tolist() == []
    assert prompt_lookup(n)(torch.tensor([4, 4, 4]), 5).tolist() == [4]


def test_it_stops_where_generate_does() -> None:
    model = scrambled(GPTConfig(**SHAPE))
    for stop in range(10):
        options = dict(max_new_tokens=30, filters=[greedy()], stop=[stop])
        want = generate(model, [1, 2, 3], **options)
        assert torch.equal(speculative(model, model, [1, 2, 3], **options).ids, want)


def test_a_text_ends_it_too() -> None:
    tok = CharacterTokenizer(characters="abcdefghijklmnopqrstuvwxyzABCDE")
    model = scrambled(GPTConfig(**SHAPE))
    whole = speculative(model, DRAFT_OF_MANY, [1, 2], max_new_tokens=30, seed=0).ids
    text = tok.decode(whole[2:])
    found = speculative(model, DRAFT_OF_MANY, [1, 2], max_new_tokens=30, seed=0, stop=[text[10:12]], tok=tok)
    assert tok.decode(found.ids[2:]) == text[: text.index(text[10:12]) + 2]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: speculative(MODEL, DRAFT, [[1], [2]]), "continues one prompt; got 2"),
        (lambda: speculative(MODEL, DRAFT, [1], n_drafted=0), "n_drafted must be at least 1"),
        (lambda: speculative(MODEL, DRAFT_OF_MANY, [1]), "the draft has 31 tokens and the model 4"),
        (lambda: prompt_lookup(0), "at least 1 token"),
    ],
)
def test_what_cannot_be_is_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_nothing_new_is_nothing() -> None:
    found = speculative(MODEL, DRAFT, [1, 2], max_new_tokens=0)
    assert found.ids.tolist() == [1, 2] and found[1:] == (0, 0, 0) and math.isnan(found.acceptance)


@pytest.mark.skipif(not HAS_LOOPS, reason="no numba")
@pytest.mark.parametrize("filters", [[], [temperature(1.7)], [greedy()]], ids=["drawn", "heated", "greedy"])
@pytest.mark.parametrize("position", ["learned", "rope"])
def test_the_loops_draw_what_tensors_draw(filters, position: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Same points, same order: the same tokens, beyond the contexts and up to a stop too."""
    model = scrambled(GPTConfig(**SHAPE, position=position))
    drafts = [
        close_to(model, 0.05),
        scrambled(GPTConfig(**{**SHAPE, "context": 7, "n_layers": 1}, position=position)),
    ]
    guessers = [*map(fast, drafts), prompt_lookup(1), prompt_lookup(2)]
    prompt = [1, 2, 3, 4, 1, 2, 3, 4, 1]
    calls = [
        dict(max_new_tokens=60, filters=filters, seed=seed, n_drafted=n, stop=stop)
        for seed, n, stop in [(0, 1, []), (1, 4, []), (2, 9, []), (3, 3, [5, 9])]
    ]
    texts = []
    for sharp in (None, rounds.sharpness):
        if sharp is None:
            monkeypatch.setattr(sys.modules["tinygpt.sampling.speculative"], "sharpness", lambda _: None)
        else:
            monkeypatch.undo()
        texts.append([speculative(fast(model), g, prompt, **c) for g in guessers for c in calls])
    for slow, quick in zip(*texts, strict=True):
        assert torch.equal(slow.ids, quick.ids) and slow[1:] == quick[1:]
        assert quick.proposed > 0


@pytest.mark.skipif(not HAS_LOOPS, reason="no numba")
def test_the_loops_say_when_logits_are_no_numbers() -> None:
    model = scrambled(GPTConfig(**SHAPE))
    with torch.no_grad():
        model.blocks[0].mlp.up.weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match="the logits are not numbers"):
        speculative(fast(model), fast(DRAFT_OF_MANY), [1, 2], max_new_tokens=5)


def test_only_temperature_and_greed_are_for_the_loops() -> None:
    assert rounds.sharpness([]) == 1 and rounds.sharpness([greedy()]) == 0
    assert rounds.sharpness([temperature(0.5), temperature(4)]) == 0.5
    assert rounds.sharpness([top_k(3)]) is rounds.sharpness([top_k(3), greedy()]) is None


def test_a_seed_repeats() -> None:
    first, again, other = (speculative(MODEL, DRAFT, [1], max_new_tokens=40, seed=s).ids for s in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize("window", [3, 20])
def test_a_model_with_a_window_speculates_too(window: int) -> None:
    model = scrambled(GPTConfig(**SHAPE, window=window))
    options = dict(max_new_tokens=30, filters=[greedy()])
    want = generate(model, [1, 2, 3], **options)
    assert torch.equal(speculative(model, DRAFT_OF_MANY, [1, 2, 3], **options).ids, want)
    model.requires_grad_(False)
    cache = KVCache(model.config, 1, 16)
    model(torch.tensor([[1, 2, 3, 4]]), cache)
    if window == 3:
        with pytest.raises(ValueError, match="has slid over 4"):
            cache.rewind(3)
    cache.rewind(0)
    torch.testing.assert_close(model(torch.tensor([[5, 6]]), cache), model(torch.tensor([[5, 6]])))


@pytest.mark.skipif(not HAS_LOOPS, reason="no numba")
@pytest.mark.parametrize("kinds", [("int8", "bfloat16")])
def test_the_loops_pair_weights_of_different_kinds(kinds: tuple[str, str]) -> None:
    model, draft = (rounded(one, kind) for one, kind in zip((MODEL, DRAFT), kinds, strict=True))
    want = generate(model, PROMPT, max_new_tokens=8, filters=[greedy()])
    found = speculative(fast(model), fast(draft), PROMPT, max_new_tokens=8, filters=[greedy()])
    assert found.proposed and torch.equal(found.ids, want)
