"""From a file in a session that is elsewhere to the reader's own machine."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path

from tinygpt.grading.own import on_colab


def link(path: Path) -> str:
    """A link to a file that a Jupyter server offers: where it is, seen from the notebook."""
    try:
        place = os.path.relpath(path).replace(os.sep, "/")
    except ValueError:  # on another drive, out of the server's reach
        return ""
    return f'<p><a href="{escape(place, quote=True)}" download="">Download {escape(path.name)}</a></p>'


def deliver(path: Path) -> None:
    """On Colab, whose pages cannot follow such a link, starts the download."""
    if on_colab():
        from google.colab import files

        files.download(str(path))
