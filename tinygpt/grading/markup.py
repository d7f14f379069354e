"""The little markup of our messages: `code`, *stress*, and marks that can be read on any page."""

from __future__ import annotations

import re
from html import escape

# Okabe-Ito's blue, and its vermillion darkened until white can be read on it. Both stand out from white
# and from black.
GOOD, BAD = "#0072B2", "#B24E00"


def html(text: str) -> str:
    """Escaped text in which `backticks` have become code and *asterisks* stress.

    Example:
        >>> html("`a < b` is *not* b > a")
        '<code>a &lt; b</code> is <em>not</em> b &gt; a'
    """
    parts = escape(text).split("`")
    return "".join(
        f"<code>{part}</code>" if i % 2 else re.sub(r"\*(\w[^*]*)\*", r"<em>\1</em>", part)
        for i, part in enumerate(parts)
    )


def mark(text: str, good: bool) -> str:
    """A word on a colour of its own: a notebook's page may be white or black, and cannot be asked which.

    Example:
        >>> mark("✓ passed", good=True)
        '<b style="background: #0072B2; color: white; padding: 0 5px; border-radius: 3px">✓ passed</b>'
    """
    style = f"background: {GOOD if good else BAD}; color: white; padding: 0 5px; border-radius: 3px"
    return f'<b style="{style}">{text}</b>'
