import dataclasses

import pytest

from tinygpt.tokenizers import CharacterTokenizer, train_characters


def test_ids_follow_code_points_and_specials_come_last():
    tok = train_characters(["héllo", "wörld\n"], special_tokens=["<|end|>", "<|user|>"])
    assert tok.characters == "".join(sorted(set("héllowörld\n")))
    assert tok.vocab_size == len(tok.characters) + 2
    assert tok.special_tokens == {"<|end|>": tok.vocab_size - 2, "<|user|>": tok.vocab_size - 1}


def test_one_text_and_many_are_the_same():
    assert train_characters("abca") == train_characters(iter(["ab", "ca"]))


def test_round_trip():
    tok = train_characters("to be, or not to be 爱 🙂")
    assert tok.decode(tok.encode("be or 爱🙂")) == "be or 爱🙂"


def test_an_unknown_character_is_named_with_its_place():
    with pytest.raises(ValueError, match=r"No token for 'é' \(U\+00E9\) at position 2.*train_bpe"):
        train_characters("abc").encode("abé")


def test_no_text():
    with pytest.raises(ValueError, match="at least one character; got none"):
        train_characters([""])


@pytest.mark.parametrize("fields", [{"characters": "aa"}, {"characters": "a|", "specials": ["|"]}])
def test_ambiguous_tables(fields):
    with pytest.raises(ValueError, match="once and be no special token"):
        CharacterTokenizer(**fields)


def test_pieces_are_printable():
    tok = train_characters("a \n\t\x00爱")
    assert tok.pieces(tok.encode("a \n\t\x00爱")) == ["a", "·", "↵", "⇥", "\\x00", "爱"]


def test_is_immutable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        train_characters("ab").characters = "cd"
