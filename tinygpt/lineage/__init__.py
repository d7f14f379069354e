"""One small model, followed from nothing to a reasoning assistant: stages, their exam, their checkpoints."""

from tinygpt.lineage.answers import Answer, answers
from tinygpt.lineage.cards import card_text
from tinygpt.lineage.run import train_stage
from tinygpt.lineage.shipped import shipped, spread_of
from tinygpt.lineage.sizes import SIZES
from tinygpt.lineage.stages import STAGES
from tinygpt.lineage.suite import right, suite

__all__ = [
    "SIZES",
    "STAGES",
    "Answer",
    "answers",
    "card_text",
    "right",
    "shipped",
    "spread_of",
    "suite",
    "train_stage",
]
