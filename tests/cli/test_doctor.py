from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from tinygpt.cli import doctor
from tinygpt.cli.doctor import Facts

WELL = Facts(
    python=(3, 12, 4),
    packages={
        "torch": "2.13.0",
        "ipywidgets": "8.1.9",
        "anywidget": "0.11.0",
        "jupyterlab": "4.6.6",
        "jupyterlab_widgets": "3.0.17",
    },
    torch_build="cpu",
    torch_error="",
    nvidia=False,
    device="cpu",
    flops={"fp32": 80e9, "bf16": 200e9},
    memory_total=8_000_000_000,
    memory_free=4_000_000_000,
    threads=2,
    cpus=2,
    threads_asked="",
    front_end="terminal",
    disk_free=9_000_000_000,
    compiler="/usr/bin/c++",
)


def packages(**changes: str | None) -> dict[str, str]:
    """WELL's packages with some changed, or taken out by None."""
    return {name: version for name, version in {**WELL.packages, **changes}.items() if version}


def test_a_healthy_machine_passes_with_a_line_for_each_thing(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.run([], lambda: WELL) == 0
    lines = capsys.readouterr().out.splitlines()
    names = ["Python", "torch", "device", "threads", "memory", "front-end", "widgets", "disk", "compiler"]
    assert [line.split()[1] for line in lines[: len(names)]] == names
    assert all(line.startswith("[ok]") for line in lines[: len(names)])
    assert "fp32 80 GFLOP/s, bf16 200 GFLOP/s" in lines[2]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        (dict(), "2 of 2 CPUs"),
        (dict(threads=1, threads_asked="1"), "1 of 2 CPUs (OMP_NUM_THREADS=1)"),
        (dict(threads=1, cpus=1), "1 of 1 CPU"),
        (dict(cpus=4), "2 of 4 CPUs (one for each core that this process may use)"),
    ],
)
def test_it_says_why_a_cpu_is_left_alone(changes: dict, found: str) -> None:
    (line,) = [line for line in doctor.judge(replace(WELL, **changes)) if line.name == "threads"]
    assert line.found == found


BROKEN = {
    "old Python": (dict(python=(3, 9, 6)), "Python", "Install Python 3.10 to 3.13"),
    "no torch": (dict(torch_error="ModuleNotFoundError: No module named 'torch'"), "torch", "pip install"),
    "CPU build beside a card": (dict(nvidia=True), "torch", "Install the CUDA build"),
    "driver too old": (dict(nvidia=True, torch_build="12.8"), "torch", "Update the NVIDIA driver"),
    "nothing measured": (dict(flops={}), "device", "Mend torch"),
    "slow": (dict(flops={"fp32": 1e9}), "device", "Colab"),
    "little memory": (dict(memory_free=1_000_000_000), "memory", "shut down other kernels"),
    "no Jupyter": (dict(packages=packages(jupyterlab=None)), "front-end", "pip install jupyterlab"),
    "no widgets": (dict(packages=packages(ipywidgets=None)), "widgets", "pip install ipywidgets"),
    "no anywidget": (dict(packages=packages(anywidget=None)), "widgets", "pip install anywidget"),
    "ipywidgets 9": (dict(packages=packages(ipywidgets="9.0.0")), "widgets", "ipywidgets>=7.7,<9"),
    "ipywidgets 7 with the browser part of 8": (
        dict(packages=packages(ipywidgets="7.7.1")),
        "widgets",
        '"jupyterlab_widgets>=3,<4"',
    ),
    "browser part absent": (
        dict(packages=packages(jupyterlab_widgets=None)),
        "widgets",
        '"jupyterlab_widgets>=3,<4"',
    ),
    "full disk": (dict(disk_free=10_000_000), "disk", "pip cache purge"),
}


@pytest.mark.parametrize(("changes", "name", "remedy"), BROKEN.values(), ids=BROKEN)
def test_each_fault_is_named_with_its_remedy(
    changes: dict, name: str, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = replace(WELL, **changes)
    (failed,) = [line for line in doctor.judge(facts) if line.status == doctor.FAIL]
    assert failed.name == name
    assert remedy in failed.remedy
    assert doctor.run([], lambda: facts) == 1
    assert f"-> {failed.remedy}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "changes",
    [
        dict(python=(3, 14, 0)),
        dict(nvidia=True, torch_build="12.8", device="cuda"),
        dict(packages=packages(ipywidgets="7.7.1", jupyterlab_widgets="1.1.1")),
        dict(packages=packages(ipywidgets="7.7.1", jupyterlab=None, jupyterlab_widgets=None, notebook="6.5")),
        dict(packages=packages(jupyterlab=None, jupyterlab_widgets=None), front_end="Google Colab"),
    ],
    ids=["newer Python", "card in use", "ipywidgets 7", "classic notebook", "Colab"],
)
def test_what_works_is_not_called_broken(changes: dict) -> None:
    assert {line.status for line in doctor.judge(replace(WELL, **changes))} == {doctor.OK}


def test_a_missing_compiler_is_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.run([], lambda: replace(WELL, compiler="")) == 0
    assert "[--]   compiler" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({}, "terminal"),
        ({"JPY_PARENT_PID": "1"}, "Jupyter"),
        ({"JPY_PARENT_PID": "1", "VSCODE_PID": "2"}, "VS Code"),
        ({"VSCODE_PID": "2"}, "terminal"),
        ({"JPY_PARENT_PID": "1", "BINDER_REPO_URL": "x"}, "Jupyter on Binder"),
        ({"JPY_PARENT_PID": "1", "COLAB_RELEASE_TAG": "x"}, "Google Colab"),
        ({"KAGGLE_KERNEL_RUN_TYPE": "Interactive"}, "Kaggle"),
    ],
)
def test_the_front_end_is_told_from_the_environment(environment: dict[str, str], name: str) -> None:
    assert doctor.front_end(environment) == name


def test_this_machine_is_examined() -> None:
    facts = doctor.examine_machine()
    assert facts.torch_error == ""
    assert facts.packages["torch"]
    assert min(facts.flops.values()) > 0
    assert 0 < facts.memory_free <= facts.memory_total
    assert facts.disk_free > 0


def test_it_reports_rather_than_fails_where_torch_is_absent() -> None:
    code = "import sys; sys.modules['torch'] = None; from tinygpt.cli import doctor; doctor.run([])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "[fail] torch        " in done.stdout
