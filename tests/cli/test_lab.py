from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from jupyter_server.services.config import ConfigManager

from tinygpt.cli import lab


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "course").mkdir()
    for name in ("03_attention.ipynb", "02_tokens.ipynb"):
        (tmp_path / "course" / name).write_text(
            '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
        )
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JUPYTER_TOKEN", raising=False)
    return tmp_path


def options(*argv: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    lab.add_arguments(parser)
    return parser.parse_args(list(argv))


def test_it_opens_the_first_chapter(course: Path) -> None:
    command, environment, url = lab.prepare(options())
    assert f"--ServerApp.root_dir={course}" in command
    assert "/lab/tree/course/02_tokens.ipynb?token=" in url
    assert environment["JUPYTER_TOKEN"] in url
    assert environment["JUPYTER_TOKEN"] not in " ".join(command)


def test_it_opens_the_chapter_asked_for(course: Path) -> None:
    assert "--LabApp.default_url=/lab/tree/course/03_attention.ipynb" in lab.prepare(options("03"))[0]


def test_jupyterlab_does_not_ask_about_news(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "mine")
    ours, *rest = lab.prepare(options())[1]["JUPYTER_CONFIG_PATH"].split(os.pathsep)
    assert rest == ["mine"]
    settings = ConfigManager(read_config_path=[f"{ours}/labconfig"]).get("default_setting_overrides")
    overrides = settings["@jupyterlab/apputils-extension:notification"]
    assert overrides == {"checkForUpdates": False, "fetchNews": "false"}


def test_it_says_which_chapters_there_are(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lab.run(["99"]) == 1
    assert "There are: 02_tokens.ipynb, 03_attention.ipynb" in capsys.readouterr().err


def test_it_says_where_the_course_comes_from(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="git clone"):
        lab.find_course([tmp_path])


def test_it_finds_the_course_from_a_folder_below(course: Path) -> None:
    assert lab.find_course([course / "course" / "deeper"]) == course


def test_it_trusts_the_course_and_nothing_else(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbformat
    from nbformat.sign import NotebookNotary

    monkeypatch.setenv("JUPYTER_DATA_DIR", str(course / "data"))
    cells = [
        nbformat.v4.new_code_cell("1", outputs=[nbformat.v4.new_output("display_data", {"text/html": "<b>"})])
    ]
    for name in ("course/03_attention.ipynb", "own.ipynb"):
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"name": name}), course / name)
    lab.trust(course)
    notary = NotebookNotary()
    assert notary.check_signature(nbformat.read(course / "course" / "03_attention.ipynb", 4))
    assert not notary.check_signature(nbformat.read(course / "own.ipynb", 4))


def test_a_busy_port_is_passed_over() -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        assert port < lab.free_port(port) < port + 50


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"SSH_CONNECTION": "x", "DISPLAY": ":0"}, True),
        ({"DISPLAY": ":0"}, False),
        ({"WAYLAND_DISPLAY": "w"}, False),
    ],
)
def test_a_browser_opens_only_on_a_desktop(environment: dict[str, str], expected: bool) -> None:
    assert lab.headless(environment) is expected


def test_no_display_on_linux_means_no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert lab.headless({}) is True
    monkeypatch.setattr(sys, "platform", "darwin")
    assert lab.headless({}) is False


@pytest.mark.slow
def test_jupyterlab_answers_at_the_printed_address_with_this_python_as_its_kernel(course: Path) -> None:
    code = "import sys; from tinygpt.cli import lab; sys.exit(lab.run(sys.argv[1:]))"
    port = lab.free_port(18888)
    command = [sys.executable, "-c", code, "03", "--no-browser", f"--port={port}"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=dict(os.environ)) as server:
        try:
            printed = next(line for line in server.stdout or () if "http://" in line)
            token = printed.strip().rsplit("token=")[1]
            answer = poll(f"http://localhost:{port}/api/kernelspecs?token={token}", seconds=60)
        finally:
            server.terminate()
        said = server.stderr.read() if server.stderr else ""
    assert "[I " not in said
    assert '"default": "python3"' in answer
    assert Path(sys.prefix).as_posix() in answer or '"python"' in answer


def poll(url: str, seconds: float) -> str:
    for _ in range(int(seconds / 0.2)):
        try:
            with urllib.request.urlopen(url, timeout=5) as reply:
                return reply.read().decode()
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"{url} did not answer within {seconds} s")
