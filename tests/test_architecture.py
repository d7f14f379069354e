"""The package as a whole: the order of its layers, the cost of importing it, its public names."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import re
import subprocess
import sys
import typing
from pathlib import Path

import jaxtyping
import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "tinygpt"
LAYERS = ["runtime", "tokenizers", "data", "models", "sampling", "training", "interp"]
LAYERS += ["alignment", "lineage", "scaling", "views", "grading", "publish", "cli"]
MODULES = sorted(PACKAGE.rglob("*.py"))


# Layers


def layer_of(module: str) -> str | None:
    """The layer of a dotted module name; None for tinygpt itself and for other people's packages."""
    head, _, rest = module.partition(".")
    return rest.split(".")[0] if head == "tinygpt" and rest else None


def imported_modules(path: Path, root: Path = ROOT) -> set[str]:
    """Dotted names of all modules that a file imports, at any depth and under `if TYPE_CHECKING` too."""
    here = path.relative_to(root).with_suffix("").parts
    package = here[:-1]
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return names


def later_imports(path: Path, root: Path = ROOT) -> list[str]:
    """The imports of a file that reach into a later layer."""
    own = LAYERS.index(path.relative_to(root).parts[1])
    layers = {name: layer_of(name) for name in imported_modules(path, root)}
    return sorted(name for name, layer in layers.items() if layer in LAYERS and LAYERS.index(layer) > own)


@pytest.mark.parametrize(
    "path", [p for p in MODULES if p.parent != PACKAGE], ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_a_layer_imports_only_itself_and_earlier_ones(path: Path) -> None:
    assert path.relative_to(PACKAGE).parts[0] in LAYERS, f"{path} is in no layer of DESIGN: name it in LAYERS"
    assert later_imports(path) == []


@pytest.mark.parametrize(
    "line",
    [
        "import tinygpt.training.loop",
        "from tinygpt.training import fit",
        "from tinygpt import views",
        "from ..training.loop import fit",
        "from .. import training",
        "if False:\n    from tinygpt.training import fit",
        "def f():\n    import tinygpt.cli",
    ],
)
def test_the_layer_test_sees_every_way_to_import(line: str, tmp_path: Path) -> None:
    file = tmp_path / "tinygpt" / "models" / "gpt.py"
    file.parent.mkdir(parents=True)
    file.write_text(f"from tinygpt.data import x\nfrom ..runtime import y\n{line}\n")
    assert len(later_imports(file, tmp_path)) == 1


# Importing


def python(*arguments: str, path: Path = ROOT) -> str:
    """What a fresh interpreter prints that finds tinygpt in `path`."""
    env = {**os.environ, "PYTHONPATH": str(path)}
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=env, cwd=path)
    assert done.returncode == 0, done.stderr
    return done.stdout


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


CORE = [
    module_name(p)
    for p in MODULES
    if p.name != "__main__.py" and p.relative_to(PACKAGE).parts[0] not in ("views", "cli")
]


def test_importing_the_core_brings_no_plotting_and_no_jupyter() -> None:
    code = "import sys, importlib; [importlib.import_module(m) for m in sys.argv[1:]]; print(*sys.modules)"
    loaded = {name.split(".")[0] for name in python("-c", code, "tinygpt", *CORE).split()}
    heavy = {"matplotlib", "plotly", "IPython", "ipywidgets", "anywidget", "jupyter_client", "transformers"}
    assert loaded & (heavy | {"jaxtyping", "tokenizers", "tiktoken"}) == set()


PROBE = str(ROOT / "tests" / "import_probe.py")


def test_importing_opens_no_file_reads_no_environment_and_changes_no_state() -> None:
    assert python(PROBE, "tinygpt", *CORE).split() == []


@pytest.mark.parametrize(
    ("line", "report"),
    [
        ("import os; os.environ.get('HOME')", "environment HOME"),
        ("import os; os.getenv('HOME')", "environment HOME"),
        ("import pathlib; pathlib.Path(__file__).read_text()", "open "),
        ("import torch; torch.manual_seed(1)", "changed threads or random state"),
    ],
)
def test_the_probe_sees_what_an_import_must_not_do(line: str, report: str, tmp_path: Path) -> None:
    (tmp_path / "tinygpt.py").write_text(line)
    assert python(PROBE, "tinygpt", path=tmp_path).startswith(report)


def test_importing_tinygpt_costs_a_tenth_of_a_second_over_torch() -> None:
    """The public surface is lazy, so the names that every chapter uses are asked for as well."""
    code = """
import time, torch, numpy
start = time.process_time()
import tinygpt
tinygpt.GPT, tinygpt.fit, tinygpt.capture, tinygpt.Budget
print(time.process_time() - start)
"""
    python("-c", code)  # writes the bytecode that the timed runs read
    # The least of several runs: whatever else the machine does can only add.
    assert min(float(python("-c", code)) for _ in range(5)) < 0.1


# Public names


def public_objects() -> list[tuple[str, object]]:
    """Name and object for each public function and class of each layer, and for the classes' methods."""
    found = {}
    for layer in LAYERS:
        if not (PACKAGE / layer / "__init__.py").exists():
            continue
        module = importlib.import_module(f"tinygpt.{layer}")
        for name in getattr(module, "__all__", ()):
            thing = getattr(module, name)
            found[f"{layer}.{name}"] = thing
            if inspect.isclass(thing):
                members = {k: v for k, v in vars(thing).items() if not k.startswith("_")}
                found |= {f"{layer}.{name}.{k}": v for k, v in members.items() if inspect.isfunction(v)}
    return sorted(found.items())


def test_every_layer_lists_its_public_names() -> None:
    layers = [name for name in LAYERS if (PACKAGE / name).is_dir()]
    assert [
        name for name in layers if not hasattr(importlib.import_module(f"tinygpt.{name}"), "__all__")
    ] == []


def test_public_names_say_what_they_return() -> None:
    # nn.Module.forward is described by its class; PyTorch's readers look for it there.
    objects = [(name, thing) for name, thing in public_objects() if not name.endswith(".forward")]
    # A generic alias such as Callable[[Tensor], Tensor] is no class, though Python 3.10 takes it for one.
    objects = [(name, thing) for name, thing in objects if typing.get_origin(thing) is None]
    described = [name for name, thing in objects if inspect.isfunction(thing) or inspect.isclass(thing)]
    assert len(described) > 20
    assert [name for name, thing in objects if name in described and not inspect.getdoc(thing)] == []


def test_public_functions_are_annotated() -> None:
    functions = [(n, o) for n, o in public_objects() if inspect.isfunction(o)]
    missing = [
        f"{name}({parameter})"
        for name, function in functions
        for parameter in inspect.signature(function).parameters
        if parameter not in ("self", "cls") and parameter not in function.__annotations__
    ]
    assert missing == []


def test_a_wrong_shape_is_caught_while_tests_run() -> None:
    """A checker that found no names to check against would accept everything."""
    from tinygpt.models import GPT, GPTConfig

    model = GPT(GPTConfig(vocab_size=8, n_layers=1, n_heads=1, d_model=8, context=4))
    with pytest.raises(jaxtyping.TypeCheckError, match="tokens"):
        model(torch.zeros(1, 4))


# Text


def test_no_code_is_left_for_later() -> None:
    later = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")
    files = [
        p for folder in ("tinygpt", "tests", "tools", "benchmarks") for p in (ROOT / folder).rglob("*.py")
    ]
    assert [str(p) for p in files if later.search(p.read_text(encoding="utf-8"))] == []


def test_the_version_is_the_same_everywhere() -> None:
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    cited = re.search(r"^version: (.+)", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert version and cited and version[1] == cited[1] == importlib.import_module("tinygpt").__version__


def test_every_constraint_lies_in_the_range_that_pyproject_states() -> None:
    from packaging.requirements import Requirement

    text = (ROOT / "pyproject.toml").read_text()
    ranges = [Requirement(r) for r in re.findall(r'^    "([a-z][^"]*[<>=][^"]*)",', text, re.MULTILINE)]
    for file in ("constraints.txt", ".ci/colab.txt", ".ci/lowest.txt", "binder/requirements.txt"):
        lines = (ROOT / file).read_text().splitlines()
        pins = [Requirement(line) for line in lines if line[:1].isalpha()]
        versions = {(p.name, str(p.specifier).removeprefix("==")) for p in pins}
        outside = [(n, v) for r in ranges for n, v in versions if n == r.name and v not in r.specifier]
        assert (file, outside) == (file, [])
