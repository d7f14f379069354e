"""Sampling: which token comes next, and how to get there fast."""

from tinygpt.sampling.beam import BeamNode, Beams, beam_search
from tinygpt.sampling.coding import ArithmeticDecoder, ArithmeticEncoder
from tinygpt.sampling.compiled import Compiled, compiled
from tinygpt.sampling.compress import Predictor, compress, decompress
from tinygpt.sampling.constrain import TokenAutomaton, matching, token_automaton
from tinygpt.sampling.contrastive import contrastive_search
from tinygpt.sampling.decoder import Decoder
from tinygpt.sampling.diversity import distinct
from tinygpt.sampling.draws import pick, row_seeds
from tinygpt.sampling.fast import FastModel, fast, likeliest
from tinygpt.sampling.filters import (
    banned,
    greedy,
    logit_bias,
    min_p,
    temperature,
    top_k,
    top_n_sigma,
    top_p,
    typical,
)
from tinygpt.sampling.generate import generate, stream
from tinygpt.sampling.history import (
    HistoryFilter,
    frequency_penalty,
    no_repeat_ngram,
    presence_penalty,
    repetition_penalty,
)
from tinygpt.sampling.json_pattern import json_pattern
from tinygpt.sampling.pipeline import Filter, Stage, apply, trace
from tinygpt.sampling.prefixes import PromptCache
from tinygpt.sampling.rounding import Quantised, bits_per_weight, narrowest, nearest, quantise, rounded
from tinygpt.sampling.serving import Request, Served, serve
from tinygpt.sampling.speculative import Speculation, leftover, prompt_lookup, speculative

__all__ = [
    "ArithmeticDecoder",
    "ArithmeticEncoder",
    "BeamNode",
    "Beams",
    "Compiled",
    "Decoder",
    "FastModel",
    "Filter",
    "HistoryFilter",
    "Predictor",
    "PromptCache",
    "Quantised",
    "Request",
    "Served",
    "Speculation",
    "Stage",
    "TokenAutomaton",
    "apply",
    "banned",
    "beam_search",
    "bits_per_weight",
    "compiled",
    "compress",
    "contrastive_search",
    "decompress",
    "distinct",
    "fast",
    "frequency_penalty",
    "generate",
    "greedy",
    "json_pattern",
    "leftover",
    "likeliest",
    "logit_bias",
    "matching",
    "min_p",
    "narrowest",
    "nearest",
    "no_repeat_ngram",
    "pick",
    "presence_penalty",
    "prompt_lookup",
    "quantise",
    "repetition_penalty",
    "rounded",
    "row_seeds",
    "serve",
    "speculative",
    "stream",
    "temperature",
    "token_automaton",
    "top_k",
    "top_n_sigma",
    "top_p",
    "trace",
    "typical",
]
