"""`tinygpt sample`: continue a prompt with a trained model, token by token as it is written."""

from __future__ import annotations

import codecs
import time
from dataclasses import dataclass

from tinygpt import runtime, training
from tinygpt.cli.flags import add_flags, chosen
from tinygpt.cli.parser import Parser
from tinygpt.models import GPT
from tinygpt.sampling import Filter, greedy, min_p, stream, temperature, top_k, top_p
from tinygpt.tokenizers import Tokenizer


@dataclass(frozen=True)
class SampleOptions:
    """What to continue, and how to choose.

    Args:
        prompt: text to continue; special tokens in it count as such.
        tokens: how many tokens to add at most; a special token, which ends a document, ends it earlier.
        temperature: below 1 sharpens, above 1 flattens; 0 always takes the likeliest token.
        top_k: keep the k likeliest tokens; 0 keeps all.
        top_p: keep the fewest likeliest tokens that reach this probability together; 1 keeps all.
        min_p: keep tokens at least this fraction as likely as the likeliest; 0 keeps all.
        seed: makes the draw repeatable; -1 draws anew each time.
        samples: how many continuations.
    """

    prompt: str = "\n"
    tokens: int = 200
    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 0.95
    min_p: float = 0.0
    seed: int = -1
    samples: int = 1


def run(argv: list[str]) -> int:
    """Runs the command. Returns 0."""
    parser = Parser(prog="tinygpt sample", description=__doc__)
    parser.add_argument("model", nargs="?", default="model.safetensors", help="file that tinygpt train wrote")
    add_flags(parser, SampleOptions)
    values = parser.parse_args(argv)
    options = SampleOptions(**chosen(SampleOptions, values))
    runtime.use_threads(1)  # one token at a time is too little work to share
    kept = training.load(values.model)
    if kept.tokenizer is None:
        raise ValueError(f"{values.model} holds no tokenizer, so text cannot be turned into its tokens.")
    for i in range(options.samples):
        started = time.perf_counter()
        n = write(kept.model, kept.tokenizer, options, None if options.seed < 0 else options.seed + i)
        print(f"\n[{n} tokens, {n / (time.perf_counter() - started):,.0f} tokens/s]")
    return 0


def write(model: GPT, tokenizer: Tokenizer, options: SampleOptions, seed: int | None) -> int:
    """Prints the prompt and what follows, as it is drawn. Returns the number of tokens drawn."""
    prompt, filters = tokenizer.encode(options.prompt, allow_special=True), filters_of(options)
    ends = tokenizer.special_tokens.values()
    steps = stream(model, prompt, max_new_tokens=options.tokens, filters=filters, seed=seed, stop=ends)
    # A character may be spread over tokens; a model may also write bytes that are no character.
    text = codecs.getincrementaldecoder("utf-8")("replace")
    print(options.prompt, end="", flush=True)
    count = 0
    for step in steps:
        if step.item() not in ends:
            print(text.decode(tokenizer.decode_bytes(step.tolist())), end="", flush=True)
        count += 1
    print(text.decode(b"", final=True), end="")
    return count


def filters_of(options: SampleOptions) -> list[Filter]:
    """Returns the filters in the customary order: temperature, then the cuts."""
    if options.temperature == 0:
        return [greedy()]
    filters = [temperature(options.temperature)]
    if options.top_k:
        filters.append(top_k(options.top_k))
    if options.top_p != 1:
        filters.append(top_p(options.top_p))
    if options.min_p != 0:
        filters.append(min_p(options.min_p))
    return filters
