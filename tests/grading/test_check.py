"""The engine: what a check says about answers that break in every way an unfinished answer can."""

from __future__ import annotations

import itertools
import json

import pytest
import torch
from einops import rearrange

from tinygpt.grading import EXERCISES, Case, check, examine
from tinygpt.grading.check import SEED, _seed
from tinygpt.grading.checks import blaming, faulty_cache, sifting
from tinygpt.grading.checks.auditing import Lab, Pipeline
from tinygpt.grading.checks.claiming import Study
from tinygpt.grading.checks.diagnosis import Patient
from tinygpt.grading.checks.honesty import PriceList
from tinygpt.grading.checks.leak import Suspect
from tinygpt.grading.checks.lens import Reader
from tinygpt.grading.checks.looping import Loop
from tinygpt.grading.checks.redrawing import Statistic
from tinygpt.grading.checks.residual import Part
from tinygpt.grading.checks.shrinking import Failure
from tinygpt.grading.checks.templating import Encoder
from tinygpt.grading.checks.tracing import Specimen
from tinygpt.models import GPTConfig, taps


def right(q, k):
    return (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)


def attention(q, k, v):
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)


def test_a_right_answer_earns_all_points():
    result = check("attention_weights", right)
    assert result.passed and result.earned == result.possible == 5
    assert result.mistake == result.diagnosis == "" and result.picture is None
    assert repr(result).startswith("attention_weights: public checks passed (5 of 5), 5 of 5 points")


def test_a_partly_right_answer_keeps_its_points():
    def overflows(q, k):
        powers = (q @ k.mT / q.shape[-1] ** 0.5).exp()
        return powers / powers.sum(-1, keepdim=True)

    result = check("attention_weights", overflows)
    assert "public checks passed (4 of 5), 4 of 5 points" in repr(result)
    assert result.mistake == "overflow"


def test_an_unknown_exercise_names_the_nearest():
    with pytest.raises(ValueError, match=r"got 'causal_atention'. Did you mean 'causal_attention'"):
        check("causal_atention", right)


def crash(q, k):
    return q @ k


def unpack(q, k):
    B, T = q.shape
    return q.new_zeros(B, T)


def wrong_pattern(q, k):
    k = rearrange(k, "B T H K -> B H T K")
    return q @ k.mT


def undefined(q, k):
    return kweries @ k.mT  # noqa: F821


@pytest.mark.parametrize(
    ("answer", "parts"),
    [
        (
            crash,
            [
                "`return q @ k`",
                "RuntimeError",
                "last axis as long as",
                "q: a float32 tensor of shape (1, 2, 4)",
            ],
        ),
        (unpack, ["`B, T = q.shape`", "ValueError", "more axes than you unpack"]),
        (wrong_pattern, ['`k = rearrange(k, "B T H K -> B H T K")`', "EinopsError", "Name every axis"]),
        (undefined, ["NameError", "Has the cell that defines it run", "kweries"]),
    ],
)
def test_a_crash_is_explained_with_its_line(answer, parts):
    result = check("attention_weights", answer)
    assert result.mistake == "crash" and result.earned == 0
    for part in parts:
        assert part in result.diagnosis
    assert "Traceback" not in repr(result)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda q, k: None, "returned None"),
        (lambda q, k: right(q, k).tolist(), "Wanted a tensor (B T S), got list"),
        (lambda q, k: right(q, k).numpy(), "got ndarray"),
        (lambda q, k: right(q, k)[0], "Wanted shape (1, 2, 3), that is (B T S), got (2, 3)"),
        (lambda q, k: right(q, k).float(), "Wanted torch.float64, got torch.float32"),
    ],
)
def test_a_wrong_form_is_named(answer, says):
    result = check("attention_weights", answer)
    assert result.mistake == "wrong form"
    assert says in result.diagnosis


def test_nan_is_shown_where_it_is():
    def broken(q, k):
        weights = right(q, k)
        weights[..., 0, 1] = torch.nan
        return weights

    result = check("attention_weights", broken)
    assert "The entry at (0, 0, 1) is nan" in repr(result)


def test_inputs_are_copies():
    q = torch.ones(1, 2, 4)
    exercise, seen = EXERCISES["attention_weights"], []

    def call(*args):
        seen.append(args)
        return right(*args)

    case = Case("mine", lambda g: (q, torch.ones(1, 3, 4)))
    assert examine(exercise, call, [case], [0]).passed
    assert seen[0][0] is q
    result = check("attention_weights", lambda q, k: right(q.mul_(2), k / 2), hidden=[case])
    assert result.mistake == "changes its input" and "`q`" in result.diagnosis
    assert q.eq(1).all()


def test_a_call_in_place_of_the_function():
    result = check("attention_weights", torch.ones(2))
    assert "without parentheses" in result.diagnosis and result.earned == 0


def test_a_wrong_signature():
    result = check("attention_weights", lambda q: q)
    assert "attention_weights(q, k)" in result.diagnosis


def test_a_random_answer_is_caught():
    result = check("attention_weights", lambda q, k: torch.rand_like(q @ k.mT))
    assert result.mistake == "changes from call to call"


def test_an_answer_may_need_gradients():
    scale = torch.ones((), requires_grad=True)
    assert check("causal_attention", lambda q, k, v: attention(q * scale.to(q.dtype), k, v)).passed


def test_a_keyboard_interrupt_is_not_swallowed():
    def stopped(q, k):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check("attention_weights", stopped)


def test_two_mistakes_are_both_named():
    result = check("causal_attention", lambda q, k, v: (q @ k.mT).softmax(-1) @ v)
    assert result.mistake == "no mask + not scaled"
    assert "1. The future leaks" in result.diagnosis and "2. The scores are not divided" in result.diagnosis


def test_a_mistake_must_explain_the_right_values_too():
    def forgets_the_mask_for_heads(q, k, v):
        return attention(q, k, v) if q.ndim == 3 else (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) @ v

    assert check("causal_attention", forgets_the_mask_for_heads).mistake == "future leaks"


def test_an_unlisted_leak_is_found_by_a_law():
    def peeks(q, k, v):
        return attention(q, k, v) + 0.01 * v.mean(-2, keepdim=True)

    assert check("causal_attention", peeks).mistake == "future leaks"


def test_global_randomness_is_left_alone():
    state = torch.get_rng_state()
    check("multi_head_attention", lambda *args: args[0])
    assert torch.equal(torch.get_rng_state(), state)


def test_fresh_inputs_differ_and_seeded_ones_do_not():
    drawn = []

    def spy(q, k):
        drawn.append(q.clone())
        return right(q, k)

    check("attention_weights", spy)
    check("attention_weights", spy)
    first, second = drawn[:10], drawn[10:]
    assert all(torch.equal(a, b) for a, b in zip(first[::2], second[::2], strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first[1::2], second[1::2], strict=True))


def test_hidden_cases_replace_the_public_ones():
    case = Case("one", lambda g: (torch.ones(1, 1, 2), torch.ones(1, 1, 2)), points=3)
    result = check("attention_weights", right, hidden=[case])
    assert result.possible == 3 and "hidden checks passed (1 of 1)" in repr(result)


def test_a_value_is_checked_without_telling_it():
    result = check("culprit", "somebody")
    assert not result.passed and "'mix'" not in repr(result)
    assert "'mix'" not in repr(check("culprit", 3)) and check("culprit", "mix").passed


@pytest.mark.parametrize("word", ["Mix", " mix", "MIX\n"])
def test_capitals_and_blanks_around_a_word_do_not_count(word):
    assert check("culprit", word).passed
    assert not check("culprit", f"m {word}").passed
    assert check("culprit", " Targets ").mistake == "accused the targets"


def test_a_handled_short_sequence_is_not_blamed():
    def averages(pattern, period):
        T = pattern.shape[-1]
        times = [(b, p, torch.arange(p, T)) for b, p in enumerate(period.tolist()) if p < T]
        return torch.stack([pattern[b][:, t, t - p + 1].mean(1) for b, p, t in times]).mean(0)

    result = check("induction_score", averages)
    assert result.diagnosis.startswith("You averaged within each sequence first.")
    assert "p ≥ T" not in repr(result)


def test_a_case_may_be_asked_many_times():
    drawn = []

    def spy(low, high, code, cumulative):
        drawn.append((low, high, code))
        return 0, low, high

    check("arithmetic_decode", spy, seed=5)
    times = sum(case.times for case in EXERCISES["arithmetic_decode"].cases)
    assert len(drawn) >= 2 * times and len({*drawn}) > times


def test_a_text_is_compared_letter_by_letter():
    exercise = EXERCISES["decode_ids"]
    assert check("decode_ids", exercise.reference).passed
    assert not check("decode_ids", lambda ids, table: exercise.reference(ids, table).upper()).passed
    assert not check("decode_ids", lambda ids, table: exercise.reference(ids, table) + " ").passed


@pytest.mark.parametrize("kind", [tuple, torch.tensor, lambda ids: torch.tensor(ids).numpy()])
def test_an_array_of_ids_is_as_good_as_a_list(kind):
    exercise = EXERCISES["encode_with_ranks"]
    assert check("encode_with_ranks", lambda data, ranks: kind(exercise.reference(data, ranks))).passed


def test_a_list_that_is_changed_inside_is_a_changed_input():
    def joins_in_place(words, counts, new):
        answer = EXERCISES["bpe_step"].reference(words, counts, new)
        words[0][:] = answer[1][0]
        return answer

    result = check("bpe_step", joins_in_place)
    assert result.mistake == "changes its input" and "`words`" in result.diagnosis


def weights_changed(model):
    with torch.no_grad():
        model.embed.weight.mul_(1.01)


@pytest.mark.parametrize(
    "disturb",
    [
        lambda model: taps(model)["embedded"].watchers.append(lambda x: x),
        lambda model: model.blocks[0].register_forward_hook(lambda *given: None),
        weights_changed,
    ],
)
def test_a_model_must_be_left_as_it_was(disturb):
    reference = EXERCISES["patch_effect"].reference

    def disturbs(model, *rest):
        answer = reference(model, *rest)
        disturb(model)
        return answer

    result = check("patch_effect", disturbs)
    assert result.mistake == "changes its input" and "leaves `model` other than it was" in result.diagnosis
    assert check("patch_effect", lambda model, *rest: reference(model.eval(), *rest)).passed


def test_a_random_plain_answer_is_caught():
    values = iter(range(10**6))
    result = check("bits_per_byte", lambda losses, texts: float(next(values)))
    assert result.mistake == "changes from call to call"


def test_a_law_that_cannot_be_asked_says_nothing():
    result = check("arithmetic_decode", lambda low, high, code, cumulative: (99, code, code))
    assert result.mistake == "wrong values" and not result.passed


def test_a_generator_is_no_list():
    result = check("pre_tokenize", lambda text: (piece for piece in [text]))
    assert result.mistake == "wrong form" and "list(...)" in result.diagnosis


def named(kind):
    """Two exercises may call different things by one name."""
    return f"{kind.__module__}.{kind.__name__}"


KINDS = (Suspect, PriceList, Failure, Part, Reader, Patient, Loop, Encoder, Specimen, blaming.Suspect)
KINDS += (Statistic, Lab, Pipeline, Study, GPTConfig, faulty_cache.Reader, sifting.Sampler)
SUSPECTS = {named(kind): kind for kind in KINDS}


def pack(value):
    """A value as JSON can hold it, which knows neither tensors nor tuples, bytes and keys but texts."""
    if isinstance(value, torch.Tensor):
        shape = list(value.shape)
        return {"tensor": [str(value.dtype)[6:], shape, value.flatten().tolist()]}
    if isinstance(value, tuple(SUSPECTS.values())):
        return {named(type(value)): [pack(part) for part in getattr(value, "plain", vars(value).values())]}
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, dict):
        return {"dict": [pack(item) for item in value.items()]}
    if isinstance(value, (list, tuple)):
        return {type(value).__name__: [pack(entry) for entry in value]}
    return value


def unpack_value(packed):
    if not isinstance(packed, dict):
        return packed
    ((kind, content),) = packed.items()
    if kind == "tensor":
        dtype, shape, data = content
        return torch.tensor(data, dtype=getattr(torch, dtype)).reshape(shape)
    if kind == "bytes":
        return bytes.fromhex(content)
    if kind in SUSPECTS:
        return SUSPECTS[kind](*map(unpack_value, content))
    return {"list": list, "tuple": tuple, "dict": dict}[kind](map(unpack_value, content))


@pytest.mark.parametrize("name", sorted(EXERCISES))
def test_a_judge_can_send_everything_through_a_pipe(name):
    """Inputs and answers survive JSON: `examine` needs no function of the student's."""
    exercise = EXERCISES[name]

    def remote(*args):
        sent = json.loads(json.dumps([pack(arg) for arg in args]))
        answer = exercise.attempt(*map(unpack_value, sent))
        return unpack_value(json.loads(json.dumps(pack(answer))))

    assert examine(exercise, remote, exercise.cases, [3, 4]).passed


@pytest.mark.parametrize(
    "answer",
    [
        lambda q, k: right(q, k).to_sparse(),
        lambda q, k: right(q, k).to_sparse() * 2,
        lambda q, k: right(q, k).to("meta"),
        lambda q, k: right(q, k) + 1j,
        lambda q, k: right(q, k).bool(),
        lambda q, k: torch.empty(0),
        lambda q, k: torch.tensor(1.0),
        lambda q, k: "weights",
        lambda q, k: (right(q, k), 1),
        lambda *args, **options: {},
        max,
        print,
        type,
        torch.nn.Linear(4, 3),
    ],
)
def test_no_answer_makes_a_check_raise(answer):
    result = check("attention_weights", answer)
    assert repr(result) and result._repr_html_()
    assert result.passed or result.diagnosis


def test_an_answer_that_is_the_same_for_every_question_earns_nothing():
    """Some questions of `verdict` and `pass_at_k` are right for whoever says the same to all of them."""
    for name, answer in (("verdict", lambda *args: 0.0), ("pass_at_k", lambda *args: 1.0)):
        result = check(name, answer)
        assert result.earned == 0 and not result.passed
        assert any("always the same" in outcome.finding for outcome in result.outcomes)


def test_a_guess_among_the_same_answers_makes_them_no_better():
    """Nor does one that lies within the tolerance of all that it is right for."""
    count = itertools.count()
    assert check("verdict", lambda *args: 0.0 if next(count) else 3.0).earned == 0
    assert check("pass_at_k", lambda *args: 1.0 - 1e-9 * next(count)).earned == 0


def test_a_crash_elsewhere_makes_no_right_answer_a_constant_one():
    def only_two_axes(q, k):
        assert q.shape == (1, 2, 4)
        return right(q, k)

    assert 0 < check("attention_weights", only_two_axes).earned < 5


def test_fresh_inputs_of_one_question_tell_nothing_of_another():
    """PyTorch draws from 32 bits of a seed, which can be found by trying. They must be related to nothing."""
    seeds = {turn: _seed(12345, f"rope public {turn} 0", turn) for turn in range(100)}
    low = [seed & 0xFFFFFFFF for seed in seeds.values()]
    assert len(set(low)) == 100 and len({b - a for a, b in itertools.pairwise(low)}) == 99
    assert [seed >> 32 for seed in seeds.values()] == [12345 + turn for turn in seeds]
    assert _seed(SEED, "rope public 3 0", 3) & 0xFFFFFFFF == 3
