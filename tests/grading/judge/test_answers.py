"""Answers of every kind through the pipe: functions, models, training runs; what they may ask back."""

from __future__ import annotations

import dataclasses
import inspect

import pytest
import test_exercises as bank
import torch
from grading.judge.handing_in import handed_in
from torch import nn

from tinygpt.grading import EXERCISES, Case, Exercise, examine
from tinygpt.grading.judge import Limits, grade_one
from tinygpt.grading.judge.guard import bounded
from tinygpt.grading.judge.remote import Lost, Remote, _own
from tinygpt.grading.protect import Trouble, protected


@pytest.fixture(scope="module")
def worker(sandboxed):
    worker = Remote(sandboxed, Limits(cpu=3000, cell=120))
    yield worker
    worker.close()


def double(width: int) -> nn.Module:
    layer = nn.Linear(width, width, bias=False)
    layer.weight = nn.Parameter(2.0 * torch.eye(width))
    return layer


layer = Exercise(
    name="doubling",
    arguments=("width",),
    returns="a module that doubles its input",
    reference=double,
    attempt=double,
    faults=(),
    cases=(
        Case("three wide", lambda dice: (3,)),
        Case("drawn", lambda dice: (int(torch.randint(4, 9, (), generator=dice)),)),
    ),
    measured=lambda module, width: module(torch.arange(float(width))),
)
LINE = """
import torch
from torch import nn
"""
DOUBLE = (
    LINE
    + """
def doubling(width):
    layer = nn.Linear(width, width, bias=False)
    layer.weight = nn.Parameter(FACTOR * torch.eye(width))
    return layer
"""
)


@pytest.mark.parametrize(
    ("factor", "passes", "says"), [("2.0", True, ""), ("3.0", False, "wanted 4.0000, got 6.0000")]
)
def test_a_model_is_judged_by_what_it_computes(factor, passes, says, tmp_path, sandboxed):
    report = grade_one(handed_in(tmp_path, [DOUBLE.replace("FACTOR", factor)]), [layer], sandbox=sandboxed)
    assert report.results[0].passed == passes and says in report.results[0].diagnosis, report


def test_the_weights_of_a_model_can_be_asked_for(worker):
    assert worker.run(DOUBLE.replace("FACTOR", "2.0"), "cell", ["doubling"]) == ""
    module = worker.answer(layer, 0)(3)
    assert module.state_dict()["weight"].tolist() == (2 * torch.eye(3)).tolist()
    assert repr(module) == "Linear(...)"
    with pytest.raises(Trouble, match="The model that came back raised RuntimeError"):
        module(torch.zeros(4))


def test_what_is_no_model_says_what_was_wanted(tmp_path, sandboxed):
    answer = "def doubling(width):\n    return [width]"
    (result,) = grade_one(handed_in(tmp_path, [answer]), [layer], sandbox=sandboxed).results
    assert result.mistake == "wrong form" and "Wanted a module that doubles its input" in result.diagnosis
    assert (
        examine(layer, protected(lambda width: [width], layer), layer.cases, (0, 1)).mistake == "wrong form"
    )


def rows(dice: torch.Generator) -> tuple:
    """Points of a line through noise, to be fitted."""
    x = torch.randn(64, 1, generator=dice)
    return x, 3 * x - 1 + 0.1 * torch.randn(64, 1, generator=dice)


def fitted(x, y, steps=300, rate=0.1):
    model, losses = nn.Linear(1, 1), []
    for _ in range(steps):
        loss = (model(x) - y).square().mean()
        model.zero_grad()
        loss.backward()
        with torch.no_grad():
            for weight in model.parameters():
                weight -= rate * weight.grad
        losses.append(loss.item())
    return losses, model


def learnt(run, x, y) -> list[bool]:
    """Whether the curve falls to the noise, and whether the model is right on points it has not seen."""
    losses, model = run
    unseen = torch.linspace(-2, 2, 9)[:, None]
    error = (model(unseen) - (3 * unseen - 1)).square().mean().item()
    return [len(losses) >= 100 and losses[-1] < 0.1 * losses[0], error < 0.05]


training = Exercise(
    name="fitted",
    arguments=("x", "y"),
    returns="a list of losses and a model",
    reference=fitted,
    attempt=fitted,
    faults=(),
    cases=(Case("a line through noise", rows, points=2),),
    measured=learnt,
)
SOURCE = "import torch\nfrom torch import nn\n\n" + inspect.getsource(fitted)


def test_a_training_run_is_judged_by_its_curve_and_on_points_it_has_not_seen(tmp_path, sandboxed):
    """Two runs from two initialisations are both right, though no number of theirs is equal."""
    right = grade_one(handed_in(tmp_path, [SOURCE]), [training], sandbox=sandboxed)
    assert right.earned == 2, right
    short = grade_one(handed_in(tmp_path, [SOURCE.replace("300", "3")]), [training], sandbox=sandboxed)
    assert short.earned == 0 and short.results[0].mistake == "wrong values", short
    invented = (
        "import torch\ndef fitted(x, y):\n    return [0.5 ** i for i in range(100)], torch.nn.Linear(1, 1)"
    )
    forged = grade_one(handed_in(tmp_path, [invented]), [training], sandbox=sandboxed)
    assert forged.earned == 0, "a curve alone, without a model that has learnt, earns nothing"


# What may be asked of the judge


class Meter:
    """An object of the judge's, as the exercises that hunt for a fault have them."""

    def __init__(self):
        self.secret = 7

    def __call__(self, x):
        return x * 2

    def read(self, n):
        return [0.0] * n

    def _hidden(self):
        return self.secret


def asked(worker, code):
    """The value of `answer(meter)` with that body."""
    exercise = dataclasses.replace(layer, name="answer", arguments=("meter",))
    worker.run(f"def answer(meter):\n    {code}", "cell", ["answer"])
    which = len(worker.found(exercise)) - 1
    return worker.answer(exercise, which)(Meter())


def test_an_object_of_the_judge_answers_and_tells_nothing_else(worker):
    assert asked(worker, "return meter(21)") == 42
    assert asked(worker, "return meter.read(3)") == [0.0, 0.0, 0.0]
    for name in ("secret", "_hidden"):
        with pytest.raises(Trouble, match="has no"):
            asked(worker, f"return meter.{name}()")
    forged = "return meter._ask({'ask': meter._number, 'method': %r}, ((), {}))"
    for name in ("secret", "_hidden", "__init__", "__reduce__", "__dict__"):
        with pytest.raises(Trouble, match="that you could use"):
            asked(worker, forged % name)


def test_a_message_does_not_tell_what_an_object_keeps_to_itself(tmp_path, sandboxed):
    source = """
def mended_points(lab, shapes, tokens):
    try:
        lab(shapes[0], 0, lab, "new")
    except ValueError as error:
        raise KeyError(str(error))
"""
    path, asked = handed_in(tmp_path, [source]), [EXERCISES["mended_points"]]
    (result,) = grade_one(path, asked, sandbox=sandboxed).results
    assert "one of the objects it was given" in result.diagnosis and "alpha" not in result.diagnosis
    told = source.replace("0, lab", "0, 7")
    (result,) = grade_one(handed_in(tmp_path, [told]), asked, sandbox=sandboxed).results
    assert "a run of 7 tokens" in result.diagnosis


COUNTS = """
import torch
order, turn = [], iter(range(1000))
def first(x):
    order.append(len(x))
    return x
def second(x):
    return torch.tensor([float(order[next(turn)])])
"""


def test_the_order_of_one_exercise_tells_nothing_of_another(tmp_path, sandboxed):
    """Two with equally many questions; the first hands on which case came when, the second goes by that."""

    def case(n):
        return Case(str(n), lambda dice: (torch.randn(n, generator=dice),))

    def exercise(name, reference):
        cases = tuple(case(n) for n in range(1, 13))
        return dataclasses.replace(
            layer, name=name, arguments=("x",), reference=reference, cases=cases, measured=None
        )

    asked = [exercise("first", torch.clone), exercise("second", lambda x: torch.tensor([float(len(x))]))]
    first, second = grade_one(handed_in(tmp_path, [COUNTS]), asked, sandbox=sandboxed, seed=5).results
    assert first.passed and second.earned < 6


def test_only_what_our_own_classes_define_can_be_asked():
    class Model(nn.Linear):
        def matrix(self):
            return self.weight

    assert _own(Model, "matrix") and not _own(Model, "load_state_dict") and not _own(Model, "apply")
    assert not _own(list, "append") and not _own(dict, "update")


@pytest.mark.parametrize("call", ["meter.read(10**10)", "meter.read(-1) and meter([0] * 10**7)"])
def test_a_question_that_costs_the_judge_too_much_is_refused(call, tmp_path, sandboxed):
    exercise = dataclasses.replace(
        layer,
        name="answer",
        arguments=("meter",),
        reference=lambda meter: [0.0],
        cases=(Case("a meter", lambda dice: (Meter(),)),),
        measured=None,
    )
    source = f"def answer(meter):\n    {call}\n    return [0.0]"
    (result,) = grade_one(handed_in(tmp_path, [source]), [exercise], sandbox=sandboxed).results
    assert result.passed == ("-1" in call), result


def test_the_watch_begins_when_nothing_is_left_of_the_judges_memory():
    with bounded(60, 1):
        worker = Remote("none", Limits(cell=1))
        try:
            assert worker.run("x = 1", "cell 1", []) == ""
            with pytest.raises(Lost, match="did not come to an end"):
                worker.run("while True: pass", "cell 2", [])
        finally:
            worker.close()


def test_what_holds_the_judge_up_ends_with_the_time_of_the_submission(tmp_path, sandboxed):
    class Tarpit(Meter):
        def read(self, n):
            while True:
                try:
                    sum(range(n))
                except Exception:
                    continue

    tarpit = dataclasses.replace(
        layer,
        name="answer",
        arguments=("meter",),
        reference=lambda meter: 0,
        cases=(Case("a tarpit", lambda dice: (Tarpit(),)),),
        measured=None,
    )
    path = handed_in(tmp_path, ["def answer(meter):\n    return meter.read(1000)"])
    report = grade_one(path, [tarpit, tarpit], sandbox=sandboxed, limits=Limits(total=8))
    assert [result.mistake for result in report.results] == ["too slow", "too slow"]
    assert report.seconds < 15


def test_a_judge_that_fails_on_an_answer_says_so_and_goes_on(tmp_path, sandboxed):
    def broken(width):
        raise RuntimeError("no idea")

    path = handed_in(tmp_path, [DOUBLE.replace("FACTOR", "2.0")])
    report = grade_one(path, [dataclasses.replace(layer, reference=broken), layer], sandbox=sandboxed)
    assert [result.mistake for result in report.results] == ["not judged", ""]
    assert "(RuntimeError: no idea): no points, but please look at this answer yourself" in report.problems[0]


# The banks of all chapters


def sources(path):
    """The cells of a solutions notebook that a judge runs, each answer of the bank under its own name."""
    for cell in bank.cells(path):
        source = cell["source"]
        if bank.is_bank(cell):
            yield cell["id"], f"{source}\n{key(cell['id'])} = {bank.last_name(source)}"
        elif cell["id"] == "imports" or "### BEGIN SOLUTION" in source:
            yield cell["id"], f"import tinygpt as tg\n{source}"


def key(cell: str) -> str:
    return "bank_" + cell.replace("-", "_")


def sample(path):
    """Of each exercise the first right answer and the first three wrong ones."""
    seen = {}
    for answer in bank.banked(path):
        kind = (answer.exercise, answer.kind)
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] <= (3 if answer.kind == "wrong" else 1) and answer.kind != "tuned":
            yield answer


@bank.each_notebook
def test_the_judge_says_what_the_check_in_the_notebook_says(path, sandboxed):
    """The same diagnosis for the answers of the bank, though they run elsewhere."""
    worker = Remote(sandboxed, Limits(cpu=3000, cell=120))
    try:
        answers = list(sample(path))
        wanted = {answer.cell: key(answer.cell) for answer in answers}
        for cell, source in sources(path):
            worker.run(source, cell, [wanted[cell]] if cell in wanted else [])
        for answer in answers:
            exercise = EXERCISES[answer.exercise]
            named = dataclasses.replace(exercise, name=wanted[answer.cell])
            try:
                mistake = examine(named, worker.answer(named, 0), exercise.cases, (0, 1)).mistake
            except Trouble as trouble:
                mistake = trouble.name
            assert mistake == ("" if answer.kind == "right" else answer.label), str(answer)
    finally:
        worker.close()
