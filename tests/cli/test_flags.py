"""Flags are the fields of the dataclasses: none is missing, undescribed, or assumed to be given."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields

import pytest

from tinygpt.cli import sample, train
from tinygpt.cli.flags import add_flags, argument_texts, chosen, flag
from tinygpt.models import GPTConfig
from tinygpt.training import TrainConfig


@dataclass(frozen=True)
class Config:
    """Holds one field of each kind.

    Args:
        size: 100 % of
            two lines.
        ratio, name: shared text.
        deep: whether.
        width: or nothing.

    Raises:
        ValueError: never.
    """

    size: int
    ratio: float = 0.5
    name: str = "a"
    deep: bool = False
    width: int | None = None


def parser(**options) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser()
    add_flags(made, Config, **options)
    return made


def given(*argv: str, **options) -> dict:
    return chosen(Config, parser(**options).parse_args(argv))


def test_only_what_was_given_is_chosen() -> None:
    assert given() == {}
    assert given("--ratio", "0.5", "--no-deep") == {"ratio": 0.5, "deep": False}
    assert given("--size", "3", "--name", "b", "--deep", "--width", "4") == {
        "size": 3,
        "name": "b",
        "deep": True,
        "width": 4,
    }


def test_the_help_says_text_and_default() -> None:
    text = " ".join(parser(defaults={"width": "as many as fit"}).format_help().split())
    assert "--size SIZE 100 % of two lines. --ratio" in text
    assert "--ratio RATIO shared text. (default: 0.5)" in text
    assert "--name NAME shared text. (default: a)" in text
    assert "--deep, --no-deep whether. (default: False) --width" in text
    assert "--width WIDTH or nothing. (default: as many as fit)" in text


def test_choices_and_skipped_fields() -> None:
    for argv in (["--name", "c"], ["--size", "3"], ["--ratio", "much"]):
        with pytest.raises(SystemExit) as exited:
            given(*argv, choices={"name": ("a", "b")}, skip=("size",))
        assert exited.value.code == 2


def test_texts_end_where_the_section_ends() -> None:
    assert list(argument_texts(Config.__doc__ or "")) == ["size", "ratio", "name", "deep", "width"]
    assert argument_texts("No such section.") == {}


COMMANDS = [
    (train.run, (train.TrainOptions, GPTConfig, TrainConfig), {"vocab_size"}),
    (sample.run, (sample.SampleOptions,), set()),
]


@pytest.mark.parametrize(("run", "configs", "shared"), COMMANDS, ids=["train", "sample"])
def test_help_describes_every_field(
    run, configs: tuple[type, ...], shared: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run(["--help"])
    text = "".join(capsys.readouterr().out.split())  # argparse breaks lines, at hyphens too
    for config in configs:
        texts = argument_texts(config.__doc__ or "")
        for field in fields(config):
            if field.name in shared and config is GPTConfig:
                continue
            assert flag(field.name) in text
            assert texts[field.name] and "".join(texts[field.name].split()) in text, field.name
