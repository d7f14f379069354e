"""What a learner sees: text anywhere, a page in a notebook, a picture where it helps."""

from __future__ import annotations

from xml.etree import ElementTree

import torch

from tinygpt.grading import check
from tinygpt.grading.picture import CIVIDIS, Picture


def no_mask(q, k, v):
    return (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) @ v


def test_the_page_is_well_formed_and_tells_the_whole_story():
    result = check("causal_attention", no_mask)
    page = ElementTree.fromstring(result._repr_html_())
    text = "".join(page.itertext())
    assert result.score in text and "The future leaks" in text and "not yet" in text
    tables = page.findall(".//table")
    assert [table.find("caption").text for table in tables] == ["wanted[0]", "got[0]"]
    assert [len(table.findall(".//td")) for table in tables] == [36, 36]


def test_learners_code_cannot_break_the_page():
    def broken(q, k, v):
        raise ValueError("<script>alert(1)</script> & `more`")

    page = check("causal_attention", broken)._repr_html_()
    assert "<script>" not in page
    ElementTree.fromstring(page)


def test_the_bundle_has_a_text_alternative():
    bundle = check("causal_attention", no_mask)._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/plain"}
    assert "What to look at: The future leaks" in bundle["text/plain"]
    assert "wanted[0]" in bundle["text/plain"] and "got[0]" in bundle["text/plain"]


def test_equal_results_show_equal_pages():
    one, other = (check("causal_attention", no_mask, seed=1) for _ in range(2))
    assert one._repr_html_() == other._repr_html_()


def test_the_picture_shows_the_worst_place():
    expected = torch.zeros(3, 2, 2)
    got = expected.clone()
    got[1, 0, 1] = 5
    picture = Picture.of(got, expected)
    assert picture.where == "[1]" and picture.got == ((0, 5), (0, 0))
    assert "#{:02x}{:02x}{:02x}".format(*CIVIDIS[-1]) in picture.html()


def test_nan_is_a_white_cell():
    got = torch.eye(2)
    got[0, 0] = torch.nan
    assert "background-color: #ffffff; color: black" in Picture.of(got, torch.eye(2)).html()


def test_a_picture_of_huge_values_has_colours_and_short_numbers():
    huge = torch.tensor([[1.2e308, -1.2e308]], dtype=torch.float64)
    page = Picture.of(huge, torch.zeros(1, 2, dtype=torch.float64)).html()
    assert "#{:02x}{:02x}{:02x}".format(*CIVIDIS[-1]) in page and ">1.2e+308<" in page and ">0<" in page


def test_no_picture_where_none_helps():
    assert Picture.of(torch.zeros(3), torch.ones(3)) is None
    assert Picture.of(torch.zeros(2, 2), torch.ones(2, 3)) is None
    assert Picture.of(torch.zeros(40, 40), torch.ones(40, 40)) is None
    assert Picture.of("a", "b") is None
