"""The command is found, and what goes wrong becomes an exit code and one line."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module

import pytest

from tinygpt.cli.main import COMMANDS, main


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch):
    """Makes `tinygpt train` raise what it is given."""

    def raises(error: BaseException) -> None:
        def run(argv: list[str]) -> int:
            raise error

        monkeypatch.setattr("tinygpt.cli.train.run", run)

    return raises


@pytest.mark.parametrize("argv", [[], ["--help"]])
def test_help_lists_the_commands(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    if argv:
        with pytest.raises(SystemExit) as exited:
            main(argv)
        assert exited.value.code == 0
    else:
        assert main(argv) == 2
    out = capsys.readouterr().out
    assert [name for name, what in COMMANDS.items() if f"{name:<8} {what}" not in out] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_runs_and_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(import_module(f"tinygpt.cli.{name}").run)
    with pytest.raises(SystemExit) as exited:
        main([name, "--help"])
    assert exited.value.code == 0
    assert f"usage: tinygpt {name}" in capsys.readouterr().out


def test_an_unknown_command_or_flag_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    for argv in (["trian"], ["train", "--stepz", "3"]):
        with pytest.raises(SystemExit) as exited:
            main(argv)
        assert exited.value.code == 2
    assert "invalid choice: 'trian'" in (err := capsys.readouterr().err)
    assert "unrecognized arguments: --stepz 3" in err


def test_a_reader_that_has_had_enough_is_no_error() -> None:
    """As `tinygpt progress | head` does: the pipe's other end is closed."""
    reading, writing = os.pipe()
    os.close(reading)
    run = [sys.executable, "-m", "tinygpt", "progress"]
    done = subprocess.run(run, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_commands_own_exit_code_is_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr("tinygpt.cli.train.run", lambda argv: seen.append(argv) or 130)
    assert main(["train", "--steps", "3"]) == 130
    assert seen == [["--steps", "3"]]


@pytest.mark.parametrize(
    "error", [ValueError("a b"), FileNotFoundError("a b"), ArithmeticError("a b")], ids=repr
)
def test_an_expected_error_is_one_line_and_exit_code_1(
    error: Exception, failing, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(error)
    assert main(["train"]) == 1
    assert capsys.readouterr().err == "tinygpt train: a b\n"


def test_ctrl_c_is_exit_code_130(failing) -> None:
    failing(KeyboardInterrupt())
    assert main(["train"]) == 130


def test_a_bug_is_not_hidden(failing) -> None:
    failing(KeyError("x"))
    with pytest.raises(KeyError):
        main(["train"])
