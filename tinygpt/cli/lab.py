"""`tinygpt lab`: open the course in JupyterLab."""

from __future__ import annotations

import argparse
import importlib.util
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tinygpt.cli.parser import Parser


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `tinygpt lab` takes."""
    parser.add_argument("chapter", nargs="?", default="", help="how its file begins, say 03; else the first")
    parser.add_argument("--port", type=int, default=8888, help="where to listen; a busy port is passed over")
    parser.add_argument("--no-browser", action="store_true", help="print the address, open nothing")


def run(argv: list[str]) -> int:
    """Start JupyterLab on a chapter and wait for it to end.

    Args:
        argv: The arguments after `tinygpt lab`.

    Returns:
        JupyterLab's exit status, or 1 when it could not be started.
    """
    parser = Parser(prog="tinygpt lab", description=__doc__)
    add_arguments(parser)
    options = parser.parse_args(argv)
    try:
        command, environment, url = prepare(options)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    trust(find_course([Path.cwd(), Path(__file__).resolve()]))
    print(f"\n  The course is at {url}\n  Ctrl-C stops it.\n", flush=True)
    if os.name == "posix":
        os.execve(command[0], command, environment)  # so that Ctrl-C reaches JupyterLab and nobody else
    return subprocess.run(command, env=environment).returncode


def prepare(options: argparse.Namespace) -> tuple[list[str], dict[str, str], str]:
    """The command that starts JupyterLab, its environment, and the address it will have.

    Raises:
        ValueError: JupyterLab or the course is not here, or no chapter begins so.
    """
    if importlib.util.find_spec("jupyterlab") is None:
        raise ValueError(
            "JupyterLab is not installed here. Run: pip install jupyterlab jupyterlab-slideshow plotly"
        )
    root = find_course([Path.cwd(), Path(__file__).resolve()])
    chapter = find_chapter(root, options.chapter).relative_to(root).as_posix()
    port = free_port(options.port)
    # In the environment, not on the command line, where every user of the machine could read it.
    token = os.environ.get("JUPYTER_TOKEN") or secrets.token_hex(16)
    # Settings of ours, which the reader's own override: no question about news covers the chapter.
    settings = [str(Path(__file__).with_name("jupyter")), os.environ.get("JUPYTER_CONFIG_PATH", "")]
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_PATH": os.pathsep.join(filter(None, settings)),
        "JUPYTER_TOKEN": token,
        "JUPYTER_PREFER_ENV_PATH": "1",  # this environment's python3 kernel, not one from the home folder
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    }
    command = [sys.executable, "-m", "jupyterlab", f"--port={port}", "--ServerApp.port_retries=0"]
    command += [f"--ServerApp.root_dir={root}", f"--LabApp.default_url=/lab/tree/{chapter}"]
    command += ["--ServerApp.answer_yes=True", "--log-level=WARN", "--LabApp.log_level=WARN"]
    command += ["--no-browser"] if options.no_browser or headless(os.environ) else []
    command += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return command, environment, f"http://localhost:{port}/lab/tree/{chapter}?token={token}"


def trust(root: Path) -> None:
    """Sign the course's notebooks, so that JupyterLab shows stored views alive instead of as pictures.

    Whoever starts the course runs its code in any case.
    """
    import nbformat
    from nbformat.sign import NotebookNotary

    notary = NotebookNotary()
    for path in [*root.glob("course/*.ipynb"), *root.glob("exercises/*.ipynb")]:
        notary.sign(nbformat.read(path, as_version=4))


def find_course(starts: list[Path]) -> Path:
    """The first folder at or above one of `starts` that holds course/ with notebooks in it.

    Raises:
        ValueError: There is none.
    """
    folders = [folder for start in starts for folder in (start, *start.parents)]
    found = next((folder for folder in folders if any(folder.glob("course/*.ipynb"))), None)
    if found is None:
        raise ValueError(
            f"No course/ at or above {starts[0]}. The chapters come with the repository: "
            "git clone https://github.com/tinygpt-course/tinygpt, then run `make lab` in it."
        )
    return found


def find_chapter(root: Path, beginning: str) -> Path:
    """The first chapter whose file name begins so.

    Raises:
        ValueError: No chapter does.
    """
    chapters = sorted((root / "course").glob("*.ipynb"))
    found = next((chapter for chapter in chapters if chapter.name.startswith(beginning)), None)
    if found is None:
        names = ", ".join(chapter.name for chapter in chapters)
        raise ValueError(f"No chapter begins with {beginning!r}. There are: {names}")
    return found


def free_port(first: int) -> int:
    """The first port from `first` on that nobody listens on.

    Raises:
        ValueError: None of 50 is free.
    """
    for port in range(first, first + 50):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    raise ValueError(f"No free port from {first} to {first + 49}. Try: tinygpt lab --port 9000")


def headless(environment: Mapping[str, str]) -> bool:
    """Whether there is no desktop to open a browser on, as over ssh or in a container.

    Example:
        >>> headless({"SSH_CONNECTION": "..."})
        True
    """
    if "SSH_CONNECTION" in environment:
        return True
    desktops = ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME")
    return sys.platform.startswith("linux") and not any(name in environment for name in desktops)
