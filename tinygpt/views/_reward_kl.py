"""The view of reward against KL: what each method gains, and how far it went from where it began."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygpt.views._host import View

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    Point = Mapping[str, float | Sequence[float]]

_LABELS = ("step", "n")


def reward_kl(methods: Mapping[str, Sequence[Point]], *, reward: str | None = None) -> RewardKL:
    """Shows reward against the KL from the policy that training began with: one line for each method.

    A checkpoint is a mapping such as {"step": 200, "kl": 3.1, "true": 0.4, "proxy": 0.9}: what is neither
    "step" nor "n" nor "kl" is a reward, and one or all of them are shown. Best of n is {"n": 4, "proxy": …},
    whose KL is `best_of_kl(n)` where none is given. A list in place of a number holds one value for each
    seed: shown is their mean, with a bar from the least to the largest.

    Args:
        methods: Name, such as "PPO", → its checkpoints in order. KL in nats per answer.
        reward: Which reward to open on; None is the first.

    Returns:
        A view that shows itself as the last line of a cell; `selected` is the locked (method, checkpoint).

    Raises:
        ValueError: There is no checkpoint, one lacks its KL or a reward that others have, or holds what is no
            finite number.

    Example:
        >>> ppo = [{"step": i, "kl": i, "true": 0.4 - i / 30, "proxy": i / 10} for i in range(10)]
        >>> best = [{"n": n, "true": 0.1 + n / 20, "proxy": 0.2 + n / 10} for n in (1, 2, 4)]
        >>> view = reward_kl({"PPO": ppo, "best of n": best})
        >>> view
        Reward against KL: PPO (10 checkpoints), best of n (3 checkpoints)
        >>> view.selected
        ('PPO', 9)

    Source: Gao et al. 2022, "Scaling Laws for Reward Model Overoptimization", figure 1, which has √KL across.
    """
    given = {name: [dict(point) for point in points] for name, points in methods.items()}
    if not given or not all(given.values()):
        raise ValueError(f"reward_kl needs a checkpoint of each method; got {list(given.items())[:3]}.")
    first = next(iter(given.values()))[0]
    rewards = [key for key in first if key not in ("kl", *_LABELS)]
    if not rewards or (reward is not None and reward not in rewards):
        raise ValueError(
            f"a checkpoint needs a reward{'' if reward is None else f' {reward!r}'}; "
            f"{next(iter(given))} has {rewards}."
        )
    lines = {name: [_checked(name, point, rewards) for point in points] for name, points in given.items()}
    return RewardKL(lines, rewards, reward or rewards[0])


@dataclass(frozen=True)
class _Checkpoint:
    """A label such as "step 200", and mean, least and largest of KL and rewards over the seeds."""

    label: str
    values: dict[str, tuple[float, float, float]]


class RewardKL(View):
    """The view that `reward_kl` returns."""

    _module = "reward_kl"
    _colours = 64

    def __init__(self, lines: dict[str, list[_Checkpoint]], rewards: list[str], opened: str) -> None:
        super().__init__()
        self._lines, self._rewards, self._opened = lines, rewards, opened
        name, points = next(iter(lines.items()))
        self._selected = [name, len(points) - 1]

    @property
    def selected(self) -> tuple[str, int]:
        """The (method, number of its checkpoint) that is locked."""
        name, number = self._selected
        return (str(name), int(number))

    def _header(self) -> dict[str, Any]:
        return {
            "rewards": self._rewards,
            "reward": self._opened,
            "methods": [
                {
                    "name": name,
                    "labels": [point.label for point in points],
                    "values": {
                        key: [[float(f"{v:.4g}") for v in point.values[key]] for point in points]
                        for key in ("kl", *self._rewards)
                    },
                }
                for name, points in self._lines.items()
            ],
            "selected": self._selected,
        }

    def _data(self) -> bytes:
        return b""

    def _text(self) -> str:
        sizes = [
            f"{name} ({len(points)} checkpoint{'s' * (len(points) > 1)})"
            for name, points in self._lines.items()
        ]
        lines = [f"Reward against KL: {', '.join(sizes)}"]
        for name, points in self._lines.items():
            told = []
            for reward in self._rewards:
                best = max(points, key=lambda point, of=reward: point.values[of][0])
                kl, value = best.values["kl"][0], best.values[reward][0]
                where = f" ({best.label})" if best.label else ""
                told.append(f"{reward} at most {value:.3g} at KL {kl:.3g} nats{where}")
            end = ", ".join(f"{key} {value[0]:.3g}" for key, value in points[-1].values.items())
            lines.append(f"{name}: {'; '.join(told)}; at the end {end}")
        return "\n".join(lines)

    def _figure(self) -> Figure:
        from tinygpt.views._reward_kl_figure import figure

        lines = {
            name: {key: np.array([point.values[key] for point in points]) for key in ("kl", *self._rewards)}
            for name, points in self._lines.items()
        }
        return figure(lines, self._rewards)


def _checked(name: str, point: dict[str, Any], rewards: list[str]) -> _Checkpoint:
    from tinygpt.alignment import best_of_kl

    if "kl" not in point and "n" in point:
        point = {**point, "kl": best_of_kl(int(point["n"]))}
    if missing := [key for key in ("kl", *rewards) if key not in point]:
        raise ValueError(f"a checkpoint of {name} lacks {missing[0]!r}: {point}. Each needs kl, {rewards}.")
    values = {}
    for key in ("kl", *rewards):
        seeds = np.atleast_1d(np.asarray(point[key], np.float64))
        if seeds.ndim != 1 or not seeds.size or not np.isfinite(seeds).all():
            raise ValueError(
                f"{key!r} of {name} must be a finite number, or one for each seed; got {point[key]}."
            )
        values[key] = (float(seeds.mean()), float(seeds.min()), float(seeds.max()))
    return _Checkpoint(" ".join(f"{key} {point[key]}" for key in _LABELS if key in point), values)
