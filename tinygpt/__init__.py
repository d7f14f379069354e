"""tinygpt: a small language model to train, open up and understand.

    import tinygpt as tg

Everything is reached from here; what is not needed is not imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_LAYERS = (
    "runtime",
    "tokenizers",
    "data",
    "models",
    "sampling",
    "training",
    "interp",
    "alignment",
    "lineage",
    "scaling",
    "views",
    "grading",
    "cli",
)

_SHORT = {
    "runtime": ("Budget", "best_device", "seed_all"),
    "tokenizers": ("Tokenizer", "train_bpe", "train_characters"),
    "models": ("GPT", "GPTConfig", "KVCache", "cost", "gpt2_shape", "taps"),
    "sampling": ("generate", "stream"),
    "training": ("Run", "TrainConfig", "fit", "load", "mean_loss", "next_token_loss", "save", "train_steps"),
    "interp": ("capture", "edit"),
    "alignment": ("add_lora",),
    "grading": ("load_work", "save_work"),
}

_HOME = {name: layer for layer, names in _SHORT.items() for name in names}

__all__ = [*_LAYERS, *_HOME]


def __getattr__(name: str) -> Any:
    if name in _LAYERS:
        return import_module(f"{__name__}.{name}")
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"tinygpt has no {name!r}; it has {', '.join(sorted(__all__))}.")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
