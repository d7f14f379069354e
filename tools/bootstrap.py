"""Make the environment in .venv and run one of: lab, test, lint, notebooks, plans, exercises, lineage.

Runs on the bare Python a machine happens to have: only the standard library, and syntax of Python 3.7,
so that an old Python reaches the line that says it is too old.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from collections import deque
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
OLDEST, NEWEST = (3, 10), (3, 13)
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
# .venv takes 1.9 GB with the CPU build of torch, some 7 GB with CUDA; pip downloads and unpacks beside it.
GIGABYTES_NEEDED = {"cpu": 4, "cuda": 12}


class Stop(Exception):
    """Something the reader must mend; the message says what and how."""


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python tools/bootstrap.py", description=__doc__.split("\n")[0])
    actions = {act.__name__: act for act in (lab, test, lint, notebooks, plans, exercises, lineage)}
    parser.add_argument("action", choices=[*actions, "env"])
    parser.add_argument("rest", nargs=argparse.REMAINDER, help="passed on to the command")
    options = parser.parse_args(argv)
    try:
        install("course" if options.action == "lab" else "test")
        return actions.get(options.action, lambda rest: 0)(options.rest)
    except Stop as stop:
        print(f"\n{stop}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


# The environment


def install(extra: str) -> None:
    """Create .venv and install tinygpt with `extra`; return at once when nothing changed since last time."""
    constraints = ROOT / os.environ.get("CONSTRAINTS", "constraints.txt")
    stamp = VENV / ".installed"
    wanted = f"{fingerprint(constraints)} {extra}"
    have = stamp.read_text() if stamp.exists() else ""
    if PYTHON.exists() and have in (wanted, wanted.replace(" course", " test")):
        return
    base = find_python()
    if not PYTHON.exists():
        check_disk(GIGABYTES_NEEDED["cuda" if has_nvidia() else "cpu"])
        say(f"creating {VENV.name} with {base}")
        create_venv(base)
    if not have and platform.system() == "Linux" and not has_nvidia():
        install_cpu_torch(constraints)
    say(f"installing tinygpt and what `{extra}` needs; the first time takes a few minutes")
    pip("install", "--editable", f"{ROOT}[{extra}]", "--constraint", str(constraints))
    stamp.write_text(wanted)


def fingerprint(constraints: Path) -> str:
    digest = hashlib.sha256(str(ROOT).encode())
    for path in (ROOT / "pyproject.toml", constraints):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def find_python() -> str:
    """This Python if the course supports it, else the newest supported one on the PATH."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return sys.executable
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        candidate = shutil.which(f"python3.{minor}")
        # Version managers leave shims on the PATH for Pythons that do not run: ask it.
        if candidate and run_quietly([candidate, "-c", "import venv, ensurepip"]):
            return candidate
    raise Stop(
        f"Python 3.{OLDEST[1]} to 3.{NEWEST[1]} is needed; {sys.executable} is {platform.python_version()}.\n"
        "Install one from https://www.python.org/downloads/ (Debian, Ubuntu: sudo apt install python3-venv;\n"
        "macOS: brew install python@3.12) and say which: make lab PYTHON=python3.12"
    )


def create_venv(base: str) -> None:
    shutil.rmtree(VENV, ignore_errors=True)
    result = subprocess.run([base, "-m", "venv", str(VENV)], capture_output=True, text=True)
    if result.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        raise Stop(
            f"{base} could not create a virtual environment in {VENV}:\n{result.stderr or result.stdout}\n"
            "Debian and Ubuntu ship this part apart: sudo apt install python3-venv, then try again."
        )


def install_cpu_torch(constraints: Path) -> None:
    """Take the CPU build, 0.2 GB instead of 3; where its index is out of reach, leave it to PyPI."""
    pin = re.search(r"^torch==\S+", constraints.read_text(), re.MULTILINE)
    torch = pin.group() if pin else "torch"
    say(f"installing the CPU build of {torch}")
    # No retries and a short wait: behind a firewall or offline, the next step should begin within seconds.
    once = ["--retries", "0", "--timeout", "10", "--quiet", "--quiet", "--no-deps"]
    command = [str(PYTHON), "-m", "pip", "install", torch, "--index-url", CPU_INDEX, *once]
    if subprocess.run(command, capture_output=True).returncode:
        say(f"{CPU_INDEX} could not be reached: taking torch from PyPI")


def pip(*arguments: str) -> None:
    """Run pip, showing only what it downloads and installs; raise Stop with its last lines when it fails."""
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", *arguments, "--progress-bar", "off"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    last: deque[str] = deque(maxlen=15)
    for line in process.stdout or ():
        last.append(line)
        if line.lstrip().startswith(("Downloading", "Installing")):
            print(f"  {line.strip()[:100]}", flush=True)
        if line.startswith("Installing collected packages"):
            say("unpacking; this takes about a minute")
    if process.wait():
        free = shutil.disk_usage(ROOT).free / 1e9
        raise Stop(
            f"{''.join(last)}\npip failed, as its last lines above say. {free:.1f} GB are free here.\n"
            "Without a network? The first run needs one. Disk full? Free some space, `make clean`, try again."
        )


def has_nvidia() -> bool:
    return Path("/proc/driver/nvidia/version").exists() or run_quietly(["nvidia-smi", "-L"])


def check_disk(needed: float) -> None:
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < needed:
        raise Stop(
            f"The environment needs {needed} GB of free disk; {ROOT} has {free:.1f} GB.\n"
            "Free some space (`pip cache purge` often gives several GB), or clone onto a larger disk."
        )


# The commands


def lab(rest: list[str]) -> int:
    command = [str(BIN / "tinygpt"), "lab", *rest]
    if os.name == "posix":
        os.chdir(str(ROOT))
        os.execv(command[0], command)  # so that Ctrl-C reaches JupyterLab, which then ends its kernels
    return run(command)


def test(rest: list[str]) -> int:
    """Everything: pytest on all cores, with the notebooks and, where there is a Node, the JavaScript."""
    sys.path.insert(0, str(ROOT / "tools"))
    import bubblewrap
    import chromium

    bubblewrap.ensure()
    environment = dict(os.environ, OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
    reason = chromium.ensure(PYTHON)
    if reason:
        if os.environ.get("CI"):
            raise Stop(f"In CI the browser tests must run. {reason}")
        say(f"the browser tests will be reported as not run. {reason}")
    # One torch thread for each worker: four times as fast as workers that fight for the cores.
    workers = [] if any(a in ("-n", "--pdb") or a.startswith("-n") for a in rest) else ["-n", "auto"]
    return run([str(PYTHON), "-m", "pytest", *workers, "--dist", "loadscope", *rest], environment)


def lint(rest: list[str]) -> int:
    check = run([str(PYTHON), "-m", "ruff", "check", *rest, str(ROOT)])
    return check or run([str(PYTHON), "-m", "ruff", "format", "--check", *rest, str(ROOT)])


def notebooks(rest: list[str]) -> int:
    return run([str(PYTHON), str(ROOT / "tools" / "notebooks.py"), *rest])


def plans(rest: list[str]) -> int:
    """Lays out the slides of the chapters, and writes their lecture plans."""
    slides = run([str(PYTHON), str(ROOT / "tools" / "slides.py"), *[a for a in rest if a[:1] != "-"]])
    return slides or run([str(PYTHON), str(ROOT / "tools" / "plans.py"), *rest])


def lineage(rest: list[str]) -> int:
    return run([str(PYTHON), str(ROOT / "tools" / "lineage.py"), *rest])


def exercises(rest: list[str]) -> int:
    return run([str(PYTHON), "-m", "tinygpt.grading.release", *rest])


def run(command: list[str], environment: dict[str, str] | None = None) -> int:
    return subprocess.run(command, cwd=str(ROOT), env=environment).returncode


def run_quietly(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def say(line: str) -> None:
    print(f"tinygpt: {line}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
