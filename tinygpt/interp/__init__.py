"""Looking inside: reading activations, replacing them, and saying what a head does."""

from tinygpt.interp.attribution import attribute
from tinygpt.interp.heads import (
    ablate_heads,
    duplicate_scores,
    induction_scores,
    previous_token_scores,
    repeats_before,
    stack_heads,
)
from tinygpt.interp.hooks import Edit, capture, edit, mean_head, zero_head
from tinygpt.interp.lens import logit_lens, ranks
from tinygpt.interp.patching import cut_edges, lead, patch

__all__ = [
    "Edit",
    "ablate_heads",
    "attribute",
    "capture",
    "cut_edges",
    "duplicate_scores",
    "edit",
    "induction_scores",
    "lead",
    "logit_lens",
    "mean_head",
    "patch",
    "previous_token_scores",
    "ranks",
    "repeats_before",
    "stack_heads",
    "zero_head",
]
