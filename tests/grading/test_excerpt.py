"""Two plain values above each other: as text, as a page, and around the first difference only."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
import torch

from tinygpt.grading import check
from tinygpt.grading.excerpt import Excerpt
from tinygpt.models import GPTConfig


def excerpt(got, expected, **asked):
    return Excerpt.of(got, expected, 1e-6, asked)


def test_the_first_difference_stands_under_a_mark():
    text = str(excerpt(["it", "'s", "  ", "now"], ["it", "'s", " ", " now"], text="it's  now"))
    asked, wanted, got, mark = text.splitlines()
    assert asked == 'for text = "it\'s  now"'
    assert wanted.split("  ", 1)[0] == "wanted" and got.startswith("got   ")
    at = wanted.index("' '")
    assert got[at : at + 4] == "'  '" and mark == " " * at + "^^^^"


def test_a_long_list_is_cut_on_both_sides():
    shown = excerpt(list(range(100)), [*range(50), -1, *range(51, 100)])
    assert shown.expected == ("…", "47", "48", "49", "-1", "51", "52", "53", "54", "…")
    assert shown.got[shown.at] == "50" and shown.expected[shown.at] == "-1"


def test_a_list_that_ends_early_says_so():
    shown = excerpt([1, 2], [1, 2, 3])
    assert shown.got == ("1", "2", "(end)") and shown.expected == ("1", "2", "3", "(end)")
    assert shown.got[shown.at] == "(end)"


def test_the_innermost_list_is_shown():
    shown = excerpt(((1, 2), [[5], [6, 7]]), ((1, 2), [[5], [6, 8]]))
    assert shown.where == "[1][1]" and shown.expected[:2] == ("6", "8")
    assert str(shown).startswith("wanted[1][1]  6  8")


def test_texts_are_shown_by_characters_and_bytes_by_bytes():
    assert excerpt("na��ve", "naïve").got[:3] == ("'n'", "'a'", "'�'")
    assert excerpt(b"\xc3a", b"\xc3\xaf").got[:2] == (r"b'\xc3'", "b'a'")


def test_a_number_needs_no_list():
    assert str(excerpt(1.5, 0.5, n=3)).splitlines()[:3] == ["for n = 3", "wanted  0.5", "got     1.5"]


def test_long_questions_and_suspects_are_not_shown_in_full():
    shown = excerpt(1, 2, text="a" * 999, function=print)
    assert len(shown.asked) < 200 and "print" not in shown.asked


@pytest.mark.parametrize(("got", "expected"), [(torch.ones(2), torch.zeros(2)), ("a", 1), ([1], (1,))])
def test_no_excerpt_where_none_helps(got, expected):
    assert excerpt(got, expected) is None


def test_a_result_shows_the_easiest_question_that_went_wrong():
    result = check("encode_with_ranks", lambda data, ranks: list(data), seed=1)
    assert result.picture is not None and len(eval(result.picture.asked.split(", ranks")[0][7:])) <= 3
    page = ElementTree.fromstring(result._repr_html_())
    assert [row.find("th").text for row in page.findall(".//table/tr")] == ["wanted", "got"]
    assert (
        result._repr_html_()
        == check("encode_with_ranks", lambda data, ranks: list(data), seed=1)._repr_html_()
    )


def test_text_cannot_break_the_page():
    result = check("pre_tokenize", lambda text: ["<b>&"])
    assert "<b>&" in str(result.picture)
    ElementTree.fromstring(result._repr_html_())


def test_a_value_that_is_asked_for_is_not_shown():
    assert check("guilty", "somebody").picture is None and "cache" not in check("guilty", "x")._repr_html_()


def test_the_shape_of_a_model_is_shown_and_what_an_answer_has_to_find_out_is_not():
    shown = excerpt(1, 2, config=GPTConfig(vocab_size=27, n_layers=3), pipeline=object())
    assert "GPTConfig(vocab_size=27, n_layers=3," in shown.asked and "pipeline" not in shown.asked
