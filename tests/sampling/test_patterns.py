"""Regular expressions: the automaton takes the texts that Python's `re` takes, and no others."""

from __future__ import annotations

import functools
import random
import re

import pytest
from constraints import random_pattern

from tinygpt.sampling.patterns import compile_pattern

compiled = functools.cache(compile_pattern)


def accepts(pattern: str, text: bytes | str) -> bool:
    automaton, state = compiled(pattern), 0
    for byte in text.encode() if isinstance(text, str) else text:
        state = automaton.next[state, byte]
        if state < 0:
            return False
    return bool(automaton.accepts[state])


@pytest.mark.parametrize("seed", range(25))
def test_random_patterns_against_re(seed: int) -> None:
    rng = random.Random(seed)
    pattern = random_pattern(rng)
    texts = ["".join(rng.choices("abcé語1 .\n", k=rng.randint(0, 6))) for _ in range(150)]
    want = [re.fullmatch(pattern, text, re.ASCII) is not None for text in texts]
    assert [accepts(pattern, text) for text in texts] == want, pattern


EDGES = "\u007f\u0080\u07ff\u0800\u0801\ud7ff\ue000\uffff\U00010000\U0010ffff"


@pytest.mark.parametrize(
    "pattern",
    [
        *(
            "",
            "a|",
            "(|b)c",
            "a{0}",
            "(a*)*",
            "(a?){3}b",
            "a{2}{",
            "x{,}",
            "}]",
            "[]a]",
            "[^]a]",
            "[a-]",
            "[-a]",
        ),
        *(
            r"[\]\\]",
            r"\x41\u00e9",
            r"\\\*\+\?",
            "[.*]",
            "[a-c-]",
            r"[\d-]",
            r"[^\W]",
            r"\D\S",
            "{a}",
            "(a|b)*abb",
        ),
        *(
            "[^a-cb]",
            "[^a]",
            "[à-ö]",
            "[€-𝄞]",
            "é+",
            r"\t\n\r\f\v",
            r"[\u07ff-\u0800]",
            r"[\ud7fe-\ue001]",
            r"[\u0081-\uffff]",
        ),
    ],
)
def test_each_corner_against_re(pattern: str) -> None:
    letters = ["", *"abc{}[]()*+?.-\\AZ_09 \n\t\x0b,^x", *"éàöõ÷€𝄞語", *EDGES]
    texts = [one + two for one in letters for two in letters] + ["aaab", "babb", "\t\n\r\f\v", "\\*+?"]
    want = [re.fullmatch(pattern, text, re.ASCII) is not None for text in texts]
    assert [accepts(pattern, text) for text in texts] == want


@pytest.mark.parametrize(
    "data", [b"\xff", b"\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"a\x80"]
)
def test_what_is_not_utf8_is_no_text(data: bytes) -> None:
    assert not accepts("(.|\n)*", data)
    assert not accepts("[^x]+", data)


def test_a_state_for_each_text_that_goes_on_differently() -> None:
    assert len(compile_pattern("(a|b)*abb").next) == 4  # as in every textbook
    assert len(compile_pattern("(a|b)*a(a|b){7}").next) == 2**8


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(a", r"has at place 2 the end, where a \) is missing"),
        ("a)", r"has at place 1 a closing parenthesis"),
        ("[a", r"the end, where a \] is missing"),
        ("*a", "at place 0 a repetition of nothing"),
        ("{2}", "a repetition of nothing"),
        ("a+?", "a repetition of a repetition"),
        ("a{2}{3}", "a repetition of a repetition"),
        ("a{3,2}", "a count that is not from low to high"),
        ("a{2000}", "above 1000"),
        ("^a", "an anchor; the whole text has to match anyway"),
        ("a$", "an anchor"),
        ("(?=a)", r"a group that starts with \? and is not"),
        (r"(a)\1", r"\\1, which is not known here"),
        (r"\b", r"\\b, which is not known"),
        ("a\\", "which is not known here"),
        (r"\x4", r"\\x without its hexadecimal digits"),
        ("[c-a]", "a range that does not go from a character to a later one"),
        (r"[a-\d]", "a range that does not go"),
        ("(a|b)*a(a|b){20}", "needs more than 5000 states"),
    ],
)
def test_what_is_no_pattern_is_explained(pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compile_pattern(pattern)
