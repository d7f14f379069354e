"""Texts that somebody else has chosen, made fit for files and pages."""

from __future__ import annotations

import re

LONGEST = 2000  # characters of one text of a submission
# Half characters, control characters, and marks that turn the direction of writing around.
UNFIT = re.compile("[\ud800-\udfff\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff]")


def text(words: str) -> str:
    """Words that can be written into any file: without characters that are none, and not without end."""
    words = UNFIT.sub("\ufffd", words)
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 1]}…"
