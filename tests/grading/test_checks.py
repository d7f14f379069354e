"""The exercises as data: right means right, and no listed mistake, alone or in pairs, is ever accepted."""

from __future__ import annotations

import pytest
import torch

from tinygpt.grading import EXERCISES, check
from tinygpt.grading.checks.faulty_cache import Reader
from tinygpt.grading.compare import same

each = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)


def inputs(exercise, seeds=range(5)):
    for i, case in enumerate(exercise.cases):
        for seed in seeds:
            for again in range(case.times):
                yield case.draw(torch.Generator().manual_seed(seed + i + len(exercise.cases) * again))


@each
def test_the_attempt_without_knobs_agrees_with_the_independent_reference(exercise):
    for args in inputs(exercise):
        expected = exercise.reference(*args)
        assert same(exercise.attempt(*args), expected, exercise.tolerance / 5), args


def equal(a, b) -> bool:
    """Whether two inputs are equal, tensors inside of lists included."""
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(equal, a, b))
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


@each
def test_inputs_are_a_function_of_the_seed(exercise):
    for case in exercise.cases:
        one, other = (case.draw(torch.Generator().manual_seed(7)) for _ in range(2))
        assert equal(one, other)


@each
def test_no_law_accuses_the_reference(exercise):
    for args in inputs(exercise):
        for law in exercise.laws:
            assert not law.broken(exercise.reference, args, exercise.reference(*args)), law.name


def answer_with(exercise, fault):
    if not exercise.arguments:
        return exercise.attempt(**fault.knobs)
    return lambda *args: exercise.attempt(*args, **fault.knobs)


@each
def test_every_mistake_is_refused_and_named(exercise):
    for fault in exercise.faults:
        for seed in range(3):
            result = check(exercise.name, answer_with(exercise, fault), seed=seed)
            assert not result.passed and result.mistake == fault.name
            assert result.diagnosis == fault.says or fault.name == "cannot see itself"


@each
def test_every_pair_of_mistakes_is_refused(exercise):
    for fault in exercise.mistakes():
        assert not all(gives_the_right_value(fault, exercise, args) for args in inputs(exercise, [0])), (
            fault.name
        )


def gives_the_right_value(fault, exercise, args):
    try:
        return same(exercise.attempt(*args, **fault.knobs), exercise.reference(*args), exercise.tolerance)
    except (RuntimeError, LookupError, ValueError, ArithmeticError):
        return False


@each
def test_the_texts_are_fit_to_print(exercise):
    assert exercise.points == sum(case.points for case in exercise.cases) > 0
    assert len({case.title for case in exercise.cases}) == len(exercise.cases)
    for fault in (*exercise.faults, *exercise.laws):
        assert fault.says[-1] in ".?" and (fault.says[0].isupper() or fault.says[0] == "`")
        assert fault.says.count("`") % 2 == 0


@pytest.mark.parametrize("tokens", [[[-1]], [[11]], [[0] * 59]])
def test_a_reader_says_what_it_can_read(tokens):
    reader = Reader()
    cache = reader.fresh()
    reader.read(cache, [[10, 0] * 3])
    with pytest.raises(ValueError, match="from 0 to 10, and at most 64 in a cache"):
        reader.read(cache, tokens)
    assert reader.read(cache, [[0] * 58]).shape == (1, 58, 11), "nothing of what was refused is in the cache"
