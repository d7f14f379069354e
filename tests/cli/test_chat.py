"""Talking to a shipped stage and to a file."""

from __future__ import annotations

import io

import pytest

from tinygpt.cli.main import main
from tinygpt.models import GPT, GPTConfig
from tinygpt.training import save


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], asked: str, *argv: str) -> list:
    monkeypatch.setattr("sys.stdin", io.StringIO(asked))
    assert main(["chat", *argv]) == 0
    return capsys.readouterr().out.splitlines()


def test_the_shipped_assistant_answers_line_by_line_until_an_empty_one(monkeypatch, capsys):
    asked = "what is 0 3 + 0 4 ?\nsay the last of : owl key plums .\n\nnever read\n"
    assert said(monkeypatch, capsys, asked, "instruct") == ["0 7 .", "plums ."]


def test_the_input_may_end_without_a_line_break(monkeypatch, capsys):
    assert said(monkeypatch, capsys, "what is 0 3 + 0 4 ?", "instruct") == ["0 7 ."]


def test_a_seed_repeats_a_draw(monkeypatch, capsys):
    options = ("instruct", "--temperature", "1", "--seed", "3")
    asked = "tell me a story about ada .\n" * 2
    first, second = said(monkeypatch, capsys, asked, *options)
    assert said(monkeypatch, capsys, asked, *options) == [first, second]
    assert first != second


def test_a_file_without_a_tokenizer_is_refused(tmp_path, capsys):
    path = save(tmp_path / "m.safetensors", GPT(GPTConfig(vocab_size=8, n_layers=1, d_model=8)))
    assert main(["chat", str(path)]) == 1
    assert "holds no tokenizer" in capsys.readouterr().err


def test_a_model_that_is_nowhere_is_named(capsys):
    assert main(["chat", "nowhere.safetensors"]) == 1
    assert "nowhere.safetensors" in capsys.readouterr().err
