"""Formulas as MathML, made when a page is made: a reader needs no script and no network for them."""

from __future__ import annotations

import re

# Code first, so that a dollar sign in code stays one.
_FORMULA = re.compile(
    r"(?P<code>```.*?```|`[^`\n]*`)|\$\$(?P<block>.+?)\$\$|\$(?P<inline>[^\s$](?:[^$\n]*[^\s$])?)\$",
    re.DOTALL,
)


def mathml(tex: str, *, block: bool = False) -> str:
    r"""A TeX formula as a `<math>` element on one line.

    Args:
        tex: The formula without dollar signs.
        block: Whether it stands on a line of its own.

    Returns:
        MathML that browsers draw by themselves.

    Raises:
        ValueError: math-core is not installed, or cannot read the formula.

    Example:
        >>> "<msqrt>" in mathml(r"\sqrt K")
        True
    """
    try:
        from math_core import LatexError, LatexToMathML
    except ImportError:
        raise ValueError("Formulas need math-core. Run: pip install math-core") from None
    try:
        made = LatexToMathML(fancy_error=False).convert_with_local_state(tex, displaystyle=block)
    except LatexError as error:
        raise ValueError(f"This formula cannot be read: {tex!r}. {error}") from error
    return " ".join(made.split())


def with_mathml(markdown: str) -> str:
    """Markdown in which each formula between dollar signs has become MathML; code stays as it is."""

    def one(found: re.Match[str]) -> str:
        if found["code"]:
            return found[0]
        return mathml(found["block"] or found["inline"], block=found["block"] is not None)

    return _FORMULA.sub(one, markdown)
