"""The stages of the lineage, and how one is run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tinygpt.lineage import drafting, english, instructing, preferring, pretraining, reasoning, thinking
from tinygpt.lineage.suite import suite

if TYPE_CHECKING:
    from tinygpt.lineage.recipe import Recipe
    from tinygpt.lineage.sizes import Size
    from tinygpt.models import GPT
    from tinygpt.tokenizers import Tokenizer
    from tinygpt.training.evaluate import Measurement


@dataclass(frozen=True)
class Stage:
    """One stage of the lineage.

    Attributes:
        name: as in `STAGES`.
        after: the stage whose model it trains on, or learns from; None where it begins from nothing.
        about: what it does, in a sentence.
        recipe: model, tokenizer, size and seed → what `fit` needs.
        begin: size and seed → an untrained model and a tokenizer, where `after` is None.
        exam: tokenizer → the measurements that make up its scores.
    """

    name: str
    after: str | None
    about: str
    recipe: Callable[[GPT, Tokenizer, Size, int], Recipe]
    begin: Callable[[Size, int], tuple[GPT, Tokenizer]] | None = None
    exam: Callable[[Tokenizer], dict[str, Measurement]] = suite


STAGES = {
    stage.name: stage
    for stage in (
        Stage("pretrain", None, "continues texts of Brambleford", pretraining.recipe, pretraining.begin),
        Stage("instruct", "pretrain", "answers requests in a chat", instructing.recipe),
        Stage("prefer", "instruct", "tells stories that end well", preferring.recipe),
        Stage("think", "prefer", "writes sums out step by step, carelessly", thinking.recipe),
        Stage("reason", "think", "writes them out with care", reasoning.recipe),
        Stage(
            "english", None, "continues documentation in English", english.recipe, english.begin, english.exam
        ),
        Stage("draft", "instruct", "guesses what instruct says", drafting.recipe, exam=drafting.exam),
    )
}
