"""System calls that no answer needs and that limits do not reach, refused by a filter in the kernel.

A memfd, memory shared without a file, a segment or semaphores of System V, the buffers of a socket, pages
given to a pipe, locks, watches, attributes of files and a file system of one's own hold memory that no
process has mapped, so no watch over processes sees it. With a user namespace one may mount. Of sockets, vsock
even leads out of a virtual machine, whatever the network namespace says.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys

# Numbers on x86-64 and on ARM.
REFUSED = {
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "socketpair": (53, 199),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "ptrace": (101, 117),
    "unshare": (272, 97),
    "setns": (308, 268),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "io_uring_setup": (425, 425),
    "io_setup": (206, 0),
    "vmsplice": (278, 75),
    "inotify_init": (253, 26),
    "inotify_init1": (294, 26),
    "fanotify_init": (300, 262),
    "landlock_create_ruleset": (444, 444),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    "syslog": (103, 116),
}
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
CLONE, CLONE3, SOCKET, MMAP, FCNTL = (56, 220), 435, (41, 198), (9, 222), (72, 25)
NEW_USER = 0x10000000  # a flag of clone
SHARED, ANONYMOUS = 0x01, 0x20  # flags of mmap, harmless one by one
LOCKS = 6, 7, 37, 38  # what fcntl may be asked for: a lock on a part of a file
NUMBER, MACHINE = 0, 4  # where the filter finds the call and the machine
FIRST, SECOND, FOURTH = 16, 24, 40  # and arguments of the call
LOAD, EQUAL, ATLEAST, HAS, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, ERROR = 0x7FFF0000, 0x00050000


def refuse() -> None:
    """Installs the filter for this process and all that come from it. It cannot be taken off."""
    machine = os.uname().machine if sys.platform == "linux" else ""
    if machine not in MACHINES or sys.maxsize < 1 << 32:
        return
    steps = [struct.pack("<HBBI", *step) for step in program(*MACHINES[machine])]
    code = ctypes.create_string_buffer(b"".join(steps))
    head = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(code)))
    prctl = ctypes.CDLL(None).prctl
    prctl(38, 1, 0, 0, 0)  # no new privileges, which a filter wants
    prctl(22, 2, head, 0, 0)  # fails where the kernel has none; the sandbox is around this all the same


def program(column: int, machine: int) -> list[tuple[int, int, int, int]]:
    """The filter, in steps of (what to do, steps to skip if so, steps to skip if not, a number)."""
    allow, deny = (RETURN, 0, 0, ALLOW), (RETURN, 0, 0, ERROR | errno.EPERM)
    steps = [(LOAD, 0, 0, MACHINE), (EQUAL, 1, 0, machine), deny, (LOAD, 0, 0, NUMBER)]
    steps += [(ATLEAST, 0, 1, 0x40000000), deny]  # the same calls under other numbers
    for numbers in REFUSED.values():
        steps += [(EQUAL, 0, 1, numbers[column]), deny]
    # What clone3 is asked for lies in memory, where a filter cannot look. Without it, clone is used.
    steps += [(EQUAL, 0, 1, CLONE3), (RETURN, 0, 0, ERROR | errno.ENOSYS)]
    steps += [(EQUAL, 0, 4, CLONE[column]), (LOAD, 0, 0, FIRST), (HAS, 0, 1, NEW_USER), deny, allow]
    steps += [(EQUAL, 0, 1, SOCKET[column]), (RETURN, 0, 0, ERROR | errno.EAFNOSUPPORT)]
    steps += [(EQUAL, 0, 5, MMAP[column]), (LOAD, 0, 0, FOURTH)]
    steps += [(HAS, 0, 2, SHARED), (HAS, 0, 1, ANONYMOUS), deny, allow]
    steps += [(EQUAL, 0, 2 * len(LOCKS) + 2, FCNTL[column]), (LOAD, 0, 0, SECOND)]
    steps += [step for lock in LOCKS for step in ((EQUAL, 0, 1, lock), deny)] + [allow]
    return [*steps, allow]
