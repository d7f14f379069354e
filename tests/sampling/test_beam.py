"""Beam search: Hugging Face's sequences and scores, groups by definition, and a tree that adds up."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
import torch
from tiny_models import SHAPE, VARIANTS, scrambled

from tinygpt.models import GPT, GPTConfig, from_hf_gpt2
from tinygpt.sampling import (
    BeamNode,
    Beams,
    banned,
    beam_search,
    generate,
    greedy,
    no_repeat_ngram,
    repetition_penalty,
)
from tinygpt.sampling.pipeline import Filter

PROMPT = [5, 3, 8]


def pair(seed: int) -> tuple[GPT, Any]:
    """Ours and theirs, with weights so large that some tokens are likely."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(seed)
    config = transformers.GPT2Config(
        vocab_size=23, n_layer=2, n_head=2, n_embd=16, n_positions=32, bos_token_id=0, eos_token_id=None
    )
    theirs = transformers.GPT2LMHeadModel(config).eval()
    for parameter in theirs.parameters():
        parameter.data.add_(0.3 * torch.randn_like(parameter))
    return from_hf_gpt2(theirs), theirs


Found = tuple[list[list[int]], Any]  # sequences and scores


def reference(theirs: Any, stop: list[int], n: int, **options: Any) -> Found:
    """Their sequences, and scores that equal others within rounding."""
    ids = torch.tensor([PROMPT])
    out = theirs.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=n,
        do_sample=False,
        eos_token_id=stop or None,
        pad_token_id=22,
        output_scores=True,
        return_dict_in_generate=True,
        **options,
    )
    rows = []
    for row in out.sequences.tolist():
        new = row[len(PROMPT) :]
        ends = [i for i, token in enumerate(new) if token in stop]
        rows.append(PROMPT + (new[: ends[0] + 1] if ends else new))
    return rows, pytest.approx(out.sequences_scores.tolist(), abs=1e-4, rel=1e-4)


def own(found: Beams) -> Found:
    return [ids.tolist() for ids in found.sequences], found.scores


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("penalty", [0.0, 1.0, 2.0, -1.0])
@pytest.mark.parametrize("early", [True, False, "never"])
def test_sequences_and_scores_are_hugging_faces(seed: int, penalty: float, early: bool | str) -> None:
    ours, theirs = pair(seed)
    for n_beams, stop in ((2, []), (3, [2]), (4, [2, 7, 11])):
        options = {"length_penalty": penalty, "early_stopping": early}
        want = reference(theirs, stop, 12, num_beams=n_beams, num_return_sequences=n_beams, **options)
        options |= {"n_beams": n_beams, "n_returned": n_beams, "max_new_tokens": 12, "stop": stop}
        assert own(beam_search(ours, PROMPT, **options)) == want


def test_one_beam_is_greedy() -> None:
    model = scrambled(GPTConfig(**SHAPE))
    want = generate(model, PROMPT, max_new_tokens=10, filters=[greedy()])
    assert torch.equal(beam_search(model, PROMPT, n_beams=1, max_new_tokens=10).sequences[0], want)


@torch.no_grad()
def test_with_all_beams_it_finds_the_likeliest_text_of_all() -> None:
    for seed in range(5):
        model = scrambled(GPTConfig(**SHAPE), seed=seed)
        first = model(torch.tensor([PROMPT]))[0, -1].log_softmax(-1)
        second = model(torch.tensor([[*PROMPT, token] for token in range(31)]))[:, -1].log_softmax(-1)
        best = (first[:, None] + second).max().item()
        found = beam_search(model, PROMPT, n_beams=31, max_new_tokens=2, length_penalty=0.0)
        assert math.isclose(found.scores[0], best, abs_tol=1e-4)


@pytest.mark.parametrize(
    ("filters", "options"),
    [
        ([repetition_penalty(1.7)], {"repetition_penalty": 1.7}),
        ([no_repeat_ngram(2), banned([4])], {"no_repeat_ngram_size": 2, "suppress_tokens": [4]}),
    ],
)
def test_filters_work_on_log_probabilities_as_in_hugging_face(filters: list[Filter], options: dict) -> None:
    for seed in range(3):
        ours, theirs = pair(seed)
        want = reference(theirs, [2], 10, num_beams=3, num_return_sequences=3, **options)
        ours_say = {"n_beams": 3, "max_new_tokens": 10, "n_returned": 3, "filters": filters, "stop": [2]}
        assert own(beam_search(ours, PROMPT, **ours_say)) == want


def definition(
    model: GPT, *, n_groups: int, size: int, n: int, diversity: float, stop: set[int]
) -> list[tuple[float, list[int]]]:
    """Algorithm 1 of the paper on whole sequences, without a cache and with no end but the last step."""
    beams = [[(0.0, PROMPT)] for _ in range(n_groups)]
    ended: list[list[tuple[float, list[int]]]] = [[] for _ in range(n_groups)]
    for step in range(1, n + 1):
        taken: list[int] = []
        for g in range(n_groups):
            options = []
            for score, row in beams[g]:
                log_probs = model(torch.tensor([row]))[0, -1].log_softmax(-1).tolist()
                costs = [diversity * taken.count(token) for token in range(len(log_probs))]
                options += [
                    (score + p - cost, [*row, token])
                    for token, (p, cost) in enumerate(zip(log_probs, costs, strict=True))
                ]
            options = sorted(options, reverse=True)[: (1 + max(1, len(stop))) * size]
            for score, row in options[:size]:
                if row[-1] in stop or step == n:
                    ended[g].append((score / step, row))
            beams[g] = [one for one in options if one[1][-1] not in stop][:size]
            taken += [row[-1] for _, row in beams[g]]
            ended[g] = sorted(ended[g], reverse=True)[:size]
    return sorted((one for group in ended for one in group), reverse=True)


@pytest.mark.parametrize("stop", [set(), {2}, {1, 2, 3}])
@pytest.mark.parametrize("diversity", [0.0, 0.7, 20.0])
@torch.no_grad()
def test_groups_are_the_papers(diversity: float, stop: set[int]) -> None:
    model = scrambled(GPTConfig(**SHAPE))
    found = beam_search(
        model,
        PROMPT,
        n_beams=6,
        n_groups=3,
        diversity=diversity,
        max_new_tokens=5,
        n_returned=6,
        stop=stop,
        early_stopping="never",
    )
    want = definition(model, n_groups=3, size=2, n=5, diversity=diversity, stop=stop)
    torch.testing.assert_close(found.scores, [score for score, _ in want], atol=1e-4, rtol=1e-4)
    assert sorted(ids.tolist() for ids in found.sequences) == sorted(row for _, row in want)


def test_diversity_keeps_groups_apart() -> None:
    model = scrambled(GPTConfig(**SHAPE))
    options = {"n_beams": 4, "n_groups": 4, "max_new_tokens": 6, "n_returned": 4}
    alike = beam_search(model, PROMPT, diversity=0.0, **options).sequences
    apart = beam_search(model, PROMPT, diversity=100.0, **options).sequences
    assert len({tuple(ids.tolist()) for ids in alike}) == 1
    assert all(len({ids[i].item() for ids in apart}) == 4 for i in range(3, 9))


@pytest.mark.parametrize("config", VARIANTS, ids=str)
@torch.no_grad()
def test_the_tree_adds_up(config: GPTConfig) -> None:
    model = scrambled(config)
    found = beam_search(model, PROMPT, n_beams=3, max_new_tokens=6, n_returned=3, stop=[1])
    paths: list[list[int]] = []
    steps: list[list[BeamNode]] = [[] for _ in range(6)]
    for number, node in enumerate(found.tree):
        assert -1 <= node.parent < number
        parent = found.tree[node.parent] if node.parent >= 0 else None
        assert parent is None or parent.fate == "kept"
        before, score = (paths[node.parent], parent.score) if parent else (PROMPT, 0.0)
        log_prob = model(torch.tensor([before]))[0, -1].log_softmax(-1)[node.token].item()
        assert math.isclose(node.log_prob, log_prob, abs_tol=1e-4)
        assert math.isclose(node.score, score + log_prob, abs_tol=1e-3)
        paths.append([*before, node.token])
        steps[len(before) - len(PROMPT)].append(node)
    for nodes in steps:
        fates = Counter(node.fate for node in nodes)
        assert len(nodes) == 6 and fates["kept"] == (0 if nodes is steps[-1] else 3)
        worst = min(node.score for node in nodes if node.fate != "pruned")
        assert all(node.score <= worst for node in nodes if node.fate == "pruned" and node.token != 1)
    ends = {tuple(path) for node, path in zip(found.tree, paths, strict=True) if node.fate == "ended"}
    assert {tuple(ids.tolist()) for ids in found.sequences} <= ends


def test_filters_may_leave_fewer_than_all_beams() -> None:
    only = banned(set(range(31)) - {3})
    options = {"n_beams": 4, "max_new_tokens": 3, "n_returned": 4, "filters": [only]}
    found = beam_search(scrambled(GPTConfig(**SHAPE)), PROMPT, **options)
    assert [ids.tolist() for ids in found.sequences] == [[*PROMPT, 3, 3, 3]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompt": [[1], [2]]}, "takes one sequence; got a batch of 2"),
        ({"n_groups": 3}, "n_beams must be a multiple of n_groups.*got 4, 3"),
        ({"n_returned": 5}, "n_returned must be from 1 to n_beams=4; got 5"),
        ({"max_new_tokens": 20}, "need a context of 22; the model has 16"),
        ({"max_new_tokens": 0}, "max_new_tokens at least 1"),
    ],
)
def test_mistakes_are_explained(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        beam_search(GPT(GPTConfig(**SHAPE)), **({"prompt": PROMPT, "max_new_tokens": 3} | options))
