"""Reads the text of a regular expression: characters become the bytes of their UTF-8."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tinygpt.sampling.automaton import Automaton, Expressions, automaton

Ranges = list[tuple[int, int]]
"""Characters, from the first code point to the last of each range."""

LAST = 0x10FFFF
LENGTHS = [(0, 0x7F), (0x80, 0x7FF), (0x800, 0xD7FF), (0xE000, 0xFFFF), (0x10000, LAST)]
"""Code points by the length of their UTF-8; the surrogates, before 0xE000, have none."""

DIGITS: Ranges = [(0x30, 0x39)]
WORD: Ranges = [*DIGITS, (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)]
SPACE: Ranges = [(0x09, 0x0D), (0x20, 0x20)]
SETS = {"d": DIGITS, "w": WORD, "s": SPACE}
CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}
COUNT = re.compile(r"\{(?:(\d+)|(\d*),(\d*))\}")
MOST_TIMES = 1000


def compile_pattern(pattern: str) -> Automaton:
    r"""Returns the automaton, over bytes, of the texts that match a regular expression in full.

    Args:
        pattern: literals, `.`, classes such as `[^a-z]`, `\d \w \s \D \W \S` (of ASCII), `* + ?`, `{3}`,
            `{2,5}`, `{2,}`, `|` and groups. The texts are those of `re.fullmatch(pattern, text, re.ASCII)`.

    Raises:
        ValueError: for anything else, saying where it stands.

    Example:
        >>> table, accepts = compile_pattern("ab*")
        >>> state = 0
        >>> for byte in b"abb":
        ...     state = table[state, byte]
        >>> bool(accepts[state]), int(table[state, ord("a")])
        (True, -1)
    """
    parser = _Parser(pattern)
    start = parser.alternatives()
    if parser.at < len(pattern):
        parser.refuse("a closing parenthesis without an opening one; write \\)")
    return automaton(parser.expressions, start)


class _Parser:
    """Goes through the pattern from left to right, a method for each level of its grammar."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.at = pattern, 0
        self.expressions = Expressions()

    def alternatives(self) -> int:
        options = [self.sequence()]
        while self.take("|"):
            options.append(self.sequence())
        return self.expressions.either(options)

    def sequence(self) -> int:
        items = []
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            items.append(self.repeated())
        whole = self.expressions.empty
        for item in reversed(items):
            whole = self.expressions.then(item, whole)
        return whole

    def repeated(self) -> int:
        one, (low, high) = self.atom(), self.counts()
        if self.repeats():
            self.refuse("a repetition of a repetition; put (?:…) around the inner one")
        e = self.expressions
        tail = e.star(one) if high is None else e.empty
        for _ in range(0 if high is None else high - low):  # the last one first: (one(one)?)?
            tail = e.either([e.empty, e.then(one, tail)])
        for _ in range(low):
            tail = e.then(one, tail)
        return tail

    def counts(self) -> tuple[int, int | None]:
        """How often at least and at most; None means without end."""
        for mark, times in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self.take(mark):
                return times
        if (found := COUNT.match(self.pattern, self.at)) is None:
            return 1, 1
        exactly, low, high = found.groups()
        least = int(exactly or low or 0)
        most = int(exactly or high) if exactly or high else None
        if max(least, most or 0) > MOST_TIMES or (most is not None and most < least):
            self.refuse(f"a count that is not from low to high, or above {MOST_TIMES}")
        self.at = found.end()
        return least, most

    def atom(self) -> int:
        if self.take("("):
            if self.peek() == "?" and not self.take("?:"):
                self.refuse("a group that starts with ? and is not (?:…)")
            inside = self.alternatives()
            if not self.take(")"):
                self.refuse("the end, where a ) is missing")
            return inside
        if self.take("["):
            return self.characters(self.members())
        if self.take("."):
            return self.characters(_without([(0x0A, 0x0A)]))
        if self.peek() in ("^", "$"):
            self.refuse("an anchor; the whole text has to match anyway. For the character put \\ before it")
        if self.repeats():
            self.refuse("a repetition of nothing; for the character put \\ before it")
        return self.characters(self.character())

    def members(self) -> Ranges:
        """What stands between [ and ]."""
        negated, ranges = self.take("^"), []
        start = self.at
        while self.peek() != "]" or self.at == start:
            ranges += self.span()
        self.at += 1
        return _without(ranges) if negated else ranges

    def span(self) -> Ranges:
        """A character or set of a class, or two characters with a - between them."""
        low = self.character()
        if self.peek() != "-" or self.pattern[self.at + 1 : self.at + 2] in ("]", ""):
            return low
        self.at += 1
        high = self.character()
        if len(low) > 1 or len(high) > 1 or low[0][0] != low[0][1] or low[0][0] > high[0][1]:
            self.refuse("a range that does not go from a character to a later one")
        return [(low[0][0], high[0][1])]

    def character(self) -> Ranges:
        r"""One character, or a set such as \d."""
        if not self.take("\\"):
            self.at += 1
            if self.at > len(self.pattern):
                self.refuse("the end, where a ] is missing")
            return _only(self.pattern[self.at - 1])
        letter = self.pattern[self.at : self.at + 1]
        self.at += 1
        if letter.lower() in SETS:
            return SETS[letter] if letter.islower() else _without(SETS[letter.lower()])
        if letter in ("x", "u"):
            digits = self.pattern[self.at : self.at + (2 if letter == "x" else 4)]
            if not re.fullmatch("[0-9a-fA-F]{2}|[0-9a-fA-F]{4}", digits):
                self.refuse(f"\\{letter} without its hexadecimal digits")
            self.at += len(digits)
            return _only(chr(int(digits, 16)))
        if letter in CONTROLS:
            return _only(CONTROLS[letter])
        if letter.isalnum() or not letter:
            self.refuse(f"\\{letter}, which is not known here")
        return _only(letter)

    def characters(self, ranges: Ranges) -> int:
        """The UTF-8 of one character of the ranges."""
        e = self.expressions
        return e.either(
            _spelled(e, chr(max(low, first)).encode(), chr(min(high, last)).encode())
            for low, high in ranges
            for first, last in LENGTHS
            if max(low, first) <= min(high, last)
        )

    def repeats(self) -> bool:
        return self.peek() in ("*", "+", "?") or COUNT.match(self.pattern, self.at) is not None

    def peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def take(self, text: str) -> bool:
        found = self.pattern.startswith(text, self.at)
        self.at += len(text) if found else 0
        return found

    def refuse(self, what: str) -> None:
        raise ValueError(
            f"the pattern {self.pattern!r} has at place {min(self.at, len(self.pattern))} {what}."
        )


def _spelled(e: Expressions, low: bytes, high: bytes) -> int:
    """Any byte string from low to high, both of one length, whose bytes after the first are 0x80 to 0xBF."""
    first, last, n = low[0], high[0], len(low) - 1
    least, most = b"\x80" * n, b"\xbf" * n
    if first < last and low[1:] != least:
        return e.either([_spelled(e, low, low[:1] + most), _spelled(e, bytes([first + 1]) + least, high)])
    if first < last and high[1:] != most:
        return e.either([_spelled(e, low, bytes([last - 1]) + most), _spelled(e, high[:1] + least, high)])
    one = e.byte((1 << last + 1) - (1 << first))
    return e.then(one, _spelled(e, low[1:], high[1:])) if n else one


def _only(character: str) -> Ranges:
    return [(ord(character), ord(character))]


def _without(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """All characters but these."""
    left, start = [], 0
    for low, high in sorted(ranges):
        if low > start:
            left.append((start, low - 1))
        start = max(start, high + 1)
    return [*left, (start, LAST)]
