"""A quiz works without a kernel, a network or a script, and every choice explains itself."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from tinygpt.grading import Question, quiz

SUM = Question("What is `1 + 1`?", {"2": "As counted.", "<3>": "One too many."}, right="2")


def test_every_choice_opens_to_its_explanation():
    page = ElementTree.fromstring(f"<main>{quiz([SUM, SUM])._repr_html_()}</main>")
    details = page.findall(".//details")
    assert [d.find("summary").text for d in details] == ["2", "<3>"] * 2
    texts = ["".join(d.find("p").itertext()) for d in details]
    assert texts[:2] == ["✓ Right. As counted.", "✗ Not this one. One too many."]


def test_the_page_needs_nothing():
    page = quiz([SUM])._repr_html_()
    assert "<script" not in page and "http" not in page and "<style" not in page


def test_the_text_asks_without_telling():
    text = repr(quiz([SUM]))
    assert "a) 2" in text and "As counted" not in text
    assert quiz([SUM])._repr_mimebundle_()["text/plain"] == text


def test_the_text_way_to_answer():
    assert quiz([SUM]).why(1, "a") == "Right. As counted."


def test_a_question_must_be_complete():
    with pytest.raises(ValueError, match="right must be one of the choices"):
        Question("?", {"a": "b"}, right="c")
    with pytest.raises(ValueError, match="'a' does not"):
        Question("?", {"a": " "}, right="a")
