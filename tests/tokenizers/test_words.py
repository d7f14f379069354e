import random
import re
import sys

import pytest
import regex

from tinygpt.tokenizers import words as module
from tinygpt.tokenizers.words import OTHER, PATTERN, SPACE, blocks, chunker, compile_pattern

SPACES = [chr(i) for i in range(sys.maxunicode) if regex.match(r"\s", chr(i))]
ODD = "\x1c\x1d\x1e\x1f\u200b\ufeff\x00\udcff"


def random_texts(n):
    rng = random.Random(0)
    letters = [
        "a",
        "b",
        "Z",
        "é",
        "爱",
        "ा",
        "\u0301",
        "1",
        "٣",
        "!",
        "@",
        "[",
        "`",
        "~",
        "'",
        "'s",
        "'ll",
        "’",
        "🙂",
    ]
    alphabet = letters + SPACES + list(ODD) + [" ", "  ", "\n"] * 6
    return ["".join(rng.choices(alphabet, k=rng.randrange(40))) for _ in range(n)]


def test_white_space_means_what_the_pattern_means():
    assert [chr(i) for i in range(sys.maxunicode) if re.match(SPACE, chr(i))] == SPACES
    assert not [c for c in map(chr, range(sys.maxunicode)) if bool(re.match(OTHER, c)) == (c in SPACES)]


def test_the_words_of_the_chunks_are_the_words_of_the_text():
    cut, findall = chunker(PATTERN), compile_pattern(PATTERN).findall
    for text in random_texts(20_000):
        chunks = cut(text)
        assert "".join(chunks) == text
        assert [word for chunk in chunks for word in findall(chunk)] == findall(text), repr(text)


def test_the_words_of_the_blocks_are_the_words_of_the_text(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 5)
    findall = compile_pattern(PATTERN).findall
    for text in random_texts(3000):
        parts = list(blocks(text, PATTERN))
        assert [word for part in parts for word in findall(part)] == findall(text), repr(text)
    assert list(blocks("one two three", PATTERN)) == ["one two", " three"]
    assert list(blocks("one two three", r"\w+")) == ["one two three"]


def test_no_other_pattern_is_cut_into_chunks():
    assert chunker(r"\S+|\s+") is None


@pytest.mark.parametrize("pattern", ["[a", "(?:a", "a)b", "*"])
def test_a_pattern_that_is_no_regular_expression(pattern):
    with pytest.raises(ValueError, match="must be a regular expression"):
        compile_pattern(pattern)
