"""What Binder does with `binder/`: the packages it installs and no others, a notebook, 2 GB of memory.

The environment is clean but not downloaded: the files of what `requirements.txt` pulls in, and of nothing
else, are linked from the environment that runs the tests. Left out is the index with torch's CPU build.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import threading
import venv
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path

import psutil
import pytest
import websocket
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from views import lab

from tinygpt.grading.sheet import code, parsed

ROOT = Path(__file__).resolve().parent.parent
BINDER = ROOT / "binder"
MEMORY = 2_000_000_000
LAB_EXTENSIONS = ("anywidget", "@jupyter-widgets/jupyterlab-manager", "jupyterlab-slideshow")
OPTIONAL = {"numba"}  # a chapter says what it leaves out without it
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Binder is Linux")


def requirements() -> list[Requirement]:
    lines = (BINDER / "requirements.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if line and line[0] not in "#-"]


def imported() -> set[str]:
    """The top-level modules that the notebooks import."""
    found = set()
    for path in [*ROOT.glob("course/*.ipynb"), *ROOT.glob("exercises/*.ipynb")]:
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                for node in ast.walk(ast.parse("".join(cell["source"]))):
                    names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                    names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                    found |= {name.split(".")[0] for name in names}
    return found


def test_binder_pins_what_the_outputs_were_made_with() -> None:
    text = (ROOT / "constraints.txt").read_text()
    pins = [Requirement(line) for line in text.splitlines() if line[:1].isalpha()]
    twelve = {"python_version": "3.12", "python_full_version": "3.12.0"}
    wanted = {p.name: str(p.specifier) for p in pins if p.marker is None or p.marker.evaluate(twelve)}
    assert (BINDER / "runtime.txt").read_text().strip() == "python-3.12"
    assert {r.name: str(r.specifier).removesuffix("+cpu") for r in requirements()}.items() <= wanted.items()
    assert "torch==2.13.0+cpu" in (BINDER / "requirements.txt").read_text()


def test_binder_installs_whatever_a_notebook_imports(environment: Path) -> None:
    foreign = imported() - sys.stdlib_module_names - OPTIONAL
    assert {"torch", "numpy", "tinygpt"} <= foreign
    text = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]; print('done')"
    assert python(environment, "-c", text, *foreign) == "done"


def test_its_environment_has_only_what_binder_would_have(environment: Path) -> None:
    text = "import importlib.util as u; print(u.find_spec('pytest'), u.find_spec('transformers'))"
    assert python(environment, "-c", text) == "None None"


def test_the_package_and_the_lab_extensions_are_there(environment: Path) -> None:
    assert python(environment, "-c", "import tinygpt; print(tinygpt.__file__)") == str(
        ROOT / "tinygpt/__init__.py"
    )
    found = environment / "share" / "jupyter" / "labextensions"
    assert [name for name in LAB_EXTENSIONS if not (found / name / "package.json").exists()] == []


def test_a_step_that_fails_stops_the_build(tmp_path: Path) -> None:
    (tmp_path / "pip").write_text("#!/bin/sh\nexit 7\n")
    (tmp_path / "pip").chmod(0o755)
    (tmp_path / "postBuild").write_text((BINDER / "postBuild").read_text() + "\necho built\n")
    found = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", str(tmp_path / "postBuild")], env=found, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (7, "")
    assert os.access(BINDER / "postBuild", os.X_OK)


@pytest.mark.slow
def test_a_chapter_trains_within_binders_memory(environment: Path, tmp_path: Path) -> None:
    """The server and its kernel together, from the server's start to the end of chapter 03's first training.

    The whole chapter, measured once in an environment that pip made from requirements.txt, takes 0.69 GB.
    """
    with lab.serve(tmp_path, str(environment / "bin" / "python"), "") as server, peak() as seen:
        cells = code(parsed((ROOT / "course" / "03_attention.ipynb").read_bytes(), "03"))
        training = next(number for number, cell in enumerate(cells, 1) if "tg.fit(" in cell)
        assert run(server, cells[:training]) == []
    print(f"Binder: peak of server and kernel {max(seen) / 1e9:.2f} GB in chapter 03 under ci")
    assert 200e6 < max(seen) < MEMORY


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A venv with the closure of requirements.txt, after postBuild has run in it."""
    folder = tmp_path_factory.mktemp("binder") / "venv"
    venv.create(folder, with_pip=True, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    link(closure(requirements()), site)
    tools = tmp_path_factory.mktemp("tools") / "lib" / "python" / "site-packages"
    link(closure([Requirement("hatchling"), Requirement("editables")]), tools)  # pip would download these
    # That pip setting is upside down: 0 means that nothing is isolated.
    settings = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PYTHONPATH": str(tools)}
    settings["PATH"] = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [str(BINDER / "postBuild")], cwd=ROOT, env={**os.environ, **settings}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def python(environment: Path, *arguments: str) -> str:
    clean = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    command = [str(environment / "bin" / "python"), *arguments]
    done = subprocess.run(command, env=clean, cwd=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def closure(wanted: list[Requirement]) -> list[metadata.Distribution]:
    """The distributions that pip would install for these, as they are installed here."""
    found: dict[str, metadata.Distribution] = {}
    waiting = list(wanted)
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        extras = ["", *requirement.extras]
        if name not in found:
            found[name] = metadata.distribution(name)
            needs = map(Requirement, found[name].requires or ())
            waiting += [
                n for n in needs if not n.marker or any(n.marker.evaluate({"extra": e}) for e in extras)
            ]
    return [*found.values()]


def link(distributions: list[metadata.Distribution], site: Path) -> None:
    """Links every file of these, of share/ and etc/ too, but no script: its first line names a Python."""
    for distribution in distributions:
        for file in distribution.files or ():
            target = Path(os.path.normpath(site / file))
            if target.parent != site.parents[2] / "bin" and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(distribution.locate_file(file))


@contextmanager
def peak() -> Iterator[list[int]]:
    """The resident bytes of all that this process has started, several times a second."""
    seen, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.2):
            with suppress(psutil.Error):
                seen.append(sum(p.memory_info().rss for p in psutil.Process().children(recursive=True)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def run(server: lab.Lab, cells: list[str]) -> list[str]:
    """Runs cells in a new kernel of a server, as a page does, and returns the errors."""
    kernel = server.call("kernels", "POST")["id"]
    address = f"{server.address.replace('http', 'ws', 1)}api/kernels/{kernel}/channels?token={server.token}"
    errors, channel = [], websocket.create_connection(address, timeout=600)
    for number, source in enumerate(["%env TINYGPT_BUDGET=ci", *cells]):
        head = {
            "msg_id": str(number),
            "msg_type": "execute_request",
            "session": "s",
            "username": "",
            "version": "5.3",
        }
        content = {"code": source, "silent": False, "stop_on_error": False}
        message = {
            "header": head,
            "parent_header": {},
            "metadata": {},
            "content": content,
            "channel": "shell",
        }
        channel.send(json.dumps(message))
        idle = False
        while not idle:
            if isinstance(raw := channel.recv(), bytes):  # what a view sends, with buffers
                continue
            reply = json.loads(raw)
            mine = reply["parent_header"].get("msg_id") == str(number)
            errors += reply["content"]["traceback"] if mine and reply["msg_type"] == "error" else []
            idle = mine and reply["content"].get("execution_state") == "idle"
    channel.close()
    return errors
