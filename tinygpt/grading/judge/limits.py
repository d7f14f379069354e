"""How much one submission may use."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    Args:
        start: Seconds until the worker has loaded PyTorch.
        cell: Seconds for one cell of the notebook.
        call: Seconds for one call of an answer.
        total: Seconds for everything, comparing included.
        cpu: Processor seconds of one worker.
        memory: Bytes, of all processes of the submission together, and of the address space of each. PyTorch
            alone takes about two gigabytes of address space.
        processes: Processes and threads together.
        files: Bytes of one file, and of all files of a folder together.
        open: Files and pipes that are open at once in one process.

    Raises:
        ValueError: One of them is not positive.
    """

    start: float = 60.0
    cell: float = 60.0
    call: float = 20.0
    total: float = 600.0
    cpu: int = 300
    memory: int = 4 << 30
    processes: int = 64
    files: int = 64 << 20
    open: int = 128

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not value > 0:
                raise ValueError(f"{name} must be positive; got {value}.")

    def of_process(self, *, counted: bool) -> dict[str, int]:
        """The limits that a process sets on itself, by their names in the module `resource`.

        Args:
            counted: The number of processes too; elsewhere it would count all that the account runs.
        """
        limits = {"AS": self.memory, "CPU": self.cpu, "FSIZE": self.files, "NOFILE": self.open, "CORE": 0}
        limits |= {"NPROC": self.processes} if counted else {}
        return {f"RLIMIT_{name}": int(most) for name, most in limits.items()}
