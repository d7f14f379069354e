"""Calls a function with many settings on a Ray cluster, which decides where and runs again what is lost."""

from __future__ import annotations

from collections.abc import Iterator

from tinygpt.scaling.workers import ON_ONE_GPU, Outcome, Run, Setting, tried

RETRIES = 3
"""How often a run is made again when the process or the machine it was on is lost."""


def on_ray(run: Run, settings: list[Setting], address: str, workers: int | None) -> Iterator[Outcome]:
    """Yields outcomes as they come.

    Args:
        run: must be importable on every machine of the cluster, or small enough to send.
        settings: what to run, each on one core, and on a share of a GPU where the cluster has any.
        address: of the cluster; "auto" finds the one on this machine, "local" starts one.
        workers: runs that share a GPU; None means four.

    Raises:
        ImportError: when Ray is not installed.
    """
    try:
        import ray
    except ImportError:
        raise ImportError('a sweep on a cluster needs Ray: pip install "tinygpt[ray]"') from None
    ours = not ray.is_initialized()
    if ours:
        ray.init(None if address == "local" else address, log_to_driver=False)
    share = 1 / (workers or ON_ONE_GPU) if ray.cluster_resources().get("GPU") else 0
    task = ray.remote(tried).options(num_cpus=1, num_gpus=share, max_retries=RETRIES)
    left = {task.remote(run, setting): setting for setting in settings}
    try:
        while left:
            (reference,), _ = ray.wait(list(left), num_returns=1)
            setting = left.pop(reference)
            try:
                outcome = ray.get(reference)
            except ray.exceptions.RayError as error:
                outcome = ({}, 0.0, f"{type(error).__name__}: {error}".strip().splitlines()[0])
            yield (setting, *outcome)
    finally:
        for reference in left:
            ray.cancel(reference, force=True)
        if ours:
            ray.shutdown()
