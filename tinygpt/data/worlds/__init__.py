"""Generated worlds: text whose true probability is known exactly."""

from tinygpt.data.worlds.chores import CHORES, CHORES_WORDS, Chore, chore, chore_score, walk
from tinygpt.data.worlds.foretold import foretold, token_truth
from tinygpt.data.worlds.grammar import first_mistake
from tinygpt.data.worlds.induction import repeat_nats, repeat_periods, repeats
from tinygpt.data.worlds.letters import letter_lesson, letter_pieces
from tinygpt.data.worlds.lexicon import render
from tinygpt.data.worlds.numbers import addition, comparison, in_base
from tinygpt.data.worlds.registry import (
    REGISTRY_VALUES,
    REGISTRY_WORDS,
    Fact,
    registry,
    registry_entropy,
    registry_facts,
    registry_prompts,
)
from tinygpt.data.worlds.requests import (
    UNKNOWN,
    Request,
    fact_request,
    request,
    steps_of,
    story_end,
    story_wish,
    sum_request,
    terms_of,
)
from tinygpt.data.worlds.strings import STRING_WORDS, copying, counting
from tinygpt.data.worlds.tongues import TONGUES_WORDS, Translations, tongues_text, translations
from tinygpt.data.worlds.tracer import Document
from tinygpt.data.worlds.village import brambleford, brambleford_facts
from tinygpt.data.worlds.vocabulary import Words
from tinygpt.data.worlds.walks import forks, walks
from tinygpt.data.worlds.zipf import ALMANAC_VOCAB_SIZE, almanac, almanac_entropy, almanac_nats

__all__ = [
    "ALMANAC_VOCAB_SIZE",
    "CHORES",
    "CHORES_WORDS",
    "REGISTRY_VALUES",
    "REGISTRY_WORDS",
    "STRING_WORDS",
    "TONGUES_WORDS",
    "UNKNOWN",
    "Chore",
    "Document",
    "Fact",
    "Request",
    "Translations",
    "Words",
    "addition",
    "almanac",
    "almanac_entropy",
    "almanac_nats",
    "brambleford",
    "brambleford_facts",
    "chore",
    "chore_score",
    "comparison",
    "copying",
    "counting",
    "fact_request",
    "first_mistake",
    "foretold",
    "forks",
    "in_base",
    "letter_lesson",
    "letter_pieces",
    "registry",
    "registry_entropy",
    "registry_facts",
    "registry_prompts",
    "render",
    "repeat_nats",
    "repeat_periods",
    "repeats",
    "request",
    "steps_of",
    "story_end",
    "story_wish",
    "sum_request",
    "terms_of",
    "token_truth",
    "tongues_text",
    "translations",
    "walk",
    "walks",
]
