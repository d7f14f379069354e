"""What a training run left behind: its steps, its measurements, its picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from tinygpt.training.curve import loss_curve
from tinygpt.training.loop import Step

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass
class Run:
    """The history of a training run; shows itself as a loss curve with its ruler.

    Attributes:
        steps: one `Step` per optimiser step.
        measured: for each measurement its (step, value) pairs; step n means after n steps.
        ruler: losses to compare with, name → nats.
        interrupted: whether the run was stopped before its last step.
        total: steps that were asked for.
    """

    steps: list[Step] = field(default_factory=list)
    measured: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    ruler: dict[str, float] = field(default_factory=dict)
    interrupted: bool = False
    total: int = 0

    @property
    def losses(self) -> list[float]:
        """The training loss of each step, in nats."""
        return [s.loss for s in self.steps]

    @property
    def final_loss(self) -> float:
        """Mean training loss of the last tenth of the steps, in nats; less noisy than the last one."""
        if not self.steps:
            raise ValueError("the run has no step yet, so it has no loss.")
        tail = self.losses[-max(1, len(self.steps) // 10) :]
        return sum(tail) / len(tail)

    @property
    def seconds(self) -> float:
        """Time spent in steps; measurements and pictures not counted."""
        return sum(s.seconds for s in self.steps)

    @property
    def tokens_per_second(self) -> float:
        """Training throughput."""
        return sum(s.tokens for s in self.steps) / max(self.seconds, 1e-9)

    def series(self, name: str) -> tuple[list[int], list[float]]:
        """Returns steps and values of one measurement.

        Raises:
            KeyError: naming the measurements that there are.
        """
        if name not in self.measured:
            raise KeyError(f"nothing was measured as {name!r}; there are {sorted(self.measured)}.")
        steps, values = zip(*self.measured[name], strict=True)
        return list(steps), list(values)

    def plot(self, ax: Axes | None = None, *, measurements: Sequence[str] = ()) -> Axes:
        """Draws the loss with its ruler, and chosen measurements, with matplotlib. Returns the axes."""
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.subplots(figsize=(8, 4))[1]
        ax.plot(range(1, len(self.steps) + 1), self.losses, color="#0072B2", label="training loss")
        for name in measurements:
            ax.plot(*self.series(name), "o-", color="#B97F00", label=name)
        for value in self.ruler.values():
            ax.axhline(value, color="#666666", linestyle="--", linewidth=1)
        low, high = ax.get_ylim()
        placed = math.inf
        for name, value in sorted(self.ruler.items(), key=lambda item: -item[1]):
            placed = min(value, placed - 0.055 * (high - low))  # names that would overlap are pushed apart
            ax.annotate(
                f"{name} {value:.2f}", (1.01, placed), xycoords=("axes fraction", "data"), va="center"
            )
        ax.set(xlabel="step", ylabel="loss (nats)")
        ax.legend()
        return ax

    def headline(self) -> str:
        """One line that says how the run went."""
        if not self.steps:
            return "no step yet"
        state = "stopped at" if self.interrupted else "step"
        return (
            f"{state} {len(self.steps)} of {self.total or len(self.steps)} · loss {self.final_loss:.3f} · "
            f"{self.tokens_per_second:,.0f} tokens/s · {self.seconds:.0f} s"
        )

    def svg(self, *, title: str | None = None, total: int | None = None) -> str:
        """Returns the picture: the loss, measurements whose name contains "loss", and the ruler."""
        losses = {name: points for name, points in self.measured.items() if "loss" in name}
        return loss_curve(
            self.losses, title=title or self.headline(), measured=losses, ruler=self.ruler, total=total
        )

    def __repr__(self) -> str:
        return f"Run({self.headline()})"

    def _repr_svg_(self) -> str | None:
        return self.svg() if self.steps else None

    def to_dict(self) -> dict[str, Any]:
        """Returns the run as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, kept: dict[str, Any]) -> Run:
        """Returns the run that `to_dict` described."""
        measured = {name: [(int(s), v) for s, v in points] for name, points in kept["measured"].items()}
        return cls(**{**kept, "steps": [Step(**step) for step in kept["steps"]], "measured": measured})
