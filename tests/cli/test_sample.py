"""Sampling from a file: characters spread over tokens, seeds, filters, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_models import SHAPE

from tinygpt.cli import sample
from tinygpt.cli.main import main
from tinygpt.models import GPT, GPTConfig
from tinygpt.sampling import apply
from tinygpt.tokenizers import train_bpe
from tinygpt.training import save

TOKENIZER = train_bpe("the cat, the hat", 260, special_tokens=["<|end|>"])


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    model = GPT(GPTConfig(**{**SHAPE, "vocab_size": TOKENIZER.vocab_size}), seed=0)
    return str(save(tmp_path_factory.mktemp("sample") / "m.safetensors", model, tokenizer=TOKENIZER))


def drawn(monkeypatch: pytest.MonkeyPatch, ids: list[int]) -> list:
    """Lets the model draw these ids; returns the list in which its prompts will be found."""
    prompts = []

    def stream(model, prompt, **options):
        prompts.append(prompt)
        return (torch.tensor([i]) for i in ids)

    monkeypatch.setattr(sample, "stream", stream)
    return prompts


def continuations(out: str) -> list[str]:
    return [line for line in out.splitlines() if not line.startswith("[")]


def test_a_character_spread_over_tokens_is_printed_whole(
    path: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = list("é日🙂".encode())
    assert max(ids) < 256 and len(ids) == 9
    drawn(monkeypatch, ids)
    assert main(["sample", path, "--prompt", "ü "]) == 0
    out = capsys.readouterr().out
    assert out.startswith("ü é日🙂\n[9 tokens, ")


@pytest.mark.parametrize(("ids", "shown"), [([0xFF, 65], "\ufffdA"), ([65, 0xE6, 0x97], "A\ufffd")])
def test_bytes_that_are_no_character_are_shown_as_such(
    ids: list[int], shown: str, path: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn(monkeypatch, ids)
    assert main(["sample", path, "--prompt", "x"]) == 0
    assert continuations(capsys.readouterr().out) == ["x" + shown]


def test_a_special_token_ends_the_text_and_is_not_printed(
    path: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    end, asked = TOKENIZER.special_tokens["<|end|>"], []

    def stream(model, prompt, *, stop, **options):
        asked.extend(stop)
        return (torch.tensor([i]) for i in [*b"cat", end])

    monkeypatch.setattr(sample, "stream", stream)
    assert main(["sample", path, "--prompt", "a "]) == 0
    assert continuations(capsys.readouterr().out) == ["a cat"]
    assert asked == [end]


def test_a_special_token_in_the_prompt_counts_as_such(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = drawn(monkeypatch, [])
    assert main(["sample", path, "--prompt", "a<|end|>"]) == 0
    assert prompts == [[97, TOKENIZER.special_tokens["<|end|>"]]]


def texts(capsys: pytest.CaptureFixture[str], path: str, *argv: str) -> list[str]:
    """What each of two continuations added to the prompt."""
    assert main(["sample", path, "--prompt", "START", "--tokens", "12", "--samples", "2", *argv]) == 0
    first, second = capsys.readouterr().out.split("START")[1:]
    return [first.rpartition("\n[12 tokens, ")[0], second.rpartition("\n[12 tokens, ")[0]]


def test_a_seed_repeats_the_draw_and_samples_differ(path: str, capsys) -> None:
    first = texts(capsys, path, "--seed", "5")
    assert first[0] != first[1]
    assert texts(capsys, path, "--seed", "5") == first
    assert texts(capsys, path) != texts(capsys, path)


def test_temperature_0_always_takes_the_likeliest(path: str, capsys) -> None:
    assert len(set(texts(capsys, path, "--temperature", "0"))) == 1


def test_filters_come_in_the_customary_order_and_only_when_asked_for() -> None:
    logits = torch.tensor([[3.0, 2.0, 1.0, 0.0]])
    plain = sample.SampleOptions(temperature=1.0, top_p=1.0)
    torch.testing.assert_close(apply(sample.filters_of(plain), logits), logits)

    def kept(**options) -> int:
        filters = sample.filters_of(sample.SampleOptions(**{"temperature": 1.0, "top_p": 1.0, **options}))
        return int(apply(filters, logits).isfinite().sum())

    assert kept(top_k=3) == 3
    assert kept(min_p=0.3) == 2
    assert kept(top_p=0.8) == 2
    assert kept(top_p=0.8, temperature=10.0) == 4  # flattened before it is cut
    assert kept(temperature=0) == 1


ERRORS = {
    "no file": (["nowhere.safetensors"], "no checkpoint at nowhere.safetensors"),
    "nothing to continue": (["MODEL", "--prompt", ""], "at least one token"),
    "temperature": (["MODEL", "--temperature", "-1"], "temperature"),
    "top_p": (["MODEL", "--top-p", "1.5"], "got 1.5"),
    "min_p": (["MODEL", "--min-p", "-0.5"], "got -0.5"),
    "top_k": (["MODEL", "--top-k", "-3"], "got -3"),
    "tokens": (["MODEL", "--tokens", "-1"], "max_new_tokens must be 0 or more; got -1"),
}


@pytest.mark.parametrize(("argv", "message"), ERRORS.values(), ids=ERRORS)
def test_errors_are_one_line(
    argv: list[str], message: str, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sample", *(path if a == "MODEL" else a for a in argv)]) == 1
    out, err = capsys.readouterr()
    assert err.startswith("tinygpt sample: ") and message in err and err.count("\n") == 1
    assert out == ""


def test_a_model_without_its_tokenizer_is_refused(tmp_path: Path, capsys) -> None:
    bare = save(tmp_path / "bare", GPT(GPTConfig(**SHAPE)))
    assert main(["sample", str(bare)]) == 1
    assert "holds no tokenizer" in capsys.readouterr().err
