"""Continuous batching: every answer is what generate gives alone, and no slot idles while somebody waits."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch
from constraints import BPE, end_of
from tiny_models import SHAPE, VARIANTS, scrambled, tokens
from torch import nn

from tinygpt.interp import edit, zero_head
from tinygpt.models import GPT, GPTConfig
from tinygpt.sampling import (
    PromptCache,
    Request,
    Served,
    fast,
    generate,
    greedy,
    matching,
    no_repeat_ngram,
    serve,
    temperature,
    token_automaton,
    top_k,
)
from tinygpt.sampling.filters import keep_best
from tinygpt.tokenizers import CharacterTokenizer

WARM = (temperature(3.0),)
LETTERS = CharacterTokenizer(characters="abcdefghijklmnopqrstuvwxyzäö .", specials=["<|end|>"])


def many(n: int = 12, length: int = 5) -> list[Request]:
    """Requests of all kinds, which end at different times."""
    generator = torch.Generator().manual_seed(0)
    prompts = [torch.randint(31, (1 + i % length,), generator=generator).tolist() for i in range(n)]
    filters = [WARM, (greedy(),), (temperature(2.0), top_k(5)), (no_repeat_ngram(1), *WARM), ()]
    return [
        Request(prompt, 1 + 5 * i % 9, filters[i % 5], seed=i, stop=[[], [4, 7, 9], ["e"]][i % 3])
        for i, prompt in enumerate(prompts)
    ]


def in_order(served: Iterable[Served]) -> list[list[int]]:
    return [one.ids.tolist() for one in sorted(served, key=lambda one: one.request)]


def answer(model: GPT, one: Request) -> list[int]:
    options = {name: value for name, value in one._asdict().items() if name != "prompt"}
    out = generate(model, one.prompt, tok=LETTERS, **options)
    return (out[0] if isinstance(out, list) else out).tolist()


@pytest.mark.parametrize("config", VARIANTS, ids=str)
def test_each_gets_what_it_would_get_alone(config: GPTConfig) -> None:
    model, requests = scrambled(config), many()
    for n_slots in (1, 3, 20):
        served = {
            one.request: one.ids.tolist() for one in serve(model, requests, n_slots=n_slots, tok=LETTERS)
        }
        assert [served[i] for i in range(len(requests))] == [answer(model, one) for one in requests]


@pytest.mark.parametrize("position", ["learned", "rope", "alibi"])
def test_a_row_forgets_when_it_would_alone(position: str) -> None:
    model = scrambled(GPTConfig(**SHAPE | {"context": 15}, position=position))
    long = tokens(model.config, length=40)[0].tolist()
    requests = [Request(long[:n], 30, WARM, seed=n) for n in (1, 40, 7, 15, 16, 20)]
    for prefixes in (None, PromptCache(model)):
        served = {
            one.request: one.ids.tolist() for one in serve(model, requests, n_slots=3, prefixes=prefixes)
        }
        assert [served[i] for i in range(6)] == [answer(model, one) for one in requests]


def test_a_free_slot_is_given_away_at_once() -> None:
    model, lengths = scrambled(GPTConfig(**SHAPE)), [9, 2, 2, 2, 5, 1]
    requests = [Request([1, 2], n, (greedy(),)) for n in lengths]
    spans = {one.request: (one.first, one.ended) for one in serve(model, requests, n_slots=2)}
    assert spans == {0: (1, 9), 1: (1, 2), 2: (3, 4), 3: (5, 6), 4: (7, 11), 5: (10, 10)}
    spans = {one.request: (one.first, one.ended) for one in serve(model, requests, n_slots=2, refill=False)}
    assert spans == {0: (1, 9), 1: (1, 2), 2: (10, 11), 3: (10, 11), 4: (12, 16), 5: (12, 12)}


def test_slots_that_nobody_wants_are_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    model, rows, linear = scrambled(GPTConfig(**SHAPE)), [], nn.functional.linear

    def counted(x: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        if len(weights[0]) == 31:
            rows.append(len(x))
        return linear(x, *weights)

    monkeypatch.setattr(nn.functional, "linear", counted)
    with edit(model, {"blocks.0.attn.heads": zero_head(0)}):  # so that no snapshot is taken
        list(serve(model, [Request([1], n, WARM) for n in (5, 2, 1)], n_slots=8))
    assert rows == [3, 2, 1, 1, 1]


def test_answers_come_as_they_end_and_requests_are_taken_when_a_slot_is_free() -> None:
    model, taken = scrambled(GPTConfig(**SHAPE)), []

    def arriving():
        for n in (4, 1, 1, 3, 2):
            taken.append(n)
            yield Request([1, 2, 3], n, WARM, seed=n)

    answers = serve(model, arriving(), n_slots=2)
    assert taken == [] and next(answers).request == 1 and taken == [4, 1]
    assert next(answers).request == 2 and taken == [4, 1, 1]
    assert sorted(one.request for one in answers) == [0, 3, 4]


def test_edits_are_heeded_and_prompts_alone_will_do() -> None:
    model = scrambled(GPTConfig(**SHAPE))
    assert sorted(len(one.ids) for one in serve(model, [[1, 2], torch.tensor([3])])) == [101, 102]
    requests = [Request([1, 2, i], 9, [keep_best]) for i in range(5)]
    plain = in_order(serve(model, requests))
    with edit(model, {"blocks.*.attn.heads": zero_head(0, 1, 2, 3)}):
        edited = in_order(serve(model, requests))
        assert edited == [answer(model, one) for one in requests]
    assert edited != plain


def test_patterns_are_matched_in_each_slot() -> None:
    model = scrambled(GPTConfig(**(SHAPE | {"vocab_size": BPE.vocab_size, "context": 40})))
    one = matching(token_automaton("(ab|é){2,5}", BPE, end=end_of(BPE)), within=15)
    requests = [Request([i], 15, (one, *WARM), seed=i, stop=[end_of(BPE)]) for i in range(6)]
    assert in_order(serve(model, requests, n_slots=2)) == [answer(model, each) for each in requests]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request([]), "request 1: the prompt must hold at least one token"),
        (Request([31]), "request 1: the prompt has ids from 31 to 31"),
        (Request([[1], [2]]), "request 1: there must be one prompt .*got 2 and 100"),
        (Request([1], 0), "request 1: .*1 new token or more; got 1 and 0"),
        (Request([1], stop=["x"]), "request 1: stop has the text 'x'"),
    ],
)
def test_bad_requests_are_named(request_: Request, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(serve(scrambled(GPTConfig(**SHAPE)), [Request([1], 1), request_]))


def test_what_cannot_serve_is_refused_at_once() -> None:
    model = scrambled(GPTConfig(**SHAPE))
    with pytest.raises(ValueError, match="n_slots must be 1 or more; got 0"):
        serve(model, [], n_slots=0)
    with pytest.raises(ValueError, match="serve runs a GPT; got a FastModel"):
        serve(fast(model), [])
    with pytest.raises(ValueError, match="prefixes were read by another model"):
        serve(model, [], prefixes=PromptCache(scrambled(GPTConfig(**SHAPE))))
    assert list(serve(model, [])) == []
