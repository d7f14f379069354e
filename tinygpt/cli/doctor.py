"""`tinygpt doctor`: what this machine offers the course, a line each, with a remedy for what is wrong."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tinygpt.cli.parser import Parser

GB = 1e9
PACKAGES = ("torch", "ipywidgets", "anywidget", "jupyterlab", "notebook", "jupyterlab_widgets")
OK, FAIL, NOTE = "ok", "fail", "--"


@dataclass(frozen=True)
class Facts:
    """What was found on this machine, before any judgement.

    Attributes:
        python: Version, major to micro.
        packages: Installed version for each of PACKAGES that is installed.
        torch_build: "cpu", a CUDA or ROCm version, or "" where torch cannot be imported.
        torch_error: Why torch cannot be imported; "" if it can.
        nvidia: Whether an NVIDIA card is present, usable by torch or not.
        device: What torch would compute on: "cpu", "cuda" or "mps".
        flops: Measured matrix-product speed in FLOP/s, by the name of the dtype.
        memory_total: Bytes of main memory.
        memory_free: Bytes of main memory that can still be had.
        threads: CPU threads that torch will use.
        cpus: CPUs that the machine has.
        threads_asked: The value of OMP_NUM_THREADS, or "".
        front_end: "terminal", or the notebook front-end that started this process.
        disk_free: Bytes free in the current folder.
        compiler: Path of a C++ compiler, or "".
    """

    python: tuple[int, int, int]
    packages: Mapping[str, str]
    torch_build: str
    torch_error: str
    nvidia: bool
    device: str
    flops: Mapping[str, float]
    memory_total: int
    memory_free: int
    threads: int
    cpus: int
    threads_asked: str
    front_end: str
    disk_free: int
    compiler: str


@dataclass(frozen=True)
class Line:
    """One judged fact. `status` is "ok", "fail", or "--" for something optional that is absent."""

    status: str
    name: str
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        mark = f"[{self.status}]"
        remedy = f"\n{'':20}-> {self.remedy}" if self.remedy else ""
        return f"{mark:<7}{self.name:<12} {self.found}{remedy}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The doctor takes no arguments; the function is here so that every command looks alike to `main`."""


def run(argv: list[str], examine: Callable[[], Facts] | None = None) -> int:
    """Print the report.

    Args:
        argv: The arguments after `tinygpt doctor`.
        examine: Where the facts come from; by default `examine` below.

    Returns:
        0 when nothing failed, else 1.
    """
    parser = Parser(prog="tinygpt doctor", description=__doc__)
    add_arguments(parser)
    parser.parse_args(argv)
    lines = judge((examine or examine_machine)())
    print("\n".join(map(str, lines)))
    failed = sum(line.status == FAIL for line in lines)
    print(f"\n{failed} to mend." if failed else "\nEverything the course needs is here.")
    return 1 if failed else 0


def judge(facts: Facts) -> list[Line]:
    """One line for each thing the course relies on, in the order in which to mend them."""
    checks = (_python, _torch, _device, _threads, _memory, _front_end, _widgets, _disk, _compiler)
    return [check(facts) for check in checks]


def _python(facts: Facts) -> Line:
    found = ".".join(map(str, facts.python))
    if facts.python < (3, 10):
        return Line(FAIL, "Python", found, "Install Python 3.10 to 3.13, then: make lab PYTHON=python3.12")
    untested = " (newer than the tested 3.10 to 3.13)" if facts.python >= (3, 14) else ""
    return Line(OK, "Python", found + untested)


def _torch(facts: Facts) -> Line:
    if facts.torch_error:
        return Line(FAIL, "torch", facts.torch_error, "pip install --force-reinstall torch")
    found = f"{facts.packages.get('torch', '')} ({facts.torch_build} build)"
    if facts.nvidia and facts.torch_build == "cpu":
        remedy = "Install the CUDA build that https://pytorch.org/get-started/locally names for your system."
        return Line(FAIL, "torch", f"{found}, which cannot use the NVIDIA card", remedy)
    if facts.nvidia and facts.device != "cuda":
        remedy = "Update the NVIDIA driver, or install a torch built for its CUDA version: see `nvidia-smi`."
        return Line(FAIL, "torch", f"{found} does not reach the NVIDIA card", remedy)
    return Line(OK, "torch", found)


def _device(facts: Facts) -> Line:
    speeds = ", ".join(f"{name} {value / 1e9:,.0f} GFLOP/s" for name, value in facts.flops.items())
    found = f"{facts.device}: {speeds or 'not measured'}"
    if not facts.flops:
        return Line(FAIL, "device", found, "Mend torch first.")
    if max(facts.flops.values()) < 5e9:
        remedy = "Stop what else is computing, or open the chapter on Colab by its badge."
        return Line(FAIL, "device", f"{found}: too slow", remedy)
    return Line(OK, "device", found)


def _threads(facts: Facts) -> Line:
    found = f"{facts.threads} of {facts.cpus} CPU{'' if facts.cpus == 1 else 's'}"
    if facts.threads_asked:
        return Line(OK, "threads", f"{found} (OMP_NUM_THREADS={facts.threads_asked})")
    fewer = " (one for each core that this process may use)" if facts.threads < facts.cpus else ""
    return Line(OK, "threads", found + fewer)


def _memory(facts: Facts) -> Line:
    found = f"{facts.memory_free / GB:.1f} of {facts.memory_total / GB:.1f} GB free"
    if facts.memory_free < 1.5 * GB:
        return Line(FAIL, "memory", found, "A chapter needs 1.5 GB: shut down other kernels.")
    return Line(OK, "memory", found)


def _front_end(facts: Facts) -> Line:
    if facts.front_end != "terminal":
        return Line(OK, "front-end", facts.front_end)
    installed = [f"{n} {facts.packages[n]}" for n in ("jupyterlab", "notebook") if n in facts.packages]
    if not installed:
        return Line(FAIL, "front-end", "no Jupyter", "pip install jupyterlab, or use Colab or VS Code.")
    return Line(OK, "front-end", ", ".join(installed))


def _widgets(facts: Facts) -> Line:
    packages = facts.packages
    missing = [name for name in ("ipywidgets", "anywidget") if name not in packages]
    if missing:
        return Line(FAIL, "widgets", f"no {' and no '.join(missing)}", f"pip install {' '.join(missing)}")
    major = int(packages["ipywidgets"].split(".")[0])
    found = f"ipywidgets {packages['ipywidgets']}, anywidget {packages['anywidget']}"
    if major not in (7, 8):
        return Line(FAIL, "widgets", found, 'pip install "ipywidgets>=7.7,<9", then restart Jupyter.')
    # The part that runs in the browser is a package of its own, numbered apart: 1 and 2 go with 7, 3 with 8.
    browser = packages.get("jupyterlab_widgets")
    if "jupyterlab" in packages and (browser is None or (int(browser.split(".")[0]) >= 3) != (major == 8)):
        remedy = 'pip install --upgrade "ipywidgets>=8,<9" "jupyterlab_widgets>=3,<4", then restart Jupyter.'
        return Line(FAIL, "widgets", f"{found}, but jupyterlab_widgets {browser or 'is absent'}", remedy)
    return Line(OK, "widgets", found)


def _disk(facts: Facts) -> Line:
    found = f"{facts.disk_free / GB:.1f} GB free"
    if facts.disk_free < 1 * GB:
        return Line(FAIL, "disk", found, "Checkpoints need 1 GB: `pip cache purge` often frees it.")
    return Line(OK, "disk", found)


def _compiler(facts: Facts) -> Line:
    if facts.compiler:
        return Line(OK, "compiler", f"{facts.compiler}: torch.compile will work")
    remedy = "Optional: only torch.compile needs one. Install g++, or Xcode's or Visual Studio's."
    return Line(NOTE, "compiler", "none", remedy)


# Finding out


def examine_machine() -> Facts:
    """Measure this machine; takes about a second once torch is imported."""
    build, error, device, flops = _try_torch()
    total, free, threads = _resources() if not error else (0, 0, 1)
    return Facts(
        python=sys.version_info[:3],
        packages={name: version for name in PACKAGES if (version := _version(name))},
        torch_build=build,
        torch_error=error,
        nvidia=_has_nvidia(),
        device=device,
        flops=flops,
        memory_total=total,
        memory_free=free,
        threads=threads,
        cpus=os.cpu_count() or 1,
        threads_asked=os.environ.get("OMP_NUM_THREADS", ""),
        front_end=front_end(os.environ),
        disk_free=shutil.disk_usage(Path.cwd()).free,
        compiler=next(filter(None, map(shutil.which, ("c++", "g++", "clang++", "cl"))), "") or "",
    )


def front_end(environment: Mapping[str, str]) -> str:
    """The notebook front-end that started this process, as far as its environment tells.

    Example:
        >>> front_end({"COLAB_RELEASE_TAG": "release-colab"})
        'Google Colab'
    """
    if "COLAB_RELEASE_TAG" in environment:
        return "Google Colab"
    if "KAGGLE_KERNEL_RUN_TYPE" in environment:
        return "Kaggle"
    if "JPY_PARENT_PID" not in environment:
        return "terminal"
    if "VSCODE_PID" in environment:
        return "VS Code"
    return "Jupyter on Binder" if "BINDER_REPO_URL" in environment else "Jupyter"


def _try_torch() -> tuple[str, str, str, dict[str, float]]:
    """Build, error, device and measured speeds. A broken torch raises almost anything, OSError included."""
    try:
        import torch

        from tinygpt.runtime import best_device, matmul_speed

        device = best_device()
        types = {"fp32": torch.float32, "bf16": torch.bfloat16}
        flops = {name: matmul_speed(device, dtype) for name, dtype in types.items()}
        return torch.version.cuda or torch.version.hip or "cpu", "", device.type, flops
    except Exception as error:
        return "", f"{type(error).__name__}: {error}".splitlines()[0], "cpu", {}


def _resources() -> tuple[int, int, int]:
    from tinygpt.runtime import memory, use_threads

    now = memory()
    return now.total, now.available, use_threads()


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _has_nvidia() -> bool:
    if platform.system() == "Linux":
        return Path("/proc/driver/nvidia/version").exists()
    try:
        return subprocess.run(["nvidia-smi", "-L"], capture_output=True, timeout=10).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
