"""The notebook a kernel belongs to: every front-end tells it in its own way, and a terminal has none."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinygpt.grading.sheet import Notebook, parsed, written

ASK = (
    "This program cannot tell which notebook it runs in. Say it: {call}('03_attention.ipynb'), with the path "
    "of your file."
)


@dataclass(frozen=True)
class Own:
    """A notebook, and where it came from.

    Args:
        name: What its file is called.
        content: The bytes of the file.
        path: Where the file is; None on Colab, which keeps it elsewhere.
    """

    name: str
    content: bytes
    path: Path | None

    @property
    def notebook(self) -> Notebook:
        return parsed(self.content, self.name)


def open_notebook(path: str | os.PathLike[str] | None, call: str) -> Own:
    """The notebook at `path`; None asks the front-end for the one that is running.

    Args:
        path: A file, or None.
        call: How the caller is called, for the message.

    Raises:
        ValueError: There is no such file, or no front-end that says which it is.
    """
    if path is None and (live := _colab()):
        return live
    found = Path(path).expanduser() if path is not None else _running()
    if found is None:
        raise ValueError(ASK.format(call=call))
    if found.is_dir():
        raise ValueError(f"{str(found)!r} is a folder. Name a notebook in it.")
    if not found.is_file():
        raise ValueError(f"There is no file {str(found)!r}. Say where the notebook is, from {Path.cwd()}.")
    return Own(found.name, found.read_bytes(), found)


def shell() -> Any:
    """The IPython of this process, or None; nothing is imported to find out."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def on_colab() -> bool:
    return "google.colab" in sys.modules


def _colab() -> Own | None:
    """The notebook as Colab's page holds it now, saved or not."""
    if not on_colab() or shell() is None:
        return None
    from google.colab import _message

    reply = _message.blocking_request("get_ipynb", request="", timeout_sec=60) or {}
    notebook = reply.get("ipynb")
    if not notebook:
        return None
    name = notebook.get("metadata", {}).get("colab", {}).get("name") or "notebook.ipynb"
    name = name if name.endswith(".ipynb") else f"{name}.ipynb"
    return Own(name, written(json.loads(json.dumps(notebook))), None)


def _running() -> Path | None:
    """The file of the running notebook, as VS Code or a Jupyter server tells it."""
    here = shell()
    if here is None:
        return None
    told = [here.user_ns.get("__vsc_ipynb_file__"), os.environ.get("JPY_SESSION_NAME")]
    for name in filter(None, told):
        # A server that shares documents puts a drive before the path, and some give it from their own root.
        for path in (Path(name), Path.cwd() / name.replace("\\", "/").rsplit("/", 1)[-1]):
            if path.suffix == ".ipynb" and path.is_file():
                return path
    return None
