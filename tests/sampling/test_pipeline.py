"""Pipelines: left to right, and what each stage did."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from tinygpt.sampling import (
    apply,
    banned,
    greedy,
    logit_bias,
    min_p,
    no_repeat_ngram,
    repetition_penalty,
    temperature,
    top_k,
    top_n_sigma,
    top_p,
    trace,
    typical,
)

FILTERS = [repetition_penalty(1.5), temperature(2.0), top_k(9), no_repeat_ngram(1), top_p(0.8)]


def logits() -> torch.Tensor:
    return 3 * torch.randn(5, 31, generator=torch.Generator().manual_seed(0))


def ids() -> torch.Tensor:
    return torch.randint(31, (5, 6), generator=torch.Generator().manual_seed(1))


def test_filters_that_look_back_keep_their_place() -> None:
    for filters in (FILTERS, FILTERS[::-1]):
        want = logits()
        for one in filters:
            want = one(want, ids()) if one in (FILTERS[0], FILTERS[3]) else one(want)
        assert torch.equal(apply(filters, logits(), ids()), want)
    assert not torch.equal(apply(FILTERS, logits(), ids()), apply(FILTERS[::-1], logits(), ids()))


def test_trace_ends_where_apply_does_and_each_stage_takes_over_from_the_last() -> None:
    stages = trace(FILTERS, logits(), ids())
    assert torch.equal(stages[0].before, logits())
    assert torch.equal(stages[-1].after, apply(FILTERS, logits(), ids()))
    for earlier, later in pairwise(stages):
        assert torch.equal(earlier.after, later.before)


def test_a_stage_tells_what_was_cut_and_where_the_probability_went() -> None:
    p = torch.tensor([0.4, 0.3, 0.2, 0.1])
    first, second = trace([top_k(3), top_p(0.6)], p.log())
    assert first.cut.tolist() == [False, False, False, True]
    assert second.cut.tolist() == [False, False, True, False]  # what was cut before is not cut again
    torch.testing.assert_close(first.moved, torch.tensor([4 / 9, 3 / 9, 2 / 9, 0.0]) - p)


def test_a_filter_that_writes_into_its_logits_does_not_change_the_stage_before() -> None:
    def ban_first(logits: torch.Tensor) -> torch.Tensor:
        logits[..., 0] = -torch.inf
        return logits

    given = torch.zeros(3)
    (stage,) = trace([ban_first], given)
    assert (stage.name, stage.cut.tolist()) == ("ban_first", [True, False, False])
    assert given.tolist() == [0.0, 0.0, 0.0]


def test_names_are_what_one_would_write() -> None:
    filters = [temperature(0.7), top_k(3), top_p(0.9), min_p(0.1), typical(0.5), top_n_sigma(1), greedy()]
    filters += [banned([1]), banned(range(9)), logit_bias({2: 1.0}), *FILTERS[:1], no_repeat_ngram(3)]
    filters += [top_p(1.0), typical(1.0)]
    p = torch.tensor([4.0, 3.0, 2.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    names = [stage.name for one in filters for stage in trace([one], p, torch.tensor([0]))]
    assert names == [
        *(
            "temperature(0.7)",
            "top_k(3)",
            "top_p(0.9)",
            "min_p(0.1)",
            "typical(0.5)",
            "top_n_sigma(1)",
            "greedy()",
        ),
        *("banned(1)", "banned(9 tokens)", "logit_bias(2)", "repetition_penalty(1.5)", "no_repeat_ngram(3)"),
        *("top_p(1)", "typical(1)"),
    ]


def test_a_filter_that_looks_back_says_so_when_it_is_shown_nothing() -> None:
    with pytest.raises(
        ValueError, match=r"repetition_penalty\(1.5\) looks at the tokens so far, and none came"
    ):
        apply(FILTERS, logits())
