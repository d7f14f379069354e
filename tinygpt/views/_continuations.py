"""The likeliest continuations of a text: the logits after each, in as few bytes as their use allows."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jaxtyping import Float32, Float64, UInt16

    from tinygpt.models import GPT

    Path = tuple[int, ...]

STEPS = 65534  # between the least and the largest logit; the number above is −∞
NUMBERS = 32768  # of logits that a page keeps at most: 64 KiB
_EACH = 16  # of the tokens after a place, which may be read on from
_FIRST = 4  # of the tokens after the prompt, which come before deeper ones


@dataclass(frozen=True)
class Codes:
    """Logits as 16-bit whole numbers: logit = low + step · code.

    Example:
        >>> codes = Codes.of(np.array([1.0, 3.0, -np.inf], np.float32))
        >>> codes.logits().tolist()
        [1.0, 3.0, -inf]
    """

    codes: UInt16[np.ndarray, " V"]
    low: float
    step: float

    @classmethod
    def of(cls, logits: Float32[np.ndarray, " V"]) -> Codes:
        """The codes nearest to these logits, off by (largest − least) / 131,068 at most."""
        finite = np.isfinite(logits)
        if not finite.any() or np.isnan(logits).any() or (logits == np.inf).any():
            raise ValueError("logits must be finite, or −inf for what is cut, and not all of them −inf.")
        low, high = float(logits[finite].min()), float(logits[finite].max())
        step = (high - low) / STEPS or 1.0
        codes = np.full(logits.shape, STEPS + 1, np.uint16)
        codes[finite] = np.round((logits[finite].astype(np.float64) - low) / step)
        return cls(codes, low, step)

    def logits(self) -> Float64[np.ndarray, " V"]:
        """What the page computes with."""
        return np.where(self.codes > STEPS, -np.inf, self.low + self.step * self.codes.astype(np.float64))

    def packed(self) -> bytes:
        """All high bytes, then all low bytes: that deflates better."""
        return np.stack([self.codes >> 8, self.codes & 255]).astype(np.uint8).tobytes()


@dataclass
class Continuations:
    """What the model says after a text and after continuations of it, which are asked for as they are needed.

    Attributes:
        read: logits after some new tokens; None where there is no model to ask.
        known: codes by new tokens.
    """

    read: Callable[[Path], Float32[np.ndarray, " V"]] | None
    known: dict[Path, Codes] = field(default_factory=dict)

    def at(self, path: Path) -> Codes | None:
        """The codes after these tokens, or None where nobody can tell."""
        if path not in self.known and self.read is not None:
            self.known[path] = Codes.of(self.read(path))
        return self.known.get(path)

    def grow(self, count: int, depth: int) -> None:
        """Reads on, likeliest first, until `count` places are known, none farther than `depth` tokens."""
        self.at(())
        # (when its turn comes, surprise, new tokens)
        heap = [(rank if i >= _FIRST else -1.0, rank, path) for i, (rank, path) in enumerate(self._after(()))]
        heapq.heapify(heap)
        while heap and len(self.known) < count:
            _, base, path = heapq.heappop(heap)
            self.at(path)
            if len(path) < depth:
                for rank, more in self._after(path, base):
                    heapq.heappush(heap, (rank, rank, more))

    def _after(self, path: Path, base: float = 0.0) -> Iterator[tuple[float, Path]]:
        """The likeliest tokens after a path: −log p of the whole in nats, and the path with the token."""
        logits = self.known[path].logits()
        surprise = np.logaddexp.reduce(logits) - logits
        for token in np.argsort(surprise, kind="stable")[:_EACH]:
            if np.isfinite(surprise[token]):
                yield base + float(surprise[token]), (*path, int(token))


def reading(model: GPT, ids: list[int]) -> Callable[[Path], Float32[np.ndarray, " V"]]:
    """A function of new tokens that gives the model's logits after the text and them."""
    import torch

    def read(path: Path) -> Float32[np.ndarray, " V"]:
        seen = torch.tensor([[*ids, *path][-model.config.context :]], device=model.device)
        with torch.inference_mode():
            return model(seen)[0, -1].float().cpu().numpy()

    return read
