"""A JupyterLab server on a free port of this machine, for as long as a test needs it."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import nbformat
import pytest

Result = TypeVar("Result")
ROOT = Path(__file__).parents[2]
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def not_run(reason: str) -> NoReturn:
    """Skips, which the report names; where the tests must run (CI, TINYGPT_REQUIRE_BROWSER) fails."""
    if os.environ.get("CI") or os.environ.get("TINYGPT_REQUIRE_BROWSER"):
        pytest.fail(f"These tests must run here. {reason}", pytrace=False)
    pytest.skip(f"browser tests: {reason}")


def within(probe: Callable[[], Result], seconds: float = 60) -> Result | None:
    """Polls until `probe` returns something true, which it gives, or the time is up."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = probe()
        if found:
            return found
        time.sleep(0.05)
    return None


def wait_for(probe: Callable[[], Result], what: str, seconds: float = 60) -> Result:
    """Polls until `probe` returns something true, and raises when the time is up."""
    found = within(probe, seconds)
    if not found:
        raise TimeoutError(f"waited {seconds} s for {what}")
    return found


def notebook(path: Path, *sources: str) -> None:
    """Writes a notebook of code cells; without a kernelspec JupyterLab would ask for one."""
    cells = [nbformat.v4.new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(sources)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL}), path)


class Lab:
    """A running server: its files under `folder`, its REST interface, the address of a notebook."""

    def __init__(self, folder: Path, address: str, token: str) -> None:
        self.folder, self.address, self.token = folder, address, token

    def url(self, name: str) -> str:
        return f"{self.address}lab/tree/{name}?reset&token={self.token}"

    def call(self, path: str, method: str = "GET") -> Any:
        request = urllib.request.Request(self.address + "api/" + path, method=method)
        request.add_header("Authorization", f"token {self.token}")
        with urllib.request.urlopen(request, timeout=10) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def end_kernels(self) -> None:
        for session in self.call("sessions"):
            self.call(f"sessions/{session['id']}", "DELETE")


@contextmanager
def serve(folder: Path, python: str = sys.executable, path: str = str(ROOT)) -> Iterator[Lab]:
    """Runs JupyterLab on `folder` with settings, runtime files, a learner's progress and a token of its own.

    Args:
        folder: What the server shows, and where it keeps what is its own.
        python: The interpreter, and so the environment, of server and kernels.
        path: Their PYTHONPATH.
    """
    token = secrets.token_hex(16)
    places = {
        f"JUPYTER_{name}_DIR": str(folder / f".{name.lower()}") for name in ("CONFIG", "DATA", "RUNTIME")
    }
    places |= {"IPYTHONDIR": str(folder / ".ipython"), "TINYGPT_HOME": str(folder / ".tinygpt")}
    environment = os.environ | places | {"PYTHONPATH": path}
    options = [
        "--no-browser",
        "--ip=127.0.0.1",
        "--port=0",
        "--allow-root",
        f"--IdentityProvider.token={token}",
    ]
    command = [python, "-m", "jupyterlab", *options, f"--ServerApp.root_dir={folder}"]
    quiet = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    (folder / ".config" / "labconfig").mkdir(parents=True, exist_ok=True)
    (folder / ".config" / "labconfig" / "page_config.json").write_text(json.dumps(quiet))
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            yield Lab(folder, wait_for(lambda: _address(folder, server), "JupyterLab"), token)
        finally:
            server.terminate()
            server.wait(20)


def _address(folder: Path, server: subprocess.Popen[bytes]) -> str | None:
    if server.poll() is not None:
        raise RuntimeError((folder / "server.log").read_text()[-3000:])
    for file in (folder / ".runtime").glob("jpserver-*.json"):
        try:
            address = json.loads(file.read_text())["url"]
            urllib.request.urlopen(address + "api", timeout=2).close()
            return address
        except (OSError, ValueError):  # not written to its end, or not listening yet
            return None
    return None
