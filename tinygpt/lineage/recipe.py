"""What a stage of the lineage hands to `fit`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tinygpt.training import TrainConfig, next_token_loss
from tinygpt.training.loop import LossFn

if TYPE_CHECKING:
    from tinygpt.models import GPT
    from tinygpt.training.evaluate import Measurement


@dataclass(frozen=True)
class Recipe:
    """One stage's training: batches, a loss, and how to train.

    Attributes:
        batches: what `fit` draws from.
        config: how to train.
        data: what the batches are made of, in words.
        data_sha256: of that text, or of its first part where it is endless.
        loss_fn: as for `fit`.
        ruler: losses to compare with, as for `fit`.
        model: what is trained, if that is not the model of the stage before.
        exam: measurements that go with these data, beside the stage's own.
    """

    batches: Iterable[Any]
    config: TrainConfig
    data: str
    data_sha256: str
    loss_fn: LossFn = next_token_loss
    ruler: Mapping[str, float] = field(default_factory=dict)
    model: GPT | None = None
    exam: Mapping[str, Measurement] = field(default_factory=dict)


def sha256(texts: Iterable[str]) -> str:
    """Returns a hash of texts in order; other cuts between them give another hash."""
    digest = hashlib.sha256()
    for text in texts:
        data = text.encode()
        digest.update(f"{len(data)}:".encode() + data)
    return digest.hexdigest()
