"""What every test relies on: one thread each, checked tensor shapes, and a Chromium or an honest report."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile

import chromium
import pytest

_not_run: dict[str, set[str]] = {}


def prepare() -> None:
    """Called below, and not by a hook: a folder's conftest.py may import tinygpt before any hook runs."""
    # Before torch is imported: pytest-xdist fills the cores, and more threads only wait for each other.
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    # What tests pass is nobody's progress, and a worker's own folder, since workers run beside each other.
    os.environ["TINYGPT_HOME"] = home = tempfile.mkdtemp(prefix="tinygpt-home-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    import shapes

    shapes.install()


prepare()


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The path of a Chromium. Without one: skip and say so at the end; in CI, fail."""
    path = chromium.find()
    if path is None and os.environ.get("CI"):
        pytest.fail(f"In CI the browser tests must run. No Chromium: {chromium.REMEDY}", pytrace=False)
    if path is None:
        pytest.skip(f"browser tests: no Chromium. {chromium.REMEDY}")
    return path


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and (kind := re.search(r"(browser|sandbox) tests: (.*)", str(report.longrepr))):
        _not_run.setdefault(kind[0].rstrip("')"), set()).add(report.nodeid)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for reason, tests in _not_run.items():
        kind, says = reason.split(": ", 1)
        terminalreporter.section(f"{kind} NOT RUN", red=True, bold=True)
        terminalreporter.line(f"{len(tests)} {kind} were not run: {says}")
