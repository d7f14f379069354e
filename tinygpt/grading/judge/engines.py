"""The ways to run a program apart from this machine: docker, podman, bubblewrap, or none.

With each of them there is Python inside, the packages of this environment and tinygpt without its grading,
all read-only; no network, no other file of this machine, and no process but its own. What is written goes
to memory that ends with it.
"""

from __future__ import annotations

import io
import os
import shutil
import site
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from tinygpt.grading.judge.limits import Limits

INSIDE = Path(__file__).parent / "inside"
GRADING = Path(__file__).parents[1]
PACKAGE = Path(__file__).parents[2]
HOME, CODE = "/box", "/judge"
SYSTEM = ("/usr", "/lib", "/lib64", "/lib32", "/bin", "/etc/ld.so.cache")
IMAGE = "tinygpt-nothing:1"  # a container gets all it has from this machine, read-only
NOBODY = "65534:65534"
DEVICES = "null", "random", "urandom"  # of /dev/zero one could map memory that no limit counts
ENGINES = ("docker", "podman", "bubblewrap")
# Container clients hand these on, and passwords in them.
PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")


def engine(asked: str = "", *, unsafe: bool = False) -> str:
    """The first of `ENGINES` that makes a sandbox here, found by a trial; "none" where `unsafe` allows it.

    Args:
        asked: Try only this one.
        unsafe: Go on without a sandbox where there is none.

    Raises:
        ValueError: There is no sandbox that works; the message says what was tried and what to do.
    """
    if asked and asked not in ENGINES:
        raise ValueError(f"sandbox must be one of {', '.join(ENGINES)}; got {asked!r}.")
    troubles = {}
    for name in [asked] if asked else ENGINES:
        if not (trouble := _trouble(name)):
            return name
        troubles[name] = trouble
    if unsafe:
        return "none"
    tried = " ".join(f"{name}: {trouble}" for name, trouble in troubles.items())
    raise ValueError(
        f"A submission must run in a sandbox, and none works here. {tried} Grade on Linux (in WSL 2 or a "
        "virtual machine, too) with `sudo apt install bubblewrap` or `sudo apt install podman`. Only where "
        "every submission can be trusted with this account's files and network: --unsafe-no-sandbox."
    )


def command(name: str, program: Sequence[str], limits: Limits, title: str = "") -> list[str]:
    """The command that runs a program in a sandbox of that engine; `title` names a container."""
    return [*(_bubblewrap(limits) if name == "bubblewrap" else _container(name, limits, title)), *program]


def environment(home: str) -> dict[str, str]:
    """The variables that the program finds: nothing of this machine's."""
    quick = {"TINYGPT_BUDGET": "ci"}  # given cells that train need not do so for long
    return {"PATH": os.defpath, "HOME": home, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", **quick}


@cache
def _trouble(name: str) -> str:
    """Why this engine cannot be used here, in a sentence, or "" when it can."""
    if not sys.platform.startswith("linux"):
        return f"it would need Linux around the packages of this environment; this is {sys.platform}."
    if not shutil.which(_program(name)):
        return "it is not installed."
    try:
        if name != "bubblewrap":
            _import_nothing(name)
        # PyTorch itself, since the packages may lie where a sandbox does not look, say in a home folder.
        load = [sys.executable, "-I", "-c", "import torch"]
        trial = command(name, load, Limits(), f"tinygpt-trial-{os.getpid()}")
        done = subprocess.run(trial, capture_output=True, text=True, timeout=60, env=_own_environment())
    except subprocess.TimeoutExpired:
        return "it does not answer."
    says = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[0]
    return f"it makes no sandbox ({says[:200]})." if done.returncode else ""


def _program(name: str) -> str:
    return "bwrap" if name == "bubblewrap" else name


def _own_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in os.environ if name not in ("PYTHONPATH", "PYTHONHOME")}


# What there is inside


def shown() -> list[tuple[str, str]]:
    """What is to be seen inside, as pairs of a path here and a path there, outer folders first."""
    roots = {path for path in (*SYSTEM, sys.base_prefix, sys.prefix) if os.path.exists(path)}
    seen = [(path, path) for path in sorted(roots, key=len)]
    seen += [(str(PACKAGE), f"{CODE}/tinygpt"), (str(INSIDE), f"{CODE}/inside")]
    # The references are covered, wherever they would be seen, by what may be seen anyway.
    found = {GRADING, *(Path(path, "tinygpt", "grading") for path in (*sys.path, *site.getsitepackages()))}
    inside = [path for path in found if path.is_dir() and any(path.is_relative_to(root) for root in roots)]
    return seen + [(str(INSIDE), folder) for folder in (f"{CODE}/tinygpt/grading", *sorted(map(str, inside)))]


def _bubblewrap(limits: Limits) -> list[str]:
    line = [shutil.which("bwrap") or "bwrap", "--unshare-ipc", "--unshare-pid", "--unshare-net"]
    line += ["--unshare-uts", "--unshare-cgroup-try", "--die-with-parent", "--new-session"]
    # Root keeps what it needs to become somebody else and loses the rest; others stay who they are.
    root = ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    others = ["--unshare-user", *(["--disable-userns"] if _knows("--disable-userns") else [])]
    line += root if os.geteuid() == 0 else others
    for folder in ("/tmp", HOME):
        line += ["--perms", "1777", "--size", str(limits.files), "--tmpfs", folder]
    # Folders that bubblewrap makes on the way to what is shown would be closed to a guest; of --dir, open.
    above = {str(parent) for _, there in shown() for parent in Path(there).parents} - {"/"}
    for path in sorted(above, key=len):
        line += ["--dir", path]
    for here, there in shown():
        link = here == there and os.path.islink(here)
        line += ["--symlink", os.readlink(here), there] if link else ["--ro-bind", here, there]
    line += ["--proc", "/proc", "--tmpfs", "/dev"]
    for name in DEVICES:
        line += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
    return [*line, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", HOME]


@cache
def _knows(option: str) -> bool:
    """Whether the bubblewrap of this machine is new enough for an option."""
    return option in subprocess.run(["bwrap", "--help"], capture_output=True, text=True).stdout


def _container(client: str, limits: Limits, title: str) -> list[str]:
    line = [client, "run", "--rm", "--interactive", "--name", title, "--pull=never", "--log-driver=none"]
    line += ["--network=none", "--read-only", "--cap-drop=ALL", f"--user={NOBODY}"]
    line += ["--security-opt=no-new-privileges", "--security-opt=label=disable"]
    line += [
        f"--memory={limits.memory}",
        f"--memory-swap={limits.memory}",
        f"--pids-limit={limits.processes}",
    ]
    line += [f"--ulimit=nofile={limits.open}:{limits.open}", "--ulimit=nproc=4096:4096"]
    for folder in ("/tmp", HOME):
        line += ["--tmpfs", f"{folder}:rw,mode=1777,size={limits.files}"]
    for here, there in shown():
        line += ["--volume", f"{here}:{there}:ro"]
    unset = {name: "" for proxy in PROXIES for name in (proxy, proxy.upper())}
    for name, value in (unset | environment(HOME)).items():
        line += ["--env", f"{name}={value}"]
    # The first process of a container cannot be killed from inside, so this one ends what the judge cannot.
    lifetime = str(int(limits.total + limits.start))
    return [*line, f"--workdir={HOME}", IMAGE, "/usr/bin/timeout", "--signal=KILL", lifetime]


def _import_nothing(client: str) -> None:
    """Gives the client an image with nothing in it, unless it has one."""
    quiet = {"capture_output": True, "timeout": 60}
    if subprocess.run([client, "image", "inspect", IMAGE], **quiet).returncode:
        empty = io.BytesIO()
        tarfile.open(fileobj=empty, mode="w").close()
        subprocess.run([client, "import", "-", IMAGE], input=empty.getvalue(), **quiet)
