"""One worker in its sandbox, and the watch over it: a deadline, and the memory of all its processes."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tinygpt.grading.judge.engines import CODE, HOME, INSIDE, PACKAGE, command, environment
from tinygpt.grading.judge.guard import spared
from tinygpt.grading.judge.limits import Limits

GUESTS = 200_000, 320_000  # the first of the user ids that root's workers get, and how many
LOOKS = 0.1  # seconds between two looks of the watch
GRACE = 5.0  # seconds for a sandbox to be gone after its processes
INODE = 2048  # bytes of memory that a file without content takes, and a link or a folder
PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def guest(which: str) -> int:
    """The account that a worker becomes, drawn anew for each; 0 where it stays who starts it.

    Root's processes have no number limit and read every file, so a worker that root starts becomes somebody
    else, unless it is in a container or could then not read Python. An id's processes are counted together.
    """
    if which in ("docker", "podman") or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return 0
    needed = [Path(path).resolve() for path in (sys.prefix, sys.base_prefix, PACKAGE)]
    closed = [path for one in needed for path in (one, *one.parents) if not path.stat().st_mode & 1]
    return 0 if which == "none" and closed else GUESTS[0] + secrets.randbelow(GUESTS[1])


class Sandbox:
    """One worker that waits for requests and gives replies, as raw bytes. `close` ends all it started.

    Args:
        which: What `engine` returned.
        limits: What the worker may use.
    """

    def __init__(self, which: str, limits: Limits) -> None:
        self.which, self.limits, self.verdict = which, limits, ""
        self._boxed, self._title = which != "none", f"tinygpt-{secrets.token_hex(8)}"
        self._home = "" if self._boxed else tempfile.mkdtemp(prefix="tinygpt-judge-")
        self._guest = guest(which)
        if self._home and self._guest:
            os.chown(self._home, self._guest, self._guest)
        worker = f"{CODE}/inside/worker.py" if self._boxed else str(INSIDE / "worker.py")
        program = [sys.executable, "-I", worker, json.dumps(self._terms())]
        self.process = subprocess.Popen(
            command(which, program, limits, self._title) if self._boxed else program,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=None if which in ("docker", "podman") else environment(self._home or HOME),
            start_new_session=True,
            bufsize=0,
        )
        assert self.process.stdin and self.process.stdout
        self._requests, self._replies = self.process.stdin, self.process.stdout
        self._lock, self._deadline, self._closed = threading.Lock(), float("inf"), threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)
        with spared():  # it would never start, nor this go on
            self._watch.start()

    def _terms(self) -> dict:
        """What the worker is told about itself."""
        limits = self.limits.of_process(counted=self.which == "bubblewrap" or self._guest > 0)
        home, path = (HOME, CODE) if self._boxed else (self._home, str(PACKAGE.parent))
        return {"limits": limits, "guest": self._guest, "home": home, "path": path}

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Gives the worker that long for the block; then it is killed, and `verdict` says so."""
        with self._lock:
            self._deadline = time.monotonic() + seconds
        try:
            yield
        finally:
            with self._lock:
                self._deadline = float("inf")

    def write(self, data: bytes) -> None:
        """Sends bytes.

        Raises:
            EOFError: The worker has ended, or was killed.
        """
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._requests.fileno(), view[: 1 << 20]) :]
        except OSError:
            raise EOFError from None

    def read(self, n: int) -> bytes:
        """The next n bytes.

        Raises:
            EOFError: The worker has ended, or was killed.
        """
        data = bytearray()
        while len(data) < n:
            part = os.read(self._replies.fileno(), min(n - len(data), 1 << 20))
            if not part:
                raise EOFError
            data += part
        return bytes(data)

    def close(self) -> None:
        """Kills the worker and waits for it. In a sandbox, all that it started ends with it."""
        self._closed.set()
        self._kill()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=GRACE)
        self._kill(everything=True)
        self.process.wait()
        self._watch.join()
        self._requests.close()
        self._replies.close()
        if self._home and self._guest:  # what has left the group
            end = [sys.executable, "-ISc", "import os; os.kill(-1, 9)"]
            subprocess.run(end, user=self._guest, group=self._guest, capture_output=True)
        if self._home:
            shutil.rmtree(self._home, ignore_errors=True)

    def _kill(self, everything: bool = False) -> None:
        """Ends what is in the sandbox, upon which the sandbox ends too; with `everything`, both at once."""
        if self.which in ("docker", "podman"):
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            subprocess.run([self.which, "rm", "--force", self._title], **quiet)
        held = _children(self.process.pid) if self.which == "bubblewrap" and not everything else []
        with suppress(ProcessLookupError, PermissionError):
            # The first process of a sandbox takes all others with it before it is gone.
            for pid in held:
                os.kill(pid, signal.SIGKILL)
            if not held and hasattr(os, "killpg"):
                os.killpg(self.process.pid, signal.SIGKILL)
            elif not held:
                self.process.kill()

    def _look(self) -> None:
        """Kills the worker when its time is over, or its processes hold too much memory together."""
        while not self._closed.wait(LOOKS) and self.process.poll() is None:
            with self._lock:
                if time.monotonic() > self._deadline:
                    self.verdict = "too slow"
                elif self._too_much():
                    self.verdict = "too much memory"
            if self.verdict:
                return self._kill()

    def _too_much(self) -> bool:
        try:
            return _held(self.process.pid, self.limits)
        except MemoryError:  # here, so that nothing can be told: rather none than one unwatched
            return True


def _held(pid: int, limits: Limits) -> bool:
    """Whether a process and all that come from it hold too much memory; False where it is not told.

    Pages that a process shares with the one it was copied from count once. That takes longer to find out, and
    is asked only where there would be too much with all of them counted for each.
    """
    pids = _family(pid)
    inodes = max(_inodes(one, limits) for one in pids)  # one that has ended shows no folders
    most = limits.memory - INODE * inodes - sum(map(_tables, pids))
    return sum(map(_resident, pids)) > most and sum(map(_proportional, pids)) > most


def _tables(pid: int) -> int:
    """Bytes of a process's page tables, which hold no page of its own if all it maps is the page of zeros."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/status").read_text().partition("\nVmPTE:")[2].split()[0]) * 1024
    return 0


def _inodes(pid: int, limits: Limits) -> int:
    """How many files, links and folders a sandbox holds in memory, seen with a process inside of it."""
    count = 0
    for folder in ("/tmp", HOME):
        with suppress(OSError):
            found = os.statvfs(f"/proc/{pid}/root{folder}")
            if found.f_blocks * found.f_frsize == limits.files:  # else it has not moved in yet
                count += found.f_files - found.f_ffree
    return count


def _resident(pid: int) -> int:
    """Bytes of memory of a process, shared ones too; 0 if it has ended."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    return 0


def _proportional(pid: int) -> int:
    """Bytes of memory of a process, each shared one divided by the number of those that share it."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return int(rollup.partition("\nPss:")[2].split()[0]) * 1024
    except (OSError, ValueError, IndexError):
        return _resident(pid)


def _family(pid: int) -> list[int]:
    return [pid, *(one for child in _children(pid) for one in _family(child))]


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []
