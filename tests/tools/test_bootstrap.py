from __future__ import annotations

import os
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import apt
import bootstrap
import chromium
import pytest

ROOT = Path(__file__).resolve().parents[2]


def nothing(*_: object, **__: object) -> None:
    return None


def test_an_old_python_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 6))
    monkeypatch.setattr(bootstrap.shutil, "which", nothing)
    with pytest.raises(bootstrap.Stop, match=r"(?s)Python 3.10 to 3.13 is needed.*PYTHON=python3.12") as stop:
        bootstrap.find_python()
    assert "python.org/downloads" in str(stop.value)


def test_an_old_python_finds_a_newer_one_that_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 6))
    shim = tmp_path / "python3.13"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    there = {"python3.13": str(shim), "python3.12": sys.executable}
    monkeypatch.setattr(bootstrap.shutil, "which", there.get)
    assert bootstrap.find_python() == sys.executable


def test_a_full_disk_stops_before_anything_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")(10**12, 10**12, 10**9)
    monkeypatch.setattr(bootstrap.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(bootstrap.Stop, match=r"needs 4 GB .* has 1\.0 GB"):
        bootstrap.check_disk(4)


@pytest.mark.skipif(os.name == "nt", reason="a shell script stands in for Python")
def test_a_python_without_venv_is_told_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    python = tmp_path / "python3"
    python.write_text("#!/bin/sh\necho No module named venv >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / "venv")
    with pytest.raises(bootstrap.Stop, match=r"(?s)No module named venv.*apt install python3-venv"):
        bootstrap.create_venv(str(python))
    assert not (tmp_path / "venv").exists()


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What `install` would do, with an environment that exists; the folder is `tmp_path`."""
    done: list[str] = []
    python = tmp_path / "python"
    python.touch()
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_text("torch==2.13.0\n")
    for name, value in {"ROOT": tmp_path, "VENV": tmp_path, "PYTHON": python}.items():
        monkeypatch.setattr(bootstrap, name, value)
    monkeypatch.setattr(bootstrap, "install_cpu_torch", nothing)
    monkeypatch.setattr(bootstrap, "pip", lambda *arguments: done.append(arguments[2]))
    monkeypatch.delenv("CONSTRAINTS", raising=False)
    return done


def test_a_second_call_installs_only_what_changed(installed: list[str], tmp_path: Path) -> None:
    bootstrap.install("course")
    bootstrap.install("course")
    assert installed == [f"{tmp_path}[course]"]
    bootstrap.install("test")
    bootstrap.install("course")  # the tests' environment holds the course's
    assert installed == [f"{tmp_path}[course]", f"{tmp_path}[test]"]
    (tmp_path / "constraints.txt").write_text("torch==2.14.0\n")
    bootstrap.install("test")
    assert installed[2:] == [f"{tmp_path}[test]"]


def test_a_failed_install_is_not_taken_for_done(
    installed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise bootstrap.Stop("no network")

    with monkeypatch.context() as broken, pytest.raises(bootstrap.Stop):
        broken.setattr(bootstrap, "pip", fails)
        bootstrap.install("course")
    bootstrap.install("course")
    assert installed == [f"{tmp_path}[course]"]


@pytest.fixture
def no_chromium(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A machine where no Chromium is found and none can be installed; collects the commands."""
    commands: list[list[str]] = []
    monkeypatch.setattr(apt, "succeeds", lambda command: commands.append(command))
    monkeypatch.setattr(bootstrap, "run", lambda command, environment=None: commands.append(command) or 0)
    return commands


def test_without_chromium_the_tests_still_run_and_say_so(
    no_chromium: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CI", raising=False)
    assert bootstrap.test([]) == 0
    assert "reported as not run" in capsys.readouterr().out
    assert "pytest" in no_chromium[-1]


def test_without_chromium_ci_fails(no_chromium: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(bootstrap.Stop, match="In CI the browser tests must run"):
        bootstrap.test([])


@pytest.mark.parametrize(
    ("user", "have", "first"),
    [
        (0, {"apt-get"}, ["apt-get", "update"]),
        (1000, {"apt-get", "sudo"}, ["sudo", "-n", "apt-get", "update"]),
        (1000, {"apt-get"}, ["python", "-m", "playwright", "install", "chromium"]),
        (1000, set(), ["python", "-m", "playwright", "install", "chromium"]),
    ],
    ids=["root", "sudo", "no sudo", "no apt"],
)
def test_chromium_is_installed_the_way_that_fits(
    user: int, have: set[str], first: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apt.os, "geteuid", lambda: user, raising=False)
    monkeypatch.setattr(apt.shutil, "which", lambda name: name if name in have else None)
    assert chromium.ways(Path("python"))[0][0] == first


def test_a_chromium_named_in_the_environment_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TINYGPT_CHROMIUM", str(tmp_path / "absent"))
    assert chromium.find() is None
    (tmp_path / "absent").touch()
    assert chromium.find() == str(tmp_path / "absent")


def test_browser_tests_without_chromium_are_reported_and_fail_in_ci(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (tmp_path / "test_view.py").write_text("def test_view(chromium_path): pass\n")
    path = os.pathsep.join([str(ROOT / "tools"), str(ROOT / "tests")])
    absent = {"TINYGPT_CHROMIUM": str(tmp_path / "absent"), "PYTHONPATH": path}
    for ci, expected in (("", "1 skipped"), ("true", "1 error")):
        env = {**os.environ, **absent, "CI": ci}
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=tmp_path)
        assert expected in done.stdout
        assert ("browser tests NOT RUN" in done.stdout) == (ci == "")
