"""How several processes share a step: each takes its rows of the batch, and their gradients are averaged.

`torchrun --nproc-per-node 2 -m tinygpt train` starts the processes, `joined` makes one `World` of them, and
the training loop asks `world()` for it. A process that has joined nothing is a world of one, in which all of
this does nothing.

The gradients travel once per step, as one flat tensor, after the backward pass; the weights become those of
PyTorch's `DistributedDataParallel`, bit for bit. That sends them in buckets while the backward pass still
runs, which hides the transfer between GPUs, but it wraps the model: a loss function would no longer get the
model it was written for. Where weights are many enough for it to matter, `shard` overlaps too.

Source: Li et al. 2020, "PyTorch Distributed: Experiences on Accelerating Data Parallel Training", section 3;
    Zhao et al. 2023, "PyTorch FSDP", section 3, for `shard`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from tinygpt.models import uncompiled
from tinygpt.training.placement import mapped

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """The processes that share each step, and which of them this one is.

    A loss is a mean over a process's own rows, and the mean of those is the loss of the step: each process
    counts the same. Where equally many targets of each row count, as in pretraining, that is the loss of the
    whole batch; where targets are masked, it is the one of `accumulate` smaller batches.

    Attributes:
        rank: number of this process, from 0; the first one prints, draws and writes.
        size: how many there are.

    Example:
        >>> World(rank=1, size=2).rows(torch.arange(6))
        tensor([1, 3, 5])
    """

    rank: int = 0
    size: int = 1

    @property
    def device(self) -> torch.device:
        """Where this process of several computes: on its GPU if there are some, else on the CPU."""
        return torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")

    def rows(self, batch: Any) -> Any:
        """Returns this process's rows of each tensor in the batch: every `size`-th, from `rank` on.

        Raises:
            ValueError: when there are not equally many for each process.
        """
        return batch if self.size == 1 else mapped(batch, self._rows)

    def _rows(self, whole: Tensor) -> Tensor:
        if whole.ndim and len(whole) % self.size:
            raise ValueError(
                f"a batch of {len(whole)} rows cannot be shared equally by {self.size} processes. "
                f"Choose a batch_size that {self.size} divides."
            )
        return whole[self.rank :: self.size] if whole.ndim else whole

    def align(self, model: nn.Module) -> None:
        """Gives each process the first one's weights."""
        if self.size > 1 and not sharded(model):
            for tensor in [*model.parameters(), *model.buffers()]:
                dist.broadcast(tensor.detach(), 0)

    def average(self, model: nn.Module) -> None:
        """Replaces each gradient by its mean over the processes; sharded ones were averaged on the way."""
        if self.size == 1 or sharded(model):
            return
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        flat = torch.cat([grad.flatten() for grad in grads])
        dist.all_reduce(flat)
        flat /= self.size
        for grad, mean in zip(grads, flat.split([grad.numel() for grad in grads]), strict=True):
            grad.copy_(mean.view_as(grad))

    def mean(self, numbers: Sequence[float]) -> list[float]:
        """Returns the mean of each number over the processes, which all get the same answer."""
        if self.size == 1:
            return list(numbers)
        total = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        dist.all_reduce(total)
        return (total / self.size).tolist()

    def any(self, flag: bool) -> bool:
        """Whether it is so in at least one process, which all get the same answer."""
        return self.mean([flag])[0] > 0

    def first(self, value: T) -> T:
        """Returns the first process's value, in each process."""
        box = [value]
        if self.size > 1:
            dist.broadcast_object_list(box, 0, device=self.device)
        return box[0]

    def measures(self, model: nn.Module) -> bool:
        """Whether this process calls the model between the steps: of a sharded one each has to, else one."""
        return self.rank == 0 or sharded(model)


def world() -> World:
    """Returns the world that this process is part of: of one, unless it is inside `joined`.

    Example:
        >>> world()
        World(rank=0, size=1)
    """
    if dist.is_available() and dist.is_initialized():
        return World(dist.get_rank(), dist.get_world_size())
    return World()


@contextmanager
def joined() -> Iterator[World]:
    """Joins the processes that torchrun started, if it did, until the block ends.

    Inside it each `fit` and `train_steps` is shared: all processes call it with the same arguments.

    Raises:
        ValueError: when a machine has GPUs, but fewer than processes.

    Example:
        >>> with joined() as crew:
        ...     crew.size
        1
    """
    if not (dist.is_available() and dist.is_torchelastic_launched()):
        yield world()
        return
    if on_gpus := torch.cuda.is_available():
        torch.cuda.set_device(_own_gpu(int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()))
    dist.init_process_group("nccl" if on_gpus else "gloo")
    try:
        yield world()
    finally:
        dist.destroy_process_group()


def _own_gpu(number: int, gpus: int) -> int:
    if number >= gpus:
        raise ValueError(
            f"process {number} of this machine, counted from 0, has no GPU of its own: there are {gpus}. "
            f"Start torchrun with --nproc-per-node {gpus}, or with CUDA_VISIBLE_DEVICES= to use the CPU."
        )
    return number


def shard(model: nn.Module) -> None:
    """Spreads weights, gradients and moments over the processes; each block is put together when it is used.

    To be called before the optimiser is made; `TrainConfig(shard=True)` does both.

    Raises:
        ValueError: when there is one process only, or this PyTorch cannot do it here.
    """
    crew = world()
    if crew.size == 1:
        raise ValueError(
            "sharding spreads the weights over several processes; this is the only one. Start them with "
            "torchrun --nproc-per-node 2 -m tinygpt train, or leave --shard out (--no-shard when resuming)."
        )
    # Imported here: half a second, for those who do not shard.
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    _check_scatter(crew)
    crew.align(model)
    mesh = init_device_mesh(crew.device.type, (crew.size,))
    stacks = [part for part in model.modules() if isinstance(part, nn.ModuleList)]
    for part in [*(block for stack in stacks for block in stack), model]:
        fully_shard(part, mesh=mesh)


def _check_scatter(crew: World) -> None:
    scatter = getattr(dist, "reduce_scatter_single", dist.reduce_scatter_tensor)  # the newer name
    try:
        scatter(*(torch.zeros(n, device=crew.device) for n in (1, crew.size)))
    except (RuntimeError, NotImplementedError) as error:
        raise ValueError(
            f"this PyTorch ({torch.__version__}) cannot shard with {dist.get_backend()} ({error}). "
            "Leave --shard out, or take a newer PyTorch."
        ) from None


def sharded(model: nn.Module) -> bool:
    """Whether each process holds its part of the weights only."""
    return hasattr(uncompiled(model), "reshard")  # what fully_shard adds; its class is costly to import


def whole(tensor: Tensor) -> Tensor:
    """Returns a tensor that may be sharded as a whole; then all processes have to ask for it."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def like(tensor: Tensor, other: Tensor) -> Tensor:
    """Returns a whole tensor sharded as another one is, or as it is if that one is whole."""
    if not hasattr(other, "full_tensor"):
        return tensor
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(tensor.to(other.device), other.device_mesh, other.placements)
