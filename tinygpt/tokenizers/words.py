"""Text cut into words, the borders that tokens never cross."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import regex

# Tried in this order at each place.
PATTERN = "|".join(
    [
        r"'(?:[sdmt]|ll|ve|re)",  # 's, 't, 'll …: English endings, apart from the word they follow
        r" ?[\p{L}\p{M}]+",  # a word with the space before it; vowel signs stay with their letters
        r"\p{N}",  # each digit by itself, so that every number is spelt the same way
        r" ?[^\s\p{L}\p{M}\p{N}]+",  # punctuation
        r"\s+(?!\S)",  # white space, all but the last when a word follows: that one belongs to the word
        r"\s+",
    ]
)
# What \s and \S mean in `regex`: the standard library, whose engine is faster, counts four characters more
# among white space.
SPACE = "[\\t-\\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
OTHER = r"[\S\x1c-\x1f]"
MARKS = r"!-&(-/:-@\[-`{-~"  # ASCII punctuation but the apostrophe, which may belong to a word
CHUNK = re.compile(
    "|".join(
        [
            rf" ?[A-Za-z]+(?=[ \n{MARKS}])",
            rf" ?[{MARKS}]+(?=[ \nA-Za-z])",
            rf" ?{OTHER}+",
            rf"{SPACE}+(?= {OTHER})",
            rf"{SPACE}+{OTHER}*",
        ]
    )
)
BORDER = re.compile(f"(?<={OTHER})(?={SPACE})")
BLOCK = 1 << 20


def compile_pattern(pattern: str) -> regex.Pattern[str]:
    """The pattern, with any character it forgets as a word by itself, so that no text is ever lost.

    Raises:
        ValueError: The pattern is no regular expression, or captures groups.
    """
    try:
        regex.compile(pattern)
        compiled = regex.compile(rf"{pattern}|[\s\S]")
    except regex.error as error:
        raise ValueError(f"pattern must be a regular expression; got {pattern!r}: {error}.") from None
    if compiled.groups:
        raise ValueError(f"pattern must not capture groups; got {pattern!r}. Write (?:…) instead of (…).")
    return compiled


def chunker(pattern: str) -> Callable[[str], list[str]] | None:
    """What cuts a text into chunks of whole words, faster than the pattern can; None where nothing does.

    In a match of PATTERN, white space stands at the front or is all there is; of several spaces before a word
    the last goes with the word; and a letter never stands beside a mark other than the apostrophe. So a text
    may be cut at such places first: the words of the chunks are the words of the text. Chunks repeat almost
    as often as words do, and each different one needs to be cut into words only once.

    Example:
        >>> chunker(PATTERN)("don't  stop, don't")
        ["don't", ' ', ' stop', ',', " don't"]
    """
    return CHUNK.findall if pattern == PATTERN else None


def blocks(text: str, pattern: str) -> Iterator[str]:
    """The text in parts of about a million characters with the same words, where the pattern allows that."""
    start = 0
    while start < len(text):
        border = BORDER.search(text, start + BLOCK) if chunker(pattern) else None
        end = border.start() if border else len(text)
        yield text[start:end]
        start = end
