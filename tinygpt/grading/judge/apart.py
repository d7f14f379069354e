"""What a function returns, from a copy of this process that can be ended whatever it is doing.

A signal reaches Python between two of its steps. Some steps, of which a submission may set the size, take
hours: parsing code, a power of large numbers. A process can be ended in the midst of one.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, TypeVar

import torch

T = TypeVar("T")
GRACE = 10.0  # seconds for a copy to close its sandbox when it is interrupted


def apart(work: Callable[[], T], seconds: float) -> T:
    """Calls `work` in a copy of this process, on systems other than Linux in this one, without a deadline.

    Raises:
        TimeoutError: It took longer, and was ended.
        RuntimeError: The copy died.
        Exception: What `work` raises.
    """
    if sys.platform != "linux":
        return work()
    fork = multiprocessing.get_context("fork")  # sees all that this process has loaded, and starts at once
    answer, end = fork.Pipe(duplex=False)
    copy = fork.Process(target=_tell, args=(work, end), daemon=True)
    copy.start()
    end.close()
    try:
        if not answer.poll(seconds):
            copy.kill()
            raise TimeoutError(f"it took longer than {seconds:.0f} seconds.")
        found, error = answer.recv()
    except EOFError:
        copy.join()
        raise RuntimeError(f"its process died, with exit code {copy.exitcode}.") from None
    finally:
        copy.join(GRACE)
        copy.kill()
        copy.join()
        answer.close()
    if error is not None:
        raise error
    return found


def _tell(work: Callable[[], Any], end: Connection) -> None:
    """In the copy: one thread for PyTorch, whose others were not copied, and no life after its parent."""
    parent = multiprocessing.parent_process()
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    torch.set_num_threads(1)
    try:
        told = work(), None
    except BaseException as error:
        told = None, error
    end.send(told)
