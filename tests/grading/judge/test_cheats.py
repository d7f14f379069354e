"""Answers that are not found but taken: from the order of the questions, or from the judge's own objects."""

from __future__ import annotations

import torch
from grading.judge.handing_in import handed_in

from tinygpt.grading import EXERCISES, examine
from tinygpt.grading.judge import grade_one
from tinygpt.grading.judge.inside.wire import Writer
from tinygpt.grading.judge.remote import _own
from tinygpt.grading.protect import protected
from tinygpt.models import GPT, GPTConfig

OFFERED = {  # what exercises say that can be asked
    "claiming.Study": {"ability", "best_rate", "loss", "steps"},
    "faulty_cache.Reader": {"fresh", "read", "rewind", "select"},
}


def test_counting_the_calls_tells_nothing():
    exercise = EXERCISES["loop_faults"]
    known = [exercise.reference(*case.draw(torch.Generator())) for case in exercise.cases for _ in range(2)]

    def earned(mixed: bool) -> int:
        answers = iter([*known, *known])
        return examine(exercise, lambda loop: next(answers), exercise.cases, (0, 1), mixed=mixed).earned

    assert earned(mixed=False) == exercise.points, "the answers themselves are right"
    assert earned(mixed=True) < 3


def test_the_objects_of_the_judge_offer_what_the_exercises_say_and_no_more():
    found: dict[str, set[str]] = {}

    def note(value, writer):
        kind = type(value)
        if not isinstance(value, (GPT, GPTConfig)) and (own := {n for n in dir(kind) if _own(kind, n)}):
            found[f"{kind.__module__.rpartition('.')[2]}.{kind.__qualname__}"] = own
        return {}

    for exercise in EXERCISES.values():
        for case in exercise.cases:
            for value in case.draw(torch.Generator().manual_seed(1)):
                Writer(note).put(value)
    assert found == OFFERED


def test_a_notebook_of_failing_cells_makes_no_endless_report(tmp_path, sandboxed):
    asked = [EXERCISES["vote"]]
    report = grade_one(handed_in(tmp_path, ["raise ValueError('vote' * 99)"] * 300), asked, sandbox=sandboxed)
    assert report.problems[-1] == "250 more cells failed." and len(report.problems) == 51
    assert len(report.results[0].diagnosis) < 60_000


def test_a_crash_does_not_tell_what_is_wrong_with_the_suspect():
    """The message names the inputs, and a suspect's fields are the answer."""
    for name in ("loop_faults", "sampler_faults", "reads", "credit", "block_faults"):
        exercise = EXERCISES[name]
        result = examine(exercise, protected(lambda *args: 1 / 0, exercise), exercise.cases, (0, 1))
        assert "The inputs were" in result.diagnosis
        assert not any(word in repr(result) for word in ("habit=", "form=", "mask=", "faults=")), result
