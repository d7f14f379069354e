"""Submissions that mean well and have accidents: right answers keep their points, wrong ones learn why."""

from __future__ import annotations

from pathlib import Path

import pytest
from grading.judge.handing_in import assert_deserved, graded
from grading.judge.submissions import IMPORTS, SETUP, UNLUCKY, WEIGHTS, Submission

from tinygpt.grading.checks import CHAPTERS
from tinygpt.grading.judge import grade_one


@pytest.mark.parametrize("submission", UNLUCKY, ids=lambda s: s.name)
def test_an_unlucky_submission_gets_what_it_deserves(submission, tmp_path, sandboxed):
    assert_deserved(submission, graded(tmp_path, submission, sandboxed))


@pytest.mark.parametrize("number", ["09", "10", "11", "12"])
def test_what_the_notebook_itself_gives_is_no_problem_of_the_student(number, tmp_path, sandboxed):
    """The hunts hand out an object of the grading, for which there is only a stand-in in the sandbox."""
    (path,) = (Path(__file__).parents[3] / "exercises").glob(f"{number}_*.ipynb")
    report = grade_one(path, CHAPTERS[path.stem], sandbox=sandboxed)
    assert report.earned == 0
    assert not [problem for problem in report.problems if "NotImplementedError" not in problem], (
        report.problems
    )


def test_an_answer_that_uses_a_wrong_one_says_where_to_look(tmp_path, sandboxed):
    late = "def causal_attention(q, k, v):\n    return attention_weights(q, k) @ v"
    for weights, said in ((WEIGHTS, False), ("def attention_weights(q, k):\n    return q @ k.mT", True)):
        report = graded(tmp_path, Submission("leans", (SETUP, IMPORTS, late, weights)), sandboxed)
        first = report.results[1].diagnosis.startswith("It uses `attention_weights`, which does not pass")
        assert first == said and not report.results[1].passed, report
