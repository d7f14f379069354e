import os

import pytest

from tinygpt.tokenizers import from_json, load, train_bpe, train_characters

TEXT = "the cat, the hat, the bat, 爱\n"


@pytest.mark.parametrize(
    "tok",
    [
        train_bpe(TEXT, 262, special_tokens=["<|end|>", "❤"]),
        train_bpe(TEXT, 262, pattern=r"\S+|\s+"),
        train_characters(TEXT, ["<|end|>"]),
    ],
    ids=["bpe", "bpe with a pattern", "characters"],
)
def test_saved_and_loaded_is_the_same(tok, tmp_path):
    tok.save(tmp_path / "tok.json")
    loaded = load(tmp_path / "tok.json")
    assert loaded == tok and type(loaded) is type(tok)
    assert loaded.encode(TEXT) == tok.encode(TEXT) and loaded.special_tokens == tok.special_tokens
    assert os.listdir(tmp_path) == ["tok.json"]
    (tmp_path / "tok.json").read_text(encoding="ascii")


@pytest.mark.parametrize("text", ["", "[1]", '{"kind": "words"}', "null", '{"merges": []}'])
def test_not_a_tokenizer(text):
    with pytest.raises(ValueError, match="kind out of bpe, characters"):
        from_json(text)


def test_a_field_is_missing_or_strange():
    with pytest.raises(ValueError, match=r"does not fit BPETokenizer.*merges"):
        from_json('{"kind": "bpe"}')
    with pytest.raises(ValueError, match=r"does not fit CharacterTokenizer.*colour"):
        from_json('{"kind": "characters", "characters": "a", "colour": "red"}')


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.json")
