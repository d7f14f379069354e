"""The merges view: its text and picture, and what a reader meets in a real Chromium."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from views import lab, texts
from views.pages import READY, Page

from tinygpt.tokenizers import merge_steps
from tinygpt.views import merges

browser_test = pytest.mark.browser
TEXT = "the cat sat on the mat, the cat"


def test_its_text_holds_the_merges() -> None:
    view = merges("hug pug hug, 你你", 3)
    assert view._text().splitlines() == [
        "Merges view: 3 merges over 19 bytes, from 19 tokens to 12",
        "merge 0: u + g = ug (256), 3 times",
        "merge 1: h + ug = hug (257), 2 times",
        r"merge 2: \xbd + \xa0 = \xbd\xa0 (258), 2 times",
    ]
    assert merges(texts.HARD[1], 15)._text().endswith("and 3 more")


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 20,000 characters; got 20,001"):
        merges("x" * 20_001, 1)
    with pytest.raises(
        ValueError, match="n_merges must be from 1 to 500 and at from 0 to n_merges; got 2 and 3"
    ):
        merges(TEXT, 2, at=3)
    with pytest.raises(ValueError, match="got 0 and 0"):
        merges(TEXT, 0)
    with pytest.raises(ValueError, match="no pair is left"):
        merges("ab", 2)


def test_its_picture_can_show_any_text() -> None:
    assert merges("".join(texts.HARD), 40).png().startswith(b"\x89PNG")


class Reader:
    """The parts of a merges view on a page."""

    def __init__(self, page: Page) -> None:
        self.page, self.said = page, lambda: page.said
        self.box = page.page.get_by_label("Text to learn from")
        self.slider = page.page.get_by_role("slider")

    def button(self, name: str) -> Any:
        return self.page.page.get_by_role("button", name=name)

    def pieces(self, kind: str = "p") -> list[str]:
        return self.page.page.locator(f".pieces .{kind}").all_inner_texts()

    def bars(self) -> list[str]:
        return self.page.page.locator(".bars").inner_text().split("\n")

    def tree(self) -> list[str]:
        return self.page.page.locator(".grown .p").all_inner_texts()


@pytest.fixture
def read(show: Callable[..., Page]) -> Callable[..., Reader]:
    return lambda view, **options: Reader(show(view, **options))


@browser_test
def test_steps_forward_and_back(read: Callable[..., Reader]) -> None:
    first, *_ = merge_steps(TEXT, 6)
    reader = read(merges(TEXT, 6))
    assert reader.said() == (
        "After 0 merges: 31 tokens, 1.00 bytes per token. "
        f"Next, merge 0: “a” 97 + “t” 116 come {first.count} times and become 256."
    )
    assert reader.pieces() == list(TEXT.replace(" ", "·"))
    assert reader.pieces("left") == ["a"] * 4 and reader.pieces("right") == ["t"] * 4
    reader.button("Step").click()
    assert reader.said().startswith(f"After 1 merge: {len(TEXT) - 4} tokens, 1.15 bytes per token.")
    assert reader.pieces("new") == ["at"] * 4
    assert list(zip(reader.pieces("left"), reader.pieces("right"), strict=True)) == [("h", "e")] * 3
    assert reader.tree() == ["at", "a", "t"]
    reader.button("Back").click()
    assert reader.said().startswith("After 0 merges") and reader.pieces("new") == []


@browser_test
def test_the_bars_hold_the_pairs_and_explain_a_tie(read: Callable[..., Reader]) -> None:
    steps = list(merge_steps(TEXT, 6))
    reader = read(merges(TEXT, 6))
    for step in steps:
        counts = [int(text) for text in reader.page.page.locator(".bars output").all_inner_texts()]
        assert counts == [count for _, count in step.top]
        ids = reader.page.page.locator(".bars .soft").all_inner_texts()
        assert ids == [f"{left}, {right}" for (left, right), _ in step.top]
        assert reader.page.page.locator(".bars .won").count() == 1
        told = reader.page.page.locator(".tie").inner_text()
        assert ("A tie" in told) == (step.tied > 1)
        assert (
            step.tied == 1 or f"{step.tied} pairs come {step.count} times. The smaller ids go first: " in told
        )
        reader.button("Step").click()
    assert "These were all the merges asked for." in reader.said()
    assert {step.tied > 1 for step in steps} == {True, False}


@browser_test
def test_scrub_play_and_keys(read: Callable[..., Reader]) -> None:
    reader = read(merges(TEXT, 4, at=2))
    assert reader.said().startswith("After 2 merges")
    assert reader.slider.get_attribute("aria-valuetext") == "after 2 of 4 merges"
    reader.page.press(reader.slider, "ArrowRight")
    assert reader.said().startswith("After 3 merges")
    reader.page.press(reader.slider, "Home")
    assert reader.said().startswith("After 0 merges")
    reader.button("Play").click()
    lab.wait_for(lambda: reader.said().startswith("After 4 merges"), "the last merge", 10)
    reader.button("Step").click()
    assert reader.said().startswith("After 4 merges")


@browser_test
def test_a_typed_text_is_learnt_from(read: Callable[..., Reader]) -> None:
    reader = read(merges(TEXT, 6, at=3))
    reader.box.fill("abab abab")
    lab.wait_for(lambda: "“a” 97 + “b” 98 come 4 times" in reader.said(), "the new text", 10)
    reader.page.press(reader.slider, "End")
    assert reader.pieces() == ["abab", "·abab"]
    assert reader.said().endswith("No pair is left: every word is one token.")
    assert "9 bytes, 3 merges" in reader.page.page.locator(".bar").inner_text()
    reader.box.fill("")
    lab.wait_for(lambda: "After 0 merges: 0 tokens" in reader.said(), "the empty text", 10)


@browser_test
def test_the_lists_hold_the_merges(read: Callable[..., Reader]) -> None:
    steps = list(merge_steps(TEXT, 12))
    reader = read(merges(TEXT, 12, at=12))
    latest = reader.page.page.locator(".latest tbody tr")
    assert latest.count() == 8
    assert latest.first.locator("td").all_inner_texts()[3:] == [str(steps[-1].new), str(steps[-1].count)]
    reader.button("Table").click()
    rows = reader.page.page.locator("table").last.locator("tbody tr")
    assert rows.count() == 12
    tokens = [int(row.locator("td").nth(5).inner_text()) for row in rows.all()]
    assert tokens == [sum(map(len, step.after)) for step in steps]


@browser_test
def test_a_pattern_that_a_page_cannot_follow(read: Callable[..., Reader]) -> None:
    pattern = r"(?V1)[\p{L}--[aeou]]+"
    steps = list(merge_steps("hihi 你你", 2, pattern=pattern))
    reader = read(merges("hihi 你你", 2, pattern=pattern, at=2))
    assert reader.box.get_attribute("readonly") is not None
    assert "given text only" in reader.page.page.locator(".note").inner_text()
    assert len(reader.pieces()) == sum(map(len, steps[-1].after))


@browser_test
def test_budgets(show: Callable[..., Page]) -> None:
    text = " ".join(texts.HARD[1:11])
    view = merges(text, 50, at=10)
    assert len(view.fragment().encode()) <= 75 * 1024
    pages = [show(view) for _ in range(2)]
    first = min(float(page.page.locator(READY).get_attribute("data-ready")) for page in pages)
    assert first <= 600, f"first render after {first} ms"
    nodes = pages[0].page.evaluate(
        f"document.querySelector('{READY}').shadowRoot.querySelectorAll('*').length"
    )
    assert nodes <= 500 + len(Reader(pages[0]).pieces())


@browser_test
@pytest.mark.parametrize("width", [480, 700])
def test_nothing_leaves_a_narrow_page(read: Callable[..., Reader], width: int) -> None:
    reader = read(merges("".join(texts.HARD[:10]), 60, at=60), viewport={"width": width, "height": 700})
    reader.button("Large text").click()
    assert reader.page.page.evaluate("document.documentElement.scrollWidth") <= width
