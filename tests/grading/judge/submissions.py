"""Submissions that are hostile or unlucky, each with the score and the message that it must get.

All are asked for two exercises of chapter 3: `attention_weights` and `causal_attention`. A submission is the
sources of its code cells; `WEIGHTS` and `CAUSAL` are right answers, so that it is seen what each deed costs.
"""

from __future__ import annotations

from dataclasses import dataclass

SETUP = """
from importlib.util import find_spec
find_spec("tinygpt") or get_ipython().system("pip install -q tinygpt")
import tinygpt as tg
"""
IMPORTS = "import torch"
WEIGHTS = """
def attention_weights(q, k):
    return (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
"""
CAUSAL = """
def causal_attention(q, k, v):
    scores = q @ k.mT / q.shape[-1] ** 0.5
    future = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
    return scores.masked_fill(future, -torch.inf).softmax(-1) @ v
"""
STUB = """
def attention_weights(q, k):
    # your code here
    raise NotImplementedError
"""
CHECK = 'tg.grading.check("attention_weights", attention_weights)'
RIGHT = (SETUP, IMPORTS, WEIGHTS, CHECK, CAUSAL)


@dataclass(frozen=True)
class Submission:
    """What is handed in, and what must be said of it.

    Args:
        name: What it does.
        cells: The sources of its code cells.
        passes: The exercises that it gets full points for.
        mistake: The diagnosis of `attention_weights`, "" where it passes.
        says: Words that the report must hold.
        seconds: For one cell. What fills memory takes longer on a busy machine than what only loops.
    """

    name: str
    cells: tuple[str, ...]
    passes: tuple[str, ...] = ("attention_weights", "causal_attention")
    mistake: str = ""
    says: str = ""
    seconds: float = 6.0


def spoilt(name: str, line: str, mistake: str, says: str = "") -> Submission:
    """A submission whose `attention_weights` does something in place of an answer."""
    answer = f"def attention_weights(q, k):\n    {line}"
    return Submission(name, (SETUP, IMPORTS, answer, CAUSAL), ("causal_attention",), mistake, says)


TABLES = """
import ctypes, mmap, os, time
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_size_t] * 2 + [ctypes.c_int] * 3 + [ctypes.c_long]
for child in range(12):
    if os.fork() == 0:
        for place in range(64, 60_000):  # each page in a gigabyte of its own, all of them the one of zeros
            at = libc.mmap(place << 30, 4096, mmap.PROT_READ, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
            ctypes.c_char.from_address(at).value
        time.sleep(60)
time.sleep(50)
"""


def after(name: str, *cells: str, says: str = "", seconds: float = 6.0) -> Submission:
    """A right submission with more cells at its end."""
    return Submission(name, (*RIGHT, *cells), says=says, seconds=seconds)


UNLUCKY = (
    Submission("right", RIGHT),
    Submission("empty", (), (), "not found", "No cell defines `attention_weights`"),
    Submission("stub", (SETUP, IMPORTS, STUB, CAUSAL), ("causal_attention",), "not written"),
    Submission("imports deleted", (WEIGHTS, CAUSAL), ("attention_weights",)),
    Submission("cells in reverse", tuple(reversed(RIGHT))),
    Submission("answer copied below the stub", (SETUP, IMPORTS, STUB, WEIGHTS, STUB, CHECK, CAUSAL)),
    Submission(
        "answer split over cells",
        (
            SETUP,
            IMPORTS,
            "def scaled(q, k):\n    return q @ k.mT / q.shape[-1] ** 0.5",
            "def attention_weights(q, k):\n    return scaled(q, k).softmax(-1)",
            CAUSAL,
        ),
    ),
    Submission(
        "helper below its use",
        (
            SETUP,
            IMPORTS,
            "attention_weights = partial(weigh)",
            CAUSAL,
            "from functools import partial\n" + WEIGHTS.replace("attention_weights", "weigh"),
        ),
    ),
    Submission("all in one cell", ("\n".join(RIGHT),)),
    Submission(
        "magics",
        (
            "%matplotlib inline\n!pip list\n" + SETUP,
            "%%time\n" + IMPORTS,
            "%%bash\nrm -rf /",
            *RIGHT[2:],
            "files = !ls\ntorch.softmax?",
        ),
    ),
    after(
        "a cell that is no Python",
        "x = 1\nthis is no Python",
        says="SyntaxError: invalid syntax in line 2, `this is no Python`",
    ),
    Submission(
        "a bracket left open",
        (SETUP, IMPORTS, "def attention_weights(q, k):\n    return (q @ k.mT", CAUSAL),
        ("causal_attention",),
        "does not run",
        "Code cell 3, which defines `attention_weights`, does not run. SyntaxError",
    ),
    Submission(
        "an expression too deep to be read",
        (SETUP, IMPORTS, f"attention_weights = {'-' * 200_000}1", CAUSAL),
        ("causal_attention",),
        "does not run",
        "Code cell 3, which defines `attention_weights`, does not run.",
    ),
    after("a cell that raises", "1 / 0", says="ZeroDivisionError"),
    spoilt("a misspelt name", "return wieghts", "crash", "NameError"),
    spoilt(
        "NaN everywhere",
        "return torch.full((*q.shape[:-1], k.shape[-2]), float('nan'), dtype=q.dtype)",
        "wrong values",
    ),
    spoilt("returns nothing", "q @ k.mT", "wrong form", "returned None"),
    spoilt("returns a lambda", "return lambda: 0", "wrong form", "Wanted a tensor"),
    spoilt(
        "changes its input",
        "q /= q.shape[-1] ** 0.5\n    return (q @ k.mT).softmax(-1)",
        "changes its input",
        "Work on a copy",
    ),
    Submission(
        "not a function",
        (SETUP, IMPORTS, "attention_weights = 3", CAUSAL),
        ("causal_attention",),
        "not a function",
    ),
    Submission(
        "too many arguments",
        (SETUP, IMPORTS, "def attention_weights(q, k, v):\n    return q", CAUSAL),
        ("causal_attention",),
        "wrong arguments",
    ),
    after(
        "prints to standard error", "import sys, warnings\nprint('x', file=sys.stderr)\nwarnings.warn('x')"
    ),
    Submission(
        "prints while it answers",
        (SETUP, IMPORTS, WEIGHTS.replace("    return", "    print(q)\n    return"), CAUSAL),
    ),
    after("prints without end", "for _ in range(300):\n    print('x' * 1_000_000)"),
    after("reads what is typed", "input()", says="EOFError"),
    after("pretends to be on a GPU", "torch.zeros(3).cuda()"),
    after("closes its files", "import os\nfor n in (0, 1, 2):\n    os.close(n)"),
    after("an endless recursion", "def f(): f()\nf()", says="RecursionError"),
    after("a name that is a keyword", "class = 3", says="SyntaxError"),
    after("answers are deleted", "del attention_weights, causal_attention"),
    after(
        "answers are overwritten with their results",
        "attention_weights = attention_weights(*[torch.ones(1, 2, 4)] * 2)",
    ),
    after(
        "seeds and switches are left changed", "torch.manual_seed(3)\ntorch.set_default_dtype(torch.float16)"
    ),
    spoilt("a generator", "yield q", "wrong form", "Wanted a tensor"),
    spoilt(
        "another precision",
        "return (q.float() @ k.float().mT / q.shape[-1] ** 0.5).softmax(-1)",
        "wrong form",
    ),
    spoilt("a model in place of a tensor", "return torch.nn.Linear(3, 3)", "wrong form", "Linear"),
)
LOOP, DEATH = "while True: pass", "import os; os._exit(0)"
FORGERY = """
    import json, os, struct
    text = json.dumps({'done': True, 'passed': True, 'points': 99}).encode()
    for n in range(3, 40):
        try: os.write(n, struct.pack('<II', len(text), 0) + text)
        except OSError: pass"""
HOSTILE = (
    spoilt("loops in an answer", LOOP, "too slow", "never becomes false"),
    after("loops in a cell", LOOP, says="did not come to an end in time"),
    spoilt("sleeps in an answer", "import time; time.sleep(1000)", "too slow"),
    spoilt("exits in an answer", DEATH, "ended the process", "exit code 0"),
    after("exits in a cell", DEATH, says="took the whole Python process down"),
    after(
        "says what neither a file nor a terminal can take",
        "raise ValueError('\\ud800\\x1b[2J')",
        says="ValueError: \\ud800\\x1b[2J in line 1",
    ),
    after("raises SystemExit", "raise SystemExit", says="SystemExit"),
    after("raises KeyboardInterrupt", "raise KeyboardInterrupt", says="KeyboardInterrupt"),
    spoilt(
        "segmentation fault", "import ctypes; ctypes.string_at(0)", "ended the process", "segmentation fault"
    ),
    spoilt("memory bomb", "return bytearray(1 << 40)", "crash", "MemoryError"),
    after("memory bomb in a cell", "hoard = [bytes(1 << 30) for _ in range(1000)]", says="MemoryError"),
    after(
        "many processes that hold memory together",
        "import os, time\nfor _ in range(20):\n    if not os.fork():\n"
        "        hoard = bytearray(600 << 20); time.sleep(1000)\ntime.sleep(1000)",
        says="more memory together",
        seconds=60,
    ),
    after("kills all it can", "import os\ntry: os.kill(-1, 9)\nexcept ProcessLookupError: pass"),
    after(
        "stops itself",
        "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
        says="did not come to an end",
    ),
    after(
        "overflows the stack in C",
        "import sys\nsys.setrecursionlimit(10**9)\nx = []\nfor _ in range(10**6):\n    x = [x]\nrepr(x)",
        says="segmentation fault",
    ),
    after("closes the pipe", "import os\nos.closerange(3, 100)", says="process"),
    after("becomes root", "import os\nos.setuid(0)", says="PermissionError"),
    after(
        "lifts its limits",
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
        says="ValueError",
    ),
    after(
        "mounts a file system",
        "import ctypes\nassert not ctypes.CDLL(None).mount(b'x', b'/tmp', b'tmpfs', 0, 0)",
        says="AssertionError",
    ),
    after(
        "leaves its namespaces",
        "import subprocess\nsubprocess.run(['unshare', '--user', 'true'], check=True)",
        says="CalledProcessError",
    ),
    after(
        "hoards memory that no process maps", "import os\nos.memfd_create('hoard')", says="PermissionError"
    ),
    after(
        "hoards semaphores",
        "import ctypes\nassert ctypes.CDLL(None).semget(0, 32000, 0o600) >= 0",
        says="AssertionError",
    ),
    after("hoards what sockets hold", "import socket\nsocket.socketpair()", says="PermissionError"),
    after(
        "hoards links that have no content",
        "import os\nfor i in range(3_000_000): os.symlink('x' * 127, f'/box/{i}')",
        says="memory",
    ),
    after(
        "hoards links, behind a process that has ended",
        "import os, time\nif os.fork() == 0:\n"
        "    for i in range(3_000_000): os.symlink('x' * 127, f'/box/{i}')\n"
        "time.sleep(0.5)\nif os.fork() == 0: os._exit(0)\nos.wait(), os.wait()",
        says="memory",
        seconds=60,
    ),
    after("hoards memory shared by nobody", "import mmap\nmmap.mmap(-1, 1 << 20)", says="PermissionError"),
    after("hoards zeros", "open('/dev/zero', 'r+b')", says="FileNotFoundError"),
    after("hoards tables of pages of zeros", TABLES, says="memory", seconds=60),
    after(
        "hoards what pipes are given",
        "import ctypes, os\nassert ctypes.CDLL(None).vmsplice(os.pipe()[1], None, 0, 0) == 0",
        says="AssertionError",
    ),
    after(
        "hoards locks",
        "import fcntl\nfcntl.lockf(open('/box/x', 'w'), fcntl.LOCK_EX, 1)",
        says="PermissionError",
    ),
    after(
        "hoards attributes",
        "import os\nopen('/box/x', 'w')\nos.setxattr('/box/x', 'user.x', b'')",
        says="PermissionError",
    ),
    after("leaves a virtual machine", "import socket\nsocket.socket(socket.AF_VSOCK)", says="OSError"),
    after("writes into the packages", "open(torch.__file__, 'a')", says="Cell 6"),
    after(
        "looks for a secret in the variables",
        "import os, glob\nfor path in glob.glob('/proc/[0-9]*/environ'):\n"
        "    try: assert 'secret' not in (str(os.environ) + open(path).read()).lower()\n"
        "    except OSError: pass",
    ),
    after(
        "looks into the processes of others",
        "import os\nassert [p for p in os.listdir('/proc') if p.isdigit() and int(p) > 500]",
        says="AssertionError",
    ),
    after("fork bomb", "import os\nwhile True:\n    os.fork()", says="BlockingIOError"),
    after(
        "thread bomb",
        "import threading, time\nwhile True:\n    threading.Thread(target=time.sleep, args=(9,)).start()",
        says="can't start new thread",
    ),
    after("a copy of itself that answers too", "import os\nos.fork()"),
    after(
        "a child that stays", "import subprocess\nsubprocess.Popen(['sleep', '4321'], start_new_session=True)"
    ),
    after(
        "fills the disk",
        "for i in range(1000):\n    open(f'/tmp/{i}', 'wb').write(b'0' * 10_000_000)",
        says="OSError",
    ),
    after("writes beside itself", "open('/etc/passwd', 'w')", says="OSError"),
    after("network", "import socket\nsocket.create_connection(('1.1.1.1', 53), timeout=3)", says="OSError"),
    after("reads the host's files", "open('/etc/passwd').read()", says="FileNotFoundError"),
    after(
        "looks for the references",
        "from tinygpt.grading.checks import EXERCISES\nEXERCISES[0].measured.__code__",
        says="AttributeError: __code__",
    ),
    spoilt(
        "asks the references",
        "from tinygpt.grading import EXERCISES\n    return EXERCISES['attention_weights'].reference(q, k)",
        "uses the checks",
        "Write the answer without it",
    ),
    spoilt(
        "computes with the references",
        "from tinygpt.grading import EXERCISES as known\n    return q @ known['attention_weights'].law(q, k)",
        "uses the checks",
    ),
    spoilt("huge answer", "return torch.zeros(200_000_000)", "crash", "a message may have"),
    spoilt("list that holds itself", "x = []; x.append(x); return x", "crash", "goes deeper"),
    spoilt(
        "shouts on the pipe",
        "import os\n    for n in range(3, 40):\n"
        "        try: os.write(n, b'{}' * 1000)\n        except OSError: pass",
        "garbled",
        "cannot be read",
    ),
    spoilt("forges a reply", FORGERY, "garbled", "replies to nothing that was asked"),
    spoilt(
        "pickle bomb",
        "class Bomb:\n        def __reduce__(self): return print, ('boom',)\n    return Bomb()",
        "wrong form",
        "Wanted a tensor",
    ),
    spoilt(
        "a tensor that agrees with everything",
        "class Yes(torch.Tensor):\n        def __eq__(self, other): return True\n"
        "    return torch.zeros(1).as_subclass(Yes)",
        "wrong form",
        "Wanted shape",
    ),
    Submission(
        "monkeypatched torch",
        (
            SETUP,
            IMPORTS,
            "torch.allclose = torch.equal = lambda *a, **k: True",
            "def attention_weights(q, k):\n    return q @ k.mT",
            CAUSAL,
        ),
        ("causal_attention",),
        "not scaled + no softmax",
    ),
    Submission(
        "tampers with the checks",
        (SETUP, IMPORTS, "tg.grading.check = lambda *a: 'passed'", STUB, CHECK, CAUSAL),
        ("causal_attention",),
        "not written",
    ),
    Submission(
        "right the first time only",
        (
            SETUP,
            IMPORTS,
            WEIGHTS.replace("attention_weights", "honest"),
            "seen = set()\ndef attention_weights(q, k):\n    first = q.shape not in seen\n"
            "    seen.add(q.shape)\n    return honest(q, k) if first else honest(q, k) * 0",
            CAUSAL,
        ),
        ("causal_attention",),
        "rows do not sum to 1",
    ),
    spoilt(
        "another answer each time",
        "return torch.rand(*q.shape[:-1], k.shape[-2], dtype=q.dtype)",
        "changes from call to call",
    ),
)
