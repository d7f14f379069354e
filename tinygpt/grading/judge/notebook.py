"""The code cells of a submitted file, which may be anything at all."""

from __future__ import annotations

import json
import os
from pathlib import Path

LARGEST = 50 << 20


class NotANotebook(ValueError):
    """A file that no cells can be read from; the message says why."""


def code_cells(path: str | os.PathLike[str]) -> list[str]:
    """The sources of a notebook's code cells, in order. Kernel, outputs and cell ids do not matter.

    Raises:
        NotANotebook: The file is no notebook, too large, or a link to another file.
    """
    path = Path(path)
    if path.is_symlink() or not path.is_file():
        raise NotANotebook(f"{path.name} is not a file of its own. Hand in the notebook itself, not a link.")
    if (size := path.stat().st_size) > LARGEST:
        says = f"{path.name} has {size >> 20} MB; at most {LARGEST >> 20} are read. Clear its outputs."
        raise NotANotebook(says)
    try:
        notebook = json.loads(path.read_text(encoding="utf-8-sig"))
        return [_source(cell) for cell in _cells(notebook) if cell["cell_type"] == "code"]
    except (ValueError, RecursionError, MemoryError, LookupError, TypeError, AttributeError):
        says = f"{path.name} is no notebook. Save it in Jupyter or download it as .ipynb, and hand that in."
        raise NotANotebook(says) from None


def _cells(notebook: dict) -> list[dict]:
    """The cells of the format of today, and of the one before it, which had sheets."""
    sheets = notebook.get("worksheets", ())
    return notebook["cells"] if "cells" in notebook else [cell for sheet in sheets for cell in sheet["cells"]]


def _source(cell: dict) -> str:
    source = cell["source"] if "source" in cell else cell["input"]
    return source if isinstance(source, str) else "".join(source)
