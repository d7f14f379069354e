"""Looking inside: reading activations, replacing them, and saying what a head does."""

from tinygpt.interp.heads import (
    ablate_heads,
    duplicate_scores,
    induction_scores,
    previous_token_scores,
    repeats_before,
    stack_heads,
)
from tinygpt.interp.hooks import Edit, capture, edit, mean_head, zero_head

__all__ = [
    "Edit",
    "ablate_heads",
    "capture",
    "duplicate_scores",
    "edit",
    "induction_scores",
    "mean_head",
    "previous_token_scores",
    "repeats_before",
    "stack_heads",
    "zero_head",
]
