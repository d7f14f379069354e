"""Batches: each row is what it is alone, whatever stands beside it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from constraints import BPE, end_of
from tiny_models import SHAPE, VARIANTS, scrambled, tokens

from tinygpt.alignment import roll_out
from tinygpt.models import GPT, GPTConfig, taps
from tinygpt.sampling import (
    Filter,
    frequency_penalty,
    generate,
    greedy,
    matching,
    no_repeat_ngram,
    pick,
    repetition_penalty,
    row_seeds,
    stream,
    temperature,
    token_automaton,
)
from tinygpt.sampling.history import HistoryFilter
from tinygpt.tokenizers import CharacterTokenizer

RAGGED = [[3, 1, 4, 1, 5], [9], [2, 6, 5, 3, 5, 8, 9, 7, 9], [3, 2]]


def lists(rows: list[torch.Tensor]) -> list[list[int]]:
    return [row.tolist() for row in rows]


@pytest.mark.parametrize("config", VARIANTS, ids=str)
def test_prompts_of_different_lengths_go_on_as_each_does_alone(config: GPTConfig) -> None:
    model = scrambled(config)
    out = generate(model, RAGGED, max_new_tokens=7, filters=[greedy()])
    assert lists(out) == [
        generate(model, row, max_new_tokens=7, filters=[greedy()]).tolist() for row in RAGGED
    ]


@pytest.mark.parametrize("position", ["learned", "rope", "alibi"])
def test_each_row_forgets_when_it_would_alone(position: str) -> None:
    model = scrambled(GPTConfig(**SHAPE, position=position))
    prompts = [*RAGGED, tokens(model.config, length=20)[0].tolist()]  # the last is longer than the context
    out = generate(model, prompts, max_new_tokens=30, filters=[greedy()])
    assert lists(out) == [
        generate(model, row, max_new_tokens=30, filters=[greedy()]).tolist() for row in prompts
    ]


def test_a_row_draws_by_its_own_seed_in_whatever_batch() -> None:
    model, options = scrambled(GPTConfig(**SHAPE)), {"max_new_tokens": 80, "filters": [temperature(2.0)]}
    seeds = row_seeds(5, 4)
    alone = [
        generate(model, row, seed=seed, **options).tolist() for row, seed in zip(RAGGED, seeds, strict=True)
    ]
    assert lists(generate(model, RAGGED, seed=5, **options)) == alone
    assert lists(generate(model, RAGGED[:2], seed=5, **options)) == alone[:2]
    assert lists(generate(model, RAGGED[::-1], seed=seeds[::-1], **options)) == alone[::-1]
    same = generate(model, [[1]] * 50, seed=5, **options)
    assert len({tuple(row) for row in same.tolist()}) == 50


def test_one_row_draws_as_a_generator_with_that_seed_does() -> None:
    model, generator = scrambled(GPTConfig(**SHAPE)), torch.Generator().manual_seed(9)
    row = torch.tensor([[1, 2]])
    for _ in range(12):
        row = torch.cat([row, pick(model(row)[:, -1], generator)[:, None]], dim=1)
    assert torch.equal(generate(model, [1, 2], max_new_tokens=12, seed=9), row[0])


def test_seeds_of_neighbours_share_no_row() -> None:
    seeds = [one for seed in range(-20, 300) for one in row_seeds(seed, 30)]
    assert len(set(seeds)) == len(seeds)


@pytest.mark.parametrize("one", [repetition_penalty(3.0), frequency_penalty(2.0), no_repeat_ngram(1)])
def test_filters_that_look_back_see_each_row_alone(one: Filter) -> None:
    model, options = scrambled(GPTConfig(**SHAPE)), {"max_new_tokens": 12, "filters": [one, greedy()]}
    want = [generate(model, row, **options).tolist() for row in RAGGED]
    assert lists(generate(model, RAGGED, **options)) == want
    plain = [generate(model, row, max_new_tokens=12, filters=[greedy()]).tolist() for row in RAGGED]
    assert want != plain
    said = roll_out(model, RAGGED, max_new_tokens=7, filters=[one, greedy()]).completions()
    assert said == [row[len(prompt) : len(prompt) + 7] for row, prompt in zip(want, RAGGED, strict=True)]


def test_a_pattern_is_matched_by_each_row_from_its_own_prompt_on() -> None:
    model = scrambled(GPTConfig(**(SHAPE | {"vocab_size": BPE.vocab_size, "context": 40})))
    one = matching(token_automaton("(ab|é){2,5}", BPE, end=end_of(BPE)), within=15)
    options = {"max_new_tokens": 15, "filters": [one, temperature(3.0)], "stop": [end_of(BPE)]}
    seeds = row_seeds(1, 4)
    want = [
        generate(model, row, seed=seed, **options).tolist() for row, seed in zip(RAGGED, seeds, strict=True)
    ]
    assert lists(generate(model, RAGGED, seed=1, **options)) == want
    assert len({len(row) - len(prompt) for row, prompt in zip(want, RAGGED, strict=True)}) > 1


LETTERS = CharacterTokenizer(characters="abcdefghijklmnopqrstuvwxyzäö .", specials=["<|end|>"])


@pytest.mark.parametrize("stop", [["q"], ["zz", 30], "ä", ["e ", "ab", 4]])
def test_a_text_ends_a_row_where_it_first_comes(stop: list) -> None:
    model, options = scrambled(GPTConfig(**SHAPE)), {"max_new_tokens": 200, "filters": [temperature(9.0)]}
    whole = [row.tolist() for row in generate(model, RAGGED, seed=3, **options)]
    for row, prompt, cut in zip(
        whole, RAGGED, generate(model, RAGGED, seed=3, stop=stop, tok=LETTERS, **options), strict=True
    ):
        new = row[len(prompt) :]
        ids = [one for one in stop if isinstance(one, int)]
        texts = [one for one in stop if isinstance(one, str)]
        ends = [
            n
            for n in range(1, len(new) + 1)
            if new[n - 1] in ids or any(text in LETTERS.decode(new[:n]) for text in texts)
        ]
        assert cut.tolist() == prompt + new[: min(ends, default=len(new))]


def test_a_text_may_be_spread_over_tokens_that_are_no_characters() -> None:
    one = matching(token_automaton("(a|b)xé語b*", BPE, end=end_of(BPE)))
    model = scrambled(GPTConfig(**(SHAPE | {"vocab_size": BPE.vocab_size, "context": 40})))
    for row in generate(model, [[1]] * 20, max_new_tokens=30, filters=[one], stop=["é語"], tok=BPE, seed=0):
        assert BPE.decode(row[1:].tolist())[1:] == "xé語"


def test_what_a_row_has_heard_stays_with_it_when_others_are_dropped() -> None:
    says = {1: LETTERS.encode("qzqqq"), 2: LETTERS.encode("xabcd")}  # by the prompt

    def follow(logits: torch.Tensor, ids: torch.Tensor, n_new: int) -> torch.Tensor:
        next_ones = torch.tensor([[says[row[0]][n_new]] for row in ids.tolist()])
        return torch.full_like(logits, -torch.inf).scatter(1, next_ones, 0.0)

    options = {
        "filters": [HistoryFilter("follow", follow)],
        "stop": ["xab", *LETTERS.encode("z")],
        "tok": LETTERS,
    }
    out = generate(scrambled(GPTConfig(**SHAPE)), [[1], [2]], max_new_tokens=5, **options)
    assert [LETTERS.decode(row[1:].tolist()) for row in out] == ["qz", "xab"]


def test_stream_fills_up_rows_that_have_ended() -> None:
    model = scrambled(GPTConfig(**SHAPE))
    options = {"max_new_tokens": 60, "filters": [temperature(9.0)], "seed": 3, "tok": LETTERS}
    for stop, fill in ((["q"], -1), (["q", 7], 7)):
        rows = torch.stack(list(stream(model, RAGGED, stop=stop, **options)), dim=1).tolist()
        for row, cut in zip(rows, generate(model, RAGGED, stop=stop, **options), strict=True):
            prompt = next(prompt for prompt in RAGGED if cut.tolist()[: len(prompt)] == prompt)
            new = cut.tolist()[len(prompt) :]
            assert row == new + [fill] * (len(row) - len(new))


@pytest.mark.parametrize("prompt", [[1, 2], [[1, 2], [3, 4]], RAGGED])
def test_log_probabilities_are_the_models(prompt: list) -> None:
    def scribble(logits: torch.Tensor) -> torch.Tensor:
        logits[..., 3:] /= 9.0
        return logits

    model = scrambled(GPTConfig(**SHAPE))
    options = {"max_new_tokens": 7, "filters": [scribble, temperature(2.0)], "seed": 0}
    ids, got = generate(model, prompt, log_probs=True, **options)
    plain = generate(model, prompt, **options)
    rows = zip(ids, got, plain, strict=True) if isinstance(prompt[0], list) else [(ids, got, plain)]
    for row, log_probs, again in rows:
        assert torch.equal(row, again)
        want = model(row[None, :-1])[0].log_softmax(dim=-1).gather(1, row[1:, None])[:, 0]
        torch.testing.assert_close(log_probs, want[-len(log_probs) :], atol=2e-5, rtol=1e-4)
        assert len(log_probs) == 7


def test_after_the_end_of_a_row_there_is_nothing_to_be_likely() -> None:
    model = scrambled(GPTConfig(**SHAPE))
    options = {"max_new_tokens": 40, "filters": [temperature(5.0)], "seed": 1, "stop": [4], "log_probs": True}
    ids, log_probs = generate(model, [[1], [2], [3]], **options)
    for row, each in zip(ids[:, 1:].tolist(), log_probs, strict=True):
        n = row.index(4) + 1 if 4 in row else len(row)
        assert (each[:n] < 0).all() and (each[n:] == 0).all()
    assert len({(each != 0).sum().item() for each in log_probs}) > 1
    assert generate(model, [1], max_new_tokens=0, log_probs=True)[1].shape == (0,)


@pytest.mark.parametrize(
    "stop", [[4, 9, 11], [one + "e" for one in "abcdfghijklmnopqrst"]], ids=["ids", "texts"]
)
def test_rows_that_have_ended_are_no_longer_read(stop: list) -> None:
    model, seeds = scrambled(GPTConfig(**SHAPE)), row_seeds(3, 8)
    prompts = [*RAGGED, *RAGGED]
    options = {"max_new_tokens": 60, "filters": [no_repeat_ngram(3), temperature(9.0)], "stop": stop}
    options |= {"tok": LETTERS, "log_probs": True}
    alone = [generate(model, [row], seed=[seed], **options) for row, seed in zip(prompts, seeds, strict=True)]
    sizes, watchers = [], taps(model)["embedded"].watchers
    watchers.append(lambda x: sizes.append(len(x)))  # and so there is no snapshot
    ids, log_probs = generate(model, prompts, seed=3, **options)
    watchers.clear()
    assert sizes[0] == 8 and sizes == sorted(sizes, reverse=True) and sizes[-1] == 1
    lengths = [int((one[1][0] != 0).sum()) for one in alone]
    for row, each, (want, theirs), n, prompt in zip(ids, log_probs, alone, lengths, prompts, strict=True):
        assert row.tolist()[: len(prompt) + n] == want[0].tolist()
        torch.testing.assert_close(each[:n], theirs[0], atol=2e-5, rtol=1e-4)
    plain = generate(model, prompts, seed=3, **options)
    assert lists(plain[0]) == lists(ids), "the snapshot draws as the model"


def test_rows_may_be_arrays_or_tensors() -> None:
    model = scrambled(GPTConfig(**SHAPE))
    want = lists(generate(model, RAGGED, max_new_tokens=3, filters=[greedy()]))
    for kind in (np.array, torch.tensor):
        assert (
            lists(generate(model, [kind(row) for row in RAGGED], max_new_tokens=3, filters=[greedy()]))
            == want
        )
    equal = [torch.tensor([1, 2]), torch.tensor([3, 4])]
    assert generate(model, equal, max_new_tokens=3).shape == (2, 5)


def test_progress_is_shown_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    model = scrambled(GPTConfig(**SHAPE))
    generate(model, [1], max_new_tokens=5, progress=True)
    assert "5/5" in capsys.readouterr().err
    generate(model, [1], max_new_tokens=5)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stop": ["x"]}, "stop has the text 'x': pass the tokenizer too"),
        ({"stop": [""], "tok": LETTERS}, "stop has an empty text, with which every text ends"),
        ({"seed": [1, 2, 3]}, "one seed, or one for each of 2 rows; got 3"),
        ({"seed": []}, "one seed, or one for each of 2 rows; got 0"),
        ({"max_new_tokens": -1}, "max_new_tokens must be 0 or more; got -1"),
    ],
)
def test_mistakes_are_explained_before_anything_is_drawn(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stream(GPT(GPTConfig(**SHAPE)), [[1, 2], [3, 4]], **options)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ([[1, 2], []], "at least one token"),
        ([["a"], [1, 2]], "must be ids"),
        (["ab", "c"], "must be ids; got the text 'ab'"),
        ([[1, 2], [31]], "ids from 1 to 31; the model knows 0 to 30"),
        ([[[1], [2, 3]], [[1]]], "rows of ids"),
    ],
)
def test_bad_rows_are_explained(prompt: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        generate(GPT(GPTConfig(**SHAPE)), prompt)
