"""The tokens view: its text and picture, and what a reader meets in a real Chromium."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from views import lab, texts
from views.pages import READY, Page, contrast, hover

from tinygpt.tokenizers import BPETokenizer, train_characters
from tinygpt.views import tokens

browser_test = pytest.mark.browser
# “hi” with its space, “你” over two tokens, and a special token.
TOK = BPETokenizer(merges=[(104, 105), (32, 256), (0xE4, 0xBD)], specials=["<|end|>"])


def test_its_text_holds_pieces_ids_and_sizes() -> None:
    view = tokens(TOK, "hi hi 你")
    assert repr(view) == "Tokens view: 7 characters, 9 bytes, 5 tokens (1.80 bytes per token)"
    assert view._text().splitlines()[1:] == [r"hi|·hi|·|\xe4\xbd|\xa0", "256 257 32 258 160"]


def test_two_tokenizers_are_named() -> None:
    view = tokens(TOK, "hi", train_characters("hi"))
    assert repr(view).endswith(
        "1 tokens (2.00 bytes per token) by BPE 260, 2 tokens (1.00 bytes per token) by characters 2"
    )
    assert "by one, 1 tokens" in repr(tokens(TOK, "hi", TOK, names=["one", "two"]))
    assert [one["name"] for one in tokens(TOK, "hi", TOK)._header()["tokenizers"]] == [
        "A: BPE 260",
        "B: BPE 260",
    ]


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 20,000 characters; got 20,001"):
        tokens(TOK, "x" * 20_001)
    with pytest.raises(ValueError, match="one name for each of 1 tokenizers"):
        tokens(TOK, "x", names=["a", "b"])
    with pytest.raises(ValueError, match="dollars per million tokens, 0 or more; got -1"):
        tokens(TOK, "x", price=-1)
    with pytest.raises(ValueError, match="No token for 'x'"):
        tokens(train_characters("ab"), "x")


def test_its_picture_can_show_any_text() -> None:
    for text in ("", "$x_1$ & 你 🦙 \n" * 300, texts.HARD[11]):
        assert tokens(TOK, text, TOK).png().startswith(b"\x89PNG")


def test_a_page_stays_small() -> None:
    # Pairs without any order, so that nothing deflates well: the largest that merges can become.
    pairs = random.Random(0).sample([(a, b) for a in range(256) for b in range(256)], 32_000)
    sizes = [len(tokens(BPETokenizer(merges=pairs[:n]), "a 🦙").fragment()) for n in (0, 3_840, 32_000)]
    assert sizes[0] <= 40 * 1024
    assert sizes[1] - sizes[0] <= 20 * 1024
    assert sizes[2] - sizes[0] <= 170 * 1024


class Reader:
    """The parts of a tokens view on a page."""

    def __init__(self, page: Page) -> None:
        self.page, self.said = page, lambda: page.said
        self.box = page.page.get_by_label("Text to tokenize")
        self.id = page.page.get_by_label("Token id:")

    def strip(self, number: int = 0) -> Any:
        return self.page.page.locator(".pieces").nth(number)

    def pieces(self, number: int = 0) -> list[str]:
        return self.strip(number).locator(".p").all_inner_texts()

    def marked(self, kind: str, number: int = 0) -> list[str]:
        return self.strip(number).locator(f".p.{kind}").all_inner_texts()

    def notes(self) -> str:
        return " ".join(self.page.page.locator(".note").all_inner_texts()).strip()

    def looked(self) -> str:
        return self.page.page.locator(".look").inner_text()


@pytest.fixture
def read(show: Callable[..., Page]) -> Callable[..., Reader]:
    return lambda view, **options: Reader(show(view, **options))


@browser_test
def test_a_typed_text_is_cut_as_python_cuts_it(read: Callable[..., Reader]) -> None:
    tok = texts.trained()
    reader = read(tokens(tok, "start"))
    assert "".join(reader.pieces()) == "start"
    for text in (texts.HARD[1], "if x != y:    # don't", "   "):
        reader.box.fill(text)
        assert reader.pieces() == tok.pieces(tok.encode(text))
    reader.box.fill("")
    assert reader.pieces() == []


@browser_test
def test_a_character_over_several_tokens_has_a_bracket(read: Callable[..., Reader]) -> None:
    reader = read(tokens(TOK, "hi 你!"))
    assert reader.pieces() == ["hi", "·", "E4 BD", "A0", "!"]
    group = reader.strip().locator(".g")
    assert group.count() == 1 and group.locator("b").inner_text() == "你"
    bracket, first, last = (
        group.locator(one).bounding_box() for one in ("b", ".p:first-child", ".p:nth-child(2)")
    )
    assert first["x"] <= bracket["x"] <= first["x"] + 4
    assert 0 <= last["x"] + last["width"] - bracket["x"] - bracket["width"] <= 4


@browser_test
def test_hover_click_keys_and_escape(read: Callable[..., Reader]) -> None:
    reader = read(tokens(TOK, "hi hi!"))
    rest = reader.said()
    reader.strip().locator(".p").nth(1).hover()
    assert reader.said() == "Token 1 of 3: “·hi”, id 257, bytes 2 to 4"
    assert "20 68 69" in reader.looked() and "merge rank 1: “·” 32 + “hi” 256" in reader.looked()
    reader.page.page.mouse.move(2, 2)
    assert reader.said() == rest
    reader.strip().locator(".p").nth(1).click()
    reader.page.page.mouse.move(2, 2)
    assert reader.said().startswith("Token 1 of 3")
    reader.page.press(reader.strip(), "ArrowRight")
    assert reader.said() == "Token 2 of 3: “!”, id 33, byte 5"
    reader.page.press(reader.strip(), "Home")
    assert reader.marked("at") == ["hi"]
    reader.page.press(reader.strip(), "End", "ArrowRight")
    assert reader.marked("at") == ["!"]
    reader.page.page.keyboard.press("Escape")
    assert reader.said() == rest and reader.marked("at") == []


@browser_test
def test_an_id_leads_to_its_bytes_and_to_every_place(read: Callable[..., Reader]) -> None:
    reader = read(tokens(TOK, "hi hi hi, 你"))
    reader.id.fill("257")
    assert reader.marked("same") == ["·hi", "·hi"]
    assert "2 × in this text" in reader.looked()
    tree = reader.page.page.locator(".look .tree .p")
    assert tree.all_inner_texts() == ["·hi", "·", "hi", "h", "i"]
    reader.page.press(reader.id, "ArrowUp")
    assert "“\\xe4\\xbd” 2 bytes: E4 BD" in reader.looked() and "merge rank 2" in reader.looked()
    reader.id.fill("259")
    assert "special token" in reader.looked() and "not in this text" in reader.looked()
    reader.id.fill("260")
    assert "No token 260: ids go from 0 to 259" in reader.looked()
    reader.id.fill("257")
    tree.nth(2).click()
    assert reader.id.input_value() == "256" and reader.marked("same") == ["hi"]


@browser_test
def test_a_typed_special_token_stays_text_until_the_switch(read: Callable[..., Reader]) -> None:
    reader = read(tokens(TOK, "hi<|end|>"))
    assert "“<|end|>” was typed, so it stays ordinary text" in reader.notes()
    assert reader.marked("special") == []
    reader.page.page.get_by_role("button", name="allow_special=True").click()
    assert reader.pieces() == ["hi", "<|end|>"] and reader.marked("special") == ["<|end|>"]
    assert "Never use it for what a user typed" in reader.notes() and "⚠" in reader.notes()


@browser_test
def test_two_tokenizers_are_linked_by_the_bytes_they_share(read: Callable[..., Reader]) -> None:
    reader = read(tokens(TOK, "hi 你", train_characters("hi 你"), names=["BPE", "characters"]))
    reader.strip(1).locator(".p").nth(3).hover()
    assert reader.marked("at", 1) == ["你"] and reader.marked("same", 0) == ["E4 BD", "A0"]
    assert (
        reader.said()
        == "characters, token 3 of 4: “你”, id 3, bytes 3 to 5; BPE: “\\xe4\\xbd” 258 “\\xa0” 160"
    )
    reader.strip(0).locator(".p").nth(0).hover()
    assert reader.marked("same", 1) == ["h", "i"]
    tints = [reader.strip(n).locator(".p", has_text="·").get_attribute("class").split()[1] for n in (0, 1)]
    assert tints[0] == tints[1], "the same bytes have the same tint"


@browser_test
def test_a_character_without_a_token_is_said(read: Callable[..., Reader]) -> None:
    reader = read(tokens(train_characters("hi"), "hi"))
    reader.box.fill("hiß!")
    assert reader.marked("unknown") == ["ß", "!"]
    assert "no token for “ß” (U+00DF), “!” (U+0021)" in reader.notes()
    reader.strip().locator(".p").nth(2).hover()
    assert "“ß”, no token for this character, bytes 2 to 3" in reader.said()


@browser_test
def test_sizes_and_cost(read: Callable[..., Reader]) -> None:
    reader = read(tokens(TOK, "hi hi 你", price=2.5))
    shown = reader.page.page.locator(".counts, h3").all_inner_texts()
    assert "7 characters, 9 bytes in UTF-8" in shown[0] and "an example" in shown[0]
    assert "5 tokens, 1.80 bytes per token; costs $0.000013, $1.79 per million such characters" in shown[1]
    reader.page.page.get_by_label("Price in dollars").fill("10")
    assert "costs $0.000050" in reader.page.page.locator("h3").inner_text()


@browser_test
def test_the_table_holds_every_token(read: Callable[..., Reader]) -> None:
    reader = read(tokens(TOK, "hi 你"))
    reader.page.press(reader.page.page.get_by_role("button", name="Table"), "Enter")
    rows = [row.locator("td").all_inner_texts() for row in reader.page.page.locator("tbody tr").all()]
    assert rows[2:] == [["2", "\\xe4\\xbd", "258", "3", "E4 BD"], ["3", "\\xa0", "160", "5", "A0"]]


@browser_test
def test_a_tokenizer_that_a_page_cannot_follow_shows_the_given_text(read: Callable[..., Reader]) -> None:
    tok = BPETokenizer(merges=[(104, 105)], pattern=r"(?V1)[\p{L}--[aeou]]+")
    reader = read(tokens(tok, "hi hi"))
    assert reader.pieces() == ["hi", "·", "hi"] and "given text only" in reader.notes()
    assert reader.box.get_attribute("readonly") is not None


@browser_test
def test_broken_bytes_and_carriage_returns_are_shown(read: Callable[..., Reader]) -> None:
    reader = read(tokens(TOK, "a\udcff\r\nb"))
    assert reader.pieces() == ["a", "FF", "␍", "↵", "b"]
    assert "a text box cannot keep" in reader.notes()
    assert reader.strip().locator(".g").count() == 0


@browser_test
def test_budgets(show: Callable[..., Page]) -> None:
    tok, text = texts.trained(), "".join(texts.HARD[:11])
    view = tokens(tok, text, TOK)
    pages = [show(view) for _ in range(2)]
    first = min(float(page.page.locator(READY).get_attribute("data-ready")) for page in pages)
    assert first <= 600, f"first render after {first} ms"
    nodes = pages[0].page.evaluate(
        f"document.querySelector('{READY}').shadowRoot.querySelectorAll('*').length"
    )
    assert nodes <= 500 + len(tok.encode(text)) + len(TOK.encode(text))
    p95 = hover(pages[-1], ".p")
    assert p95 <= 16, f"95 % of hovers within {p95:.1f} ms"


@browser_test
def test_many_tokens_are_counted_but_not_all_shown(read: Callable[..., Reader]) -> None:
    reader = read(tokens(TOK, "x"))
    reader.box.fill("xy" * 3000)
    assert reader.strip().locator(".p").count() == 2000
    assert "and 4000 more tokens" in reader.strip().inner_text()
    assert "6000 tokens" in reader.page.page.locator("h3").inner_text()


@browser_test
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pieces_can_be_read_in_both_themes(read: Callable[..., Reader], scheme: str) -> None:
    reader = read(tokens(TOK, "hi"), color_scheme=scheme)
    host = reader.page.page.locator(READY)
    lab.wait_for(lambda: (host.get_attribute("data-dark") is not None) == (scheme == "dark"), scheme)
    colour = lambda name: host.evaluate(f"n => getComputedStyle(n).getPropertyValue('--{name}').trim()")  # noqa: E731
    for tint in ("c0", "c1", "c2", "c3", "c4"):
        assert contrast(colour("ink"), colour(tint)) >= 7
        assert contrast(colour("edge"), colour(tint)) >= 3
    assert contrast(colour("edge"), colour("paper")) >= 3


@browser_test
@pytest.mark.parametrize("width", [480, 700])
def test_nothing_leaves_a_narrow_page(read: Callable[..., Reader], width: int) -> None:
    reader = read(
        tokens(texts.trained(), "".join(texts.HARD[:10]), TOK), viewport={"width": width, "height": 700}
    )
    reader.page.page.get_by_role("button", name="Large text").click()
    assert reader.page.page.evaluate("document.documentElement.scrollWidth") <= width
