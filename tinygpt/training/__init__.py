"""Training: one loop for every stage, its losses, its checkpoints and its record."""

from tinygpt.training.checkpoint import Checkpoint, load, restore, save
from tinygpt.training.distributed import World, joined, world
from tinygpt.training.evaluate import evaluate
from tinygpt.training.fit import fit, mean_loss
from tinygpt.training.loop import NonFiniteLoss, Step, TrainConfig, TrainState, train_steps
from tinygpt.training.losses import linear_cross_entropy, next_token_loss
from tinygpt.training.optim import adamw, learning_rate, muon
from tinygpt.training.orthogonal import Muon, orthogonalised
from tinygpt.training.placement import autocast
from tinygpt.training.run import Run

__all__ = [
    "Checkpoint",
    "Muon",
    "NonFiniteLoss",
    "Run",
    "Step",
    "TrainConfig",
    "TrainState",
    "World",
    "adamw",
    "autocast",
    "evaluate",
    "fit",
    "joined",
    "learning_rate",
    "linear_cross_entropy",
    "load",
    "mean_loss",
    "muon",
    "next_token_loss",
    "orthogonalised",
    "restore",
    "save",
    "train_steps",
    "world",
]
