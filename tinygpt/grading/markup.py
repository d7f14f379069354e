"""The little markup of our messages: `code` and *stress*."""

from __future__ import annotations

import re
from html import escape


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
