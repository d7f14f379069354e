"""What a training run costs on paper: FLOPs, memory, time, energy and money."""

from __future__ import annotations

from dataclasses import dataclass

from tinygpt.scaling.laws import FLOPS


@dataclass(frozen=True)
class Chip:
    """An accelerator, as its maker describes it.

    Attributes:
        flops: peak per second, dense, at the precision that training uses.
        watts: the most it draws by itself.
        memory: in bytes.
    """

    flops: float
    watts: float
    memory: float


CHIPS = {
    "T4": Chip(65e12, 70, 16e9),
    "V100": Chip(125e12, 300, 32e9),
    "A100": Chip(312e12, 400, 80e9),
    "H100": Chip(989e12, 700, 80e9),
}
"""Peaks for float16 or bfloat16 without sparsity, from NVIDIA's data sheets of the SXM cards (T4: PCIe)."""

BYTES_PER_PARAMETER = 16
"""Weight, gradient and two AdamW moments, float32 each; activations come on top. Source: Rajbhandari et al.
2020, "ZeRO", section 3.1, which counts the same 16 for mixed precision."""

OVERHEAD = 1.1
"""Energy of the whole building per energy of its computers, as in the data centres of Patterson et al. 2021,
"Carbon Emissions and Large Neural Network Training"."""


@dataclass(frozen=True)
class Bill:
    """The bill of a training run.

    Attributes:
        flops: 6 · N · D.
        bytes: of weights, gradients and moments.
        chips: how many were assumed; at least as many as hold those bytes.
        seconds: wall time on them.
        joules: drawn, cooling included.
        dollars: for the chips' time.
    """

    flops: float
    bytes: float
    chips: int
    seconds: float
    joules: float
    dollars: float

    @property
    def days(self) -> float:
        """Wall time in days."""
        return self.seconds / 86_400

    @property
    def kilowatt_hours(self) -> float:
        """Energy in kWh."""
        return self.joules / 3.6e6


def bill(
    N: float,
    D: float,
    *,
    chip: str | Chip = "H100",
    chips: int | None = None,
    utilisation: float = 0.4,
    dollars_per_hour: float = 2.0,
    flops: float = FLOPS,
) -> Bill:
    """Returns what training N parameters on D tokens costs.

    Args:
        N, D: parameters and tokens.
        chip: a name in `CHIPS`, or a chip of your own.
        chips: how many; None takes as few as hold the weights, gradients and moments.
        utilisation: share of the peak that the run reaches, its model FLOPs utilisation.
        dollars_per_hour: price of one chip, which changes with the day: look it up.
        flops: per parameter and token.

    Raises:
        ValueError: when a number is not positive, the chip unknown, the utilisation above 1, or the chips too
            few to hold the model.

    Example:
        >>> gpt3 = bill(175e9, 300e9, chip="V100", chips=1024, utilisation=0.3)
        >>> f"{gpt3.flops:.2e} FLOPs, {gpt3.days:.0f} days"
        '3.15e+23 FLOPs, 95 days'
    """
    for name, number in {"N": N, "D": D, "dollars_per_hour": dollars_per_hour, "flops": flops}.items():
        if not number > 0:
            raise ValueError(f"{name} must be positive; got {number}.")
    if not 0 < utilisation <= 1:
        raise ValueError(f"utilisation is a share of the peak, above 0 and at most 1; got {utilisation}.")
    chip = _found(chip)
    least = -(-BYTES_PER_PARAMETER * N // chip.memory)
    chips = int(least) if chips is None else chips
    if chips < least:
        raise ValueError(f"{N:.3g} parameters need at least {least:.0f} such chips to train; got {chips}.")
    work = flops * N * D
    hours_of_one = work / (chip.flops * utilisation) / 3600
    return Bill(
        flops=work,
        bytes=BYTES_PER_PARAMETER * N,
        chips=chips,
        seconds=hours_of_one * 3600 / chips,
        joules=hours_of_one * 3600 * chip.watts * OVERHEAD,
        dollars=hours_of_one * dollars_per_hour,
    )


@dataclass(frozen=True)
class Published:
    """What a paper reports of a model: parameters, tokens, and the FLOPs of its training."""

    N: float
    D: float
    flops: float
    source: str


PUBLISHED = {
    "GPT-3": Published(174.6e9, 300e9, 3.14e23, "Brown et al. 2020, table D.1"),
    "Gopher": Published(280e9, 300e9, 5.76e23, "Hoffmann et al. 2022, table 3"),
    "Chinchilla": Published(70e9, 1.4e12, 5.76e23, "Hoffmann et al. 2022: the budget of Gopher"),
    "Llama 3 405B": Published(405e9, 15.6e12, 3.8e25, "Grattafiori et al. 2024, section 3.2"),
}
"""Models whose makers say what went into them."""


def _found(chip: str | Chip) -> Chip:
    if isinstance(chip, Chip):
        return chip
    if chip not in CHIPS:
        raise ValueError(f"chip must be one of {', '.join(CHIPS)}, or a Chip of your own; got {chip!r}.")
    return CHIPS[chip]
