"""What every test relies on: one thread each, checked tensor shapes, and a Chromium or an honest report."""

from __future__ import annotations

import os

import chromium
import pytest

_not_run: set[str] = set()


def prepare() -> None:
    """Called below, and not by a hook: a folder's conftest.py may import tinygpt before any hook runs."""
    # Before torch is imported: pytest-xdist fills the cores, and more threads only wait for each other.
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
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
    if report.skipped and "browser tests:" in str(report.longrepr):
        _not_run.add(report.nodeid)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _not_run:
        terminalreporter.section("browser tests NOT RUN", red=True, bold=True)
        terminalreporter.line(f"{len(_not_run)} browser tests were not run: no Chromium. {chromium.REMEDY}")
