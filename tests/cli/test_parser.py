"""Options are taken by their full names, and a misspelt one gets a guess."""

from __future__ import annotations

from importlib import import_module

import pytest

from tinygpt.cli import main
from tinygpt.cli.main import COMMANDS


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["grade", "x", "--chapter", "03", "--privat", "y"], "Did you mean --private?"),
        (["grade", "x", "--chaptre", "03"], "Did you mean --chapter?"),
        (["grade", "x", "--chaptre=03"], "Did you mean --chapter?"),
        (["submit", "x.ipynb", "--nam", "Ada"], "Did you mean --name?"),
        (["reset", "rope", "--zzz"], "unrecognized arguments: --zzz\n"),
    ],
)
def test_a_misspelt_option_is_refused_with_the_nearest(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_takes_a_shortened_option(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        import_module(f"tinygpt.cli.{command}").run(["--hel"])
    assert capsys.readouterr().err
