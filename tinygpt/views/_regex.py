"""A pattern of Python's `regex` as one of JavaScript, so that a page can cut text into words by itself."""

from __future__ import annotations

import re
from collections.abc import Callable

import regex

_WORD = r"\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}"
# Inside of [] and outside of it.
_CLASSES = {
    "s": (r"\p{White_Space}", r"\p{White_Space}"),
    "S": (r"\P{White_Space}", r"\P{White_Space}"),
    "d": (r"\p{Nd}", r"\p{Nd}"),
    "D": (r"\P{Nd}", r"\P{Nd}"),
    "w": (_WORD, f"[{_WORD}]"),
    "W": (None, f"[^{_WORD}]"),
    "A": (None, "^"),
    "Z": (None, "(?![^])"),
    "b": (None, f"(?:(?<=[{_WORD}])(?![{_WORD}])|(?<![{_WORD}])(?=[{_WORD}]))"),
}
_CONTROLS = {"n": 10, "r": 13, "t": 9, "f": 12, "v": 11, "a": 7}
_HEX = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})")
_PROPERTY = re.compile(r"([pP])(?:\{(\w+)(?:=(\w+))?\}|([A-Z]))")
_GROUP = re.compile(r"\(\?(?:(:|=|!|<=|<!|>)|([is]+):)")
_QUANTIFIER = re.compile(r"([*+?]|\{\d+(?:,\d*)?\})([?+]?)")
# Letters that differ in more than ASCII case, as `regex` and Unicode see it.
_FOLDED = {"s": "sS\u017f", "k": "kK\u212a"}


class _Unknown(Exception):
    """Something that JavaScript has no equal for, or that this translation does not know."""


def to_javascript(pattern: str) -> str | None:
    """Returns the source of a RegExp, for the flags "gu", that matches what the `regex` package matches.

    Args:
        pattern: A pattern without capturing groups.

    Returns:
        The source, or None where something in the pattern has no translation.

    Example:
        >>> to_javascript(r"\\s++|(?i:'s)")
        "(?=(?<a1>\\\\p{White_Space}+))\\\\k<a1>|(?:'[sSſ])"
    """
    try:
        return _Translation(pattern).whole()
    except _Unknown:
        return None


class _Translation:
    """One reading of a pattern from left to right."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.at, self.atomic = pattern, 0, 0

    def whole(self) -> str:
        source = self.alternatives("")
        if self.at < len(self.pattern):
            raise _Unknown
        return source

    def alternatives(self, flags: str) -> str:
        parts = [""]
        while self.at < len(self.pattern) and self.pattern[self.at] != ")":
            if self.take("|"):
                parts.append("")
            else:
                parts[-1] += self.quantified(self.atom(flags))
        return "|".join(parts)

    def take(self, text: str) -> bool:
        found = self.pattern.startswith(text, self.at)
        self.at += len(text) * found
        return found

    def read(self, expression: re.Pattern[str]) -> re.Match[str] | None:
        found = expression.match(self.pattern, self.at)
        self.at += len(found[0]) if found else 0
        return found

    def quantified(self, atom: str) -> str:
        found = self.read(_QUANTIFIER)
        if not found:
            return atom
        repeated = atom + found[1]
        return self.kept(repeated) if found[2] == "+" else repeated + found[2]

    def kept(self, source: str) -> str:
        """An atomic group: what a lookahead has found is never given back."""
        self.atomic += 1
        return f"(?=(?<a{self.atomic}>{source}))\\k<a{self.atomic}>"

    def atom(self, flags: str) -> str:
        if self.pattern[self.at] == "(":
            return self.group(flags)
        if self.take("["):
            return self.set(flags)
        if self.take("\\"):
            return self.escape(flags, inside=False)
        if self.take("."):
            return "[^]" if "s" in flags else r"[^\n]"
        if self.take("^"):
            return "^"
        if self.take("$"):
            return r"(?=\n?(?![^]))"
        if self.pattern[self.at] in "*+?{":
            raise _Unknown
        return self.literal(self.next(), flags, inside=False)

    def next(self) -> str:
        if self.at == len(self.pattern):
            raise _Unknown
        self.at += 1
        return self.pattern[self.at - 1]

    def group(self, flags: str) -> str:
        found = self.read(_GROUP)
        if not found:
            raise _Unknown
        inner = self.alternatives(flags + (found[2] or ""))
        if not self.take(")"):
            raise _Unknown
        return self.kept(inner) if found[1] == ">" else f"(?{found[1] or ':'}{inner})"

    def set(self, flags: str) -> str:
        source = "[^" if self.take("^") else "["
        first = True
        while first or self.pattern[self.at : self.at + 1] != "]":
            # Set operations and [:classes:] are another language.
            if self.pattern[self.at : self.at + 2] in ("--", "&&", "||", "~~", "[:"):
                raise _Unknown
            source += self.member(flags)
            first = False
        self.at += 1
        return source + "]"

    def member(self, flags: str) -> str:
        low, source = self.one(flags)
        rest = self.pattern[self.at : self.at + 2]
        if low is None or len(rest) < 2 or rest[0] != "-" or rest[1] == "]":
            return source
        self.at += 1
        high, other = self.one(flags)
        if high is None:
            raise _Unknown
        if "i" not in flags:
            return f"{source}-{other}"
        if ord(high) > 127:
            raise _Unknown
        return "".join(self.literal(chr(c), flags, inside=True) for c in range(ord(low), ord(high) + 1))

    def one(self, flags: str) -> tuple[str | None, str]:
        """A member of a set: its character, where it is one, and its source."""
        if not self.take("\\"):
            character = self.next()
            return character, self.literal(character, flags, inside=True)
        character = self.character()
        if character is not None:
            return character, self.literal(character, flags, inside=True)
        return None, self.escape(flags, inside=True)

    def character(self) -> str | None:
        """The character that an escape stands for, else None and nothing is read."""
        found = self.read(_HEX)
        if found:
            return chr(int(next(filter(None, found.groups())), 16))
        following = self.pattern[self.at : self.at + 1]
        if following in _CONTROLS:
            self.at += 1
            return chr(_CONTROLS[following])
        if following and not following.isalnum():
            self.at += 1
            return following
        return None

    def escape(self, flags: str, *, inside: bool) -> str:
        character = self.character()
        if character is not None:
            return self.literal(character, flags, inside=inside)
        found = self.read(_PROPERTY)
        if found:
            return f"\\{found[1]}{{{_property(found, flags)}}}"
        source = _CLASSES.get(self.next(), (None, None))[0 if inside else 1]
        if source is None:
            raise _Unknown
        return source

    def literal(self, character: str, flags: str, *, inside: bool) -> str:
        if "i" not in flags or not character.isalpha():
            return _quoted(character)
        if not character.isascii():
            raise _Unknown
        variants = _FOLDED.get(character.lower(), character.lower() + character.upper())
        return variants if inside else f"[{variants}]"


def _quoted(character: str) -> str:
    if character in "^$\\.*+?()[]{}|/-":
        # Outside of a set, JavaScript allows no escaped hyphen; the code point is right everywhere.
        return r"\x2d" if character == "-" else f"\\{character}"
    return character if character.isprintable() else f"\\u{{{ord(character):x}}}"


def _property(found: re.Match[str], flags: str) -> str:
    name = found[4] or found[2]
    if found[3]:
        return f"{name}={found[3]}"
    if "i" in flags and len(name) > 1:
        raise _Unknown
    if re.fullmatch("[CLMNPSZ][a-z]?", name):
        return name
    # `regex` looks a bare name up among the scripts; JavaScript wants to be told.
    return f"Script={name}" if _compiles(rf"\p{{Script={name}}}", regex.compile) else name


def _compiles(pattern: str, compile: Callable[[str], object]) -> bool:
    try:
        compile(pattern)
    except regex.error:
        return False
    return True
