"""Regular expressions over bytes by their derivatives, and the automaton that these make.

The derivative of an expression by a byte matches whatever may follow that byte. Derivatives of derivatives
come back to expressions already met, so there are finitely many: each is a state, and reading a byte goes
from one to the next.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

ALL_BYTES = (1 << 256) - 1
MOST_STATES = 5_000


class Expressions:
    """A table of regular expressions, each a number; an expression that is made twice has one number.

    Attributes:
        never: matches nothing.
        empty: matches the empty text alone.
        nullable: of each expression, whether it matches the empty text.

    Source: Brzozowski 1964, "Derivatives of Regular Expressions", section 3; the rules that keep equal
        expressions equal are those of Owens, Reppy & Turon 2009, section 4.1.
    """

    def __init__(self) -> None:
        self._numbers: dict[tuple, int] = {}
        self._parts: list[tuple] = []
        self._derivatives: dict[tuple[int, int], int] = {}
        self.nullable: list[bool] = []
        self.never = self._number(("byte", 0), False)
        self.empty = self._number(("empty",), True)

    def byte(self, mask: int) -> int:
        """One byte of a set; bit b of the mask says whether it holds byte b."""
        return self._number(("byte", mask), False)

    def then(self, first: int, second: int) -> int:
        """One expression after the other."""
        if self.never in (first, second):
            return self.never
        heads = []
        while self._parts[first][0] == "then":
            _, head, first = self._parts[first]
            heads.append(head)
        for head in [first, *reversed(heads)]:
            second = self._pair(head, second)
        return second

    def either(self, options: Iterable[int]) -> int:
        """Any of the expressions."""
        apart, mask = set(), 0
        for option in options:
            for one in self._options(option):
                kind, *rest = self._parts[one]
                if kind == "byte":
                    mask |= rest[0]
                else:
                    apart.add(one)
        if mask or not apart:
            apart.add(self.byte(mask))
        if len(apart) == 1:
            return apart.pop()
        return self._number(("either", *sorted(apart)), any(self.nullable[one] for one in apart))

    def star(self, one: int) -> int:
        """The expression any number of times, also not at all."""
        return one if self._parts[one][0] == "star" else self._number(("star", one), True)

    def after(self, one: int, byte: int) -> int:
        """The derivative: what may follow when the byte has been read."""
        if (one, byte) not in self._derivatives:
            self._derivatives[one, byte] = self._derive(byte, *self._parts[one])
        return self._derivatives[one, byte]

    def classes(self) -> np.ndarray:
        """A number for each byte, equal for bytes that no expression of the table tells apart."""
        masks = [rest[0] for kind, *rest in self._parts if kind == "byte"]
        signatures = [tuple(mask >> byte & 1 for mask in masks) for byte in range(256)]
        return np.unique(signatures, axis=0, return_inverse=True)[1].reshape(256)

    def _derive(self, byte: int, kind: str, *rest: int) -> int:
        if kind == "byte":
            return self.empty if rest[0] >> byte & 1 else self.never
        if kind == "either":
            return self.either([self.after(one, byte) for one in rest])
        if kind == "star":
            return self.then(self.after(rest[0], byte), self.star(rest[0]))
        if kind == "then":
            ways = [self.then(self.after(rest[0], byte), rest[1])]
            return self.either(ways + ([self.after(rest[1], byte)] if self.nullable[rest[0]] else []))
        return self.never

    def _options(self, one: int) -> tuple[int, ...]:
        kind, *rest = self._parts[one]
        return tuple(rest) if kind == "either" else (one,)

    def _pair(self, first: int, second: int) -> int:
        if self.empty in (first, second):
            return second if first == self.empty else first
        return self._number(("then", first, second), self.nullable[first] and self.nullable[second])

    def _number(self, parts: tuple, nullable: bool) -> int:
        if parts not in self._numbers:
            self._numbers[parts] = len(self._parts)
            self._parts.append(parts)
            self.nullable.append(nullable)
        return self._numbers[parts]


class Automaton(NamedTuple):
    """Reads bytes: from state 0, `next[state, byte]`, and −1 where no match goes on like that.

    Attributes:
        next: states × 256.
        accepts: of each state, whether what was read so far is a match.
    """

    next: np.ndarray
    accepts: np.ndarray


def automaton(expressions: Expressions, start: int) -> Automaton:
    """Returns the automaton of an expression: every derivative is a state.

    Raises:
        ValueError: when there are more than 5,000 of them.
    """
    classes = expressions.classes()
    examples = [int(np.argmax(classes == one)) for one in range(classes.max() + 1)]
    numbers, queue, ways = {start: 0, expressions.never: -1}, [start], []
    for one in queue:
        following = [expressions.after(one, byte) for byte in examples]
        for state in following:
            if state not in numbers:
                numbers[state] = len(queue)
                queue.append(state)
        ways.append([numbers[state] for state in following])
        if len(queue) > MOST_STATES:
            raise ValueError(
                f"the pattern needs more than {MOST_STATES} states. Lower its counts or its depth."
            )
    accepts = np.array([expressions.nullable[one] for one in queue])
    return Automaton(np.array(ways, np.int32)[:, classes], accepts)
