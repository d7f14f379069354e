"""Shortcuts are found under any name, and only in what an answer can reach."""

from __future__ import annotations

import ast
import importlib
import json
import re
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tinygpt.grading.checks import CHAPTERS, EXERCISES
from tinygpt.grading.judge.notebook import code_cells
from tinygpt.grading.judge.shortcuts import KNOWN, MORE, MOST_FLAGS, UNREAD, flags, leans_on, located

ROOT = Path(__file__).parents[3]
ASKED = [EXERCISES["causal_attention"]]
WHOLE = "scaled_dot_product_attention"
FUSED = f"torch.nn.functional.{WHOLE}"
ANSWER = "def causal_attention(q, k, v):\n    return {0}"


def cells(*short: str) -> list[str]:
    """Cells in which PyTorch's function has its full name."""
    return [
        cell.replace("'sd' + 'pa'", "'scaled_dot' + '_product_attention'").replace("sdpa", WHOLE)
        for cell in short
    ]


REACHED = {
    "alias of a module": ["from torch.nn import functional as G", ANSWER.format("G.sdpa(q, k, v)")],
    "imported inside": [
        "def causal_attention(q, k, v):\n    import torch.nn.functional as f\n    return f.sdpa(q, k, v)"
    ],
    "name of its own": ["from torch.nn.functional import sdpa as a", ANSWER.format("a(q, k, v)")],
    "star": ["from torch.nn.functional import *", ANSWER.format("sdpa(q, k, v)")],
    "variable": ["import torch", "f = torch.nn.functional\ng = f.sdpa", ANSWER.format("g(q, k, v)")],
    "alias from below": [ANSWER.format("g(q, k, v)"), "g = h.sdpa", "import torch.nn.functional as h"],
    "getattr": ["import torch", ANSWER.format("getattr(torch.nn.functional, 'sd' + 'pa')(q, k, v)")],
    "dictionary": ["import torch", ANSWER.format("vars(torch.nn.functional)['sdpa'](q, k, v)")],
    "__dict__": ["import torch", ANSWER.format("torch.nn.functional.__dict__['sdpa'](q, k, v)")],
    "sys.modules": ["import sys", ANSWER.format("sys.modules['torch'].nn.functional.sdpa(q, k, v)")],
    "import_module": [
        "import importlib",
        ANSWER.format("importlib.import_module('torch.nn.functional').sdpa(q, k, v)"),
    ],
    "__import__": [ANSWER.format("__import__('torch').nn.functional.sdpa(q, k, v)")],
    "another name of it": ["import torch", ANSWER.format("torch._C._nn.sdpa(q, k, v)")],
    "helper": [
        "import torch.nn.functional as F",
        "def help(*a):\n    return F.sdpa(*a)",
        ANSWER.format("help(q, k, v)"),
    ],
    "helper of a helper": [
        "import torch.nn.functional as F",
        ANSWER.format("one(q, k, v)"),
        "one = lambda *a: two(*a)",
        "def two(*a):\n    return F.sdpa(*a)",
    ],
    "class": [
        "import torch.nn.functional as F",
        "class A:\n    def __call__(self, *a):\n        return F.sdpa(*a)",
        "causal_attention = A()",
    ],
    "assigned": ["import torch", "causal_attention = torch.nn.functional.sdpa"],
    "imported under its name": ["from torch.nn.functional import sdpa as causal_attention"],
    "globals": ["import torch", "globals()['causal_attention'] = torch.nn.functional.sdpa"],
    "inside of if": [
        "import torch",
        "if True:\n    try:\n        causal_attention = torch.nn.functional.sdpa\n    finally:\n        pass",
    ],
    "loop": ["import torch.nn.functional as F", "for f in [F.sdpa]: pass", ANSWER.format("f(q, k, v)")],
    "with": [
        "import torch.nn.functional as F\nfrom contextlib import nullcontext",
        "with nullcontext(F.sdpa) as (f): pass",
        ANSWER.format("f(q, k, v)"),
    ],
    "match": [
        "import torch.nn.functional as F",
        "match F.sdpa:\n    case f: pass",
        ANSWER.format("f(q, k, v)"),
    ],
    "walrus": ["import torch.nn.functional as F", "print([f := F.sdpa])", ANSWER.format("f(q, k, v)")],
    "item": [
        "import torch.nn.functional as F",
        "d = {}\nd['one'], d['two'] = F.sdpa, 2",
        ANSWER.format("d['one'](q, k, v)"),
    ],
    "attribute": [
        "import torch.nn.functional as F",
        "class A: pass\nA.f = F.sdpa",
        ANSWER.format("A.f(q, k, v)"),
    ],
    "method": ["import torch.nn.functional as F", "d = []\nd.append(F.sdpa)", ANSWER.format("d[0](q, k, v)")],
    "code of a function": [
        "import torch.nn.functional as F",
        ANSWER.format("q"),
        "causal_attention.__code__ = (lambda q, k, v: F.sdpa(q, k, v)).__code__",
    ],
    "name of a function's own": [
        "def help():\n    global f\n    from torch.nn.functional import sdpa as f",
        "help()",
        ANSWER.format("f(q, k, v)"),
    ],
    "module that is changed": [
        "import torch.nn.functional as F\nimport sys",
        "setattr(sys, 'f', F.sdpa)",
        ANSWER.format("sys.f(q, k, v)"),
    ],
    "names that are changed": [
        "import torch.nn.functional as F",
        "globals().update(f=F.sdpa)",
        ANSWER.format("f(q, k, v)"),
    ],
    "below a magic, beside a question": [
        "%%time\nimport torch.nn.functional as F\n"
        "def causal_attention(q, k, v):\n    return F.sdpa(q, k, v)  # may I?"
    ],
    "below a magic": [
        "%%time\n!pip install x\nimport torch\nlist?\ncausal_attention = torch.nn.functional.sdpa"
    ],
}
NOT_REACHED = {
    "an argument of an alias's name": [
        "from torch.nn.functional import sdpa as norm",
        "def causal_attention(norm, k, v):\n    return norm(k)",
    ],
    "compared with it": [
        "import torch",
        ANSWER.format("q"),
        "assert torch.nn.functional.sdpa(q, k, v) == causal_attention(q, k, v)",
    ],
    "given code": [
        "import torch.nn.functional as F",
        "def baseline(q, k, v):\n    return F.sdpa(q, k, v)",
        ANSWER.format("q"),
    ],
    "an argument of the same name": [
        "def norm(*a):\n    return F.sdpa(*a)",
        "import torch.nn.functional as F",
        "def causal_attention(norm, k, v):\n    return norm(k)",
    ],
    "a local variable of the same name": [
        "def help(*a):\n    return F.sdpa(*a)",
        "import torch.nn.functional as F",
        "def causal_attention(q, k, v):\n    help = q\n    return help",
    ],
    "imported and left alone": [
        "from torch.nn.functional import sdpa, softmax",
        ANSWER.format("softmax(q, -1)"),
    ],
    "in a text": [ANSWER.format("'torch.nn.functional.sdpa'")],
    "another function of the module": ["import torch", ANSWER.format("torch.nn.functional.softmax(q, -1)")],
    "evaluation mode": [ANSWER.format("q.eval()")],
}


@pytest.mark.parametrize("short", REACHED.values(), ids=REACHED)
def test_a_shortcut_is_found(short: list[str]) -> None:
    written = cells(*short)
    found = flags(written, ASKED)
    assert {flag.uses for flag in found} == {FUSED}, found
    for flag in found:
        assert flag.exercise == "causal_attention"
        assert written[flag.cell - 1].splitlines()[flag.line - 1].strip() == flag.text


@pytest.mark.parametrize("short", NOT_REACHED.values(), ids=NOT_REACHED)
def test_what_the_answer_does_not_use_is_not_flagged(short: list[str]) -> None:
    assert flags(cells(*short), ASKED) == []


@pytest.mark.parametrize(
    "source, uses",
    [
        ("exec('x')", "builtins.exec"),
        ("eval('q')", "builtins.eval"),
        ("tg.grading.EXERCISES['causal_attention'].reference(q, k, v)", "tinygpt.grading"),
        ("torch._sdpa_math(q, k, v)[0]".replace("sdpa", WHOLE), f"torch._{WHOLE}_math"),
    ],
)
def test_the_references_and_what_nobody_should_call_are_shortcuts_everywhere(source: str, uses: str) -> None:
    assert {f.uses for f in flags(["import torch, tinygpt as tg", ANSWER.format(source)], ASKED)} == {uses}


def test_a_function_that_is_called_like_a_forbidden_method_is_found() -> None:
    asked = [EXERCISES["softmax_with_temperature"]]
    answer = "def softmax_with_temperature(logits, t):\n    return f(logits / t, -1)"
    for source in ("from torch import softmax as f", "from torch.special import softmax as f"):
        assert {flag.uses for flag in flags([source, answer], asked)} == {".softmax"}
    drawn = answer.replace("f(logits / t, -1)", "torch.distributions.Categorical(logits=logits / t).probs")
    assert {flag.uses for flag in flags(["import torch", drawn], asked)} == {"torch.distributions"}
    own = "def softmax(x, dim):\n    return x"
    assert not flags([own, answer.replace("f(", "softmax(")], asked)


@pytest.mark.parametrize("name", ["Block", "TransformerEncoderLayer"])
def test_what_holds_the_answer_is_a_shortcut_too(name: str) -> None:
    source = f"import torch, tinygpt\nfrom torch.nn import *\nfrom tinygpt.models import *\nmended = {name}"
    assert flags([source], [EXERCISES["mended"]])


def test_a_method_is_found_on_anything() -> None:
    source = "def softmax_with_temperature(x, t):\n    return (x / t).softmax(-1)"
    assert [f.uses for f in flags([source], [EXERCISES["softmax_with_temperature"]])] == [".softmax"]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_nothing_that_is_given_or_solved_is_flagged(chapter: str) -> None:
    sources = [
        "".join(cell["source"])
        for cell in json.loads((ROOT / "solutions" / f"{chapter}.ipynb").read_text("utf-8"))["cells"]
        if cell["cell_type"] == "code" and "bank" not in cell["metadata"].get("tags", [])
    ]
    assert any("### BEGIN SOLUTION" in cell for cell in sources)
    assert flags(sources, CHAPTERS[chapter]) == []
    assert flags(code_cells(ROOT / "exercises" / f"{chapter}.ipynb"), CHAPTERS[chapter]) == []


def test_right_answers_of_the_banks_that_call_the_package_are_flagged() -> None:
    missed = {name for chapter in CHAPTERS for name in _missed(chapter)}
    assert missed == set()


def _missed(chapter: str) -> list[str]:
    """Answers of a bank whose label says that they are the package's or the library's, and no flag does."""
    notebook = json.loads((ROOT / "solutions" / f"{chapter}.ipynb").read_text("utf-8"))
    sources = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    missed = []
    for source in sources:
        label = re.match(r"# right answer to (\w+): (the package|library|the library)", source)
        if label:
            last = ast.parse(source).body[-1]
            own = last.name if isinstance(last, ast.FunctionDef) else last.targets[0].id
            if not flags([*sources[:3], source, f"{label[1]} = {own}"], [EXERCISES[label[1]]]):
                missed.append(label[0])
    return missed


def test_every_shortcut_leads_somewhere() -> None:
    for module in ("tinygpt.scaling", "torch.nn.attention.flex_attention", "torch.utils.flop_counter"):
        importlib.import_module(module)
    located.cache_clear()
    own = [name for e in EXERCISES.values() for name in e.shortcuts if name.split(".")[0] in KNOWN]
    assert len(own) > 50 and [name for name in own if located(name) is None] == []


@pytest.mark.parametrize(
    "source",
    [
        "x = " + "(" * 5000 + ")" * 5000,
        "causal_attention = " + "-" * 20_000 + "1",
        "causal_attention = q" + ".a" * 20_000,
        "import torch as x\n" + "x = x.y\n" * 800 + ANSWER.format("x"),
        "causal_attention = " + "\0",
        "from . import causal_attention",
        "from . import *",
        "".join(f"def f{i}():\n    f{i + 1}()\n" for i in range(2000)) + "causal_attention = f0",
        'x = f"' + ("{a}" + "b" * 235) * 100_000 + '"',
        'x = f"' + "{a}" * 66_000 + '"',
        " " * 190_000 + "=",
        "?" * 190_000,
    ],
    ids=range(12),
)
def test_code_that_is_hard_to_read_costs_little(source: str) -> None:
    began = time.process_time()
    with suppress(RecursionError):
        flags([source, "%broken ("], ASKED)
    assert time.process_time() - began < 20


@pytest.mark.parametrize(
    "deep",
    [
        "causal_attention = q" + ".a" * 20_000,
        ANSWER.format("q") + "\n    getattr(q, " + "'a' + " * 1200 + "'b')",
        "x = getattr(q, " + "'a' + " * 1200 + "'b')",
        "x = 1\n" * 40_000,
    ],
    ids=["a cell", "an answer", "an alias", "a long cell"],
)
def test_code_that_cannot_be_searched_is_told_and_the_rest_is_searched(deep: str) -> None:
    found = flags([deep, *cells("import torch.nn.functional as F", ANSWER.format("F.sdpa(q, k, v)"))], ASKED)
    assert [(flag.cell, flag.uses) for flag in found if flag.uses == UNREAD] == [(1, UNREAD)]
    assert [(flag.cell, flag.uses) for flag in found if flag.uses != UNREAD] == [(3, FUSED)]


def test_a_flood_of_shortcuts_is_listed_in_part():
    flood = "\n    ".join(["F.sdpa(q, k, v)"] * 100)
    found = flags(cells("import torch.nn.functional as F", ANSWER.format(flood)), ASKED)
    assert len(found) == MOST_FLAGS + 1 and [flag.uses for flag in found[-2:]] == [FUSED, MORE]
    assert len(flags(["causal_attention = q" + ".a" * 20_000] * 100, ASKED)) == MOST_FLAGS + 1


def test_what_an_answer_leans_on():
    cells = ["def a(x):\n    return x", "half = lambda x: a(x) / 2", "def b(x):\n    return half(x)", "c = 3"]
    assert leans_on(cells, ["a", "b", "c", "d"]) == {"a": [], "b": ["a"], "c": [], "d": []}
