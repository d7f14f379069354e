"""The chat view: one prompt to several models side by side, or to one under a mixture of adapters."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from tinygpt.views._host import View

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tinygpt.models import GPT
    from tinygpt.sampling import Filter
    from tinygpt.tokenizers import Tokenizer

    Mix = Mapping[str, float]

_SECONDS = 0.05  # between two messages of an answer that is being written


@dataclass
class Turn:
    """A prompt, the mixture of adapters it was answered under, and what each model said.

    Attributes:
        prompt: what was asked.
        mix: adapter → share; empty where no model has adapters.
        answers: model → its answer, or why there is none.
        refused: the models that could not answer.
    """

    prompt: str
    mix: dict[str, float] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)


def chat(
    models: GPT | Mapping[str, GPT | tuple[GPT, Tokenizer]],
    tok: Tokenizer | None = None,
    prompts: Sequence[str] = (),
    *,
    mix: Mix | Sequence[Mix] | None = None,
    raw: Collection[str] = (),
    system: str | None = None,
    memory: bool = True,
    max_new_tokens: int = 80,
    filters: Iterable[Filter] = (),
    seed: int = 0,
) -> Chat:
    """Asks one model, or several side by side, and lets the reader ask on while the kernel runs.

    What was asked in `prompts` is recorded, and shown where there is no kernel. Whoever types a special token
    types text: prompts are encoded by `chat_ids`.

    The view only reads the models: it draws with a generator of its own and mixes adapters in a copy, so it
    cannot disturb a training. While a cell runs, an answer waits for it to end, or, where the front-end lets
    widgets speak in between, comes from the weights as they are then. A model whose activations are being
    captured or edited refuses.

    Args:
        models: A model, or models by name, each with its tokenizer or all with `tok`. With adapters there is
            a slider for each.
        tok: The tokenizer of those that come without.
        prompts: Asked now, one after the other.
        mix: Shares of adapters for `prompts`, and what the sliders open on; several mixtures ask each prompt
            under each of them. None is the mixture in use. An adapter that is not named is off.
        raw: Names of models that continue the prompt as plain text, as a base model does.
        system: What the conversation begins with.
        memory: Whether a model reads the conversation so far, or each prompt by itself.
        max_new_tokens: Where an answer is cut off.
        filters: As in `tinygpt.sampling.generate`.
        seed: Turn i draws with seed + i, every model alike.

    Returns:
        A view that shows itself as the last line of a cell; `turns` is what was said, the reader's turns too.

    Raises:
        ValueError: A model has no tokenizer, or its tokenizer no chat tokens; `raw` or `mix` name what is not
            there.

    Example:
        >>> from tinygpt.alignment import CHAT_TOKENS
        >>> from tinygpt.models import GPT, GPTConfig
        >>> from tinygpt.tokenizers import train_characters
        >>> tok = train_characters("user asitn?\\n", special_tokens=CHAT_TOKENS)
        >>> models = {n: GPT(GPTConfig(vocab_size=tok.vocab_size, n_layers=1), seed=n) for n in (1, 2)}
        >>> view = chat({"base": models[1], "tuned": models[2]}, tok, ["is it?"], raw=["base"])
        >>> view
        Chat view: base and tuned, 1 prompt
        >>> sorted(view.turns[0].answers)
        ['base', 'tuned']
    """
    named = dict(models) if isinstance(models, Mapping) else {"model": models}
    pairs = {name: one if isinstance(one, tuple) else (one, tok) for name, one in named.items()}
    _check(pairs, raw)
    options = {"max_new_tokens": max_new_tokens, "filters": tuple(filters)}
    view = Chat(pairs, frozenset(raw), system, memory, options, seed)
    mixes = [view.mix] if mix is None else [mix] if isinstance(mix, Mapping) else list(mix)
    for prompt in prompts:
        for one in mixes:
            view.ask(prompt, one)
    view.mix = dict.fromkeys(view.mix, 0.0) | dict(mixes[-1])
    return view


class Chat(View):
    """The view that `chat` returns.

    Attributes:
        turns: What was said.
        mix: Shares of adapters, as the sliders open.
    """

    _module = "chat"
    _colours = 16

    def __init__(
        self,
        models: dict[str, tuple[GPT, Tokenizer]],
        raw: frozenset[str],
        system: str | None,
        memory: bool,
        options: dict[str, Any],
        seed: int,
    ) -> None:
        super().__init__()
        self._models, self._raw, self._system = models, raw, system
        self._memory, self._options, self._seed = memory, options, seed
        self.turns: list[Turn] = []
        self.mix = {}
        for model, _ in models.values():
            self.mix |= _shares(model)

    def ask(self, prompt: str, mix: Mix | None = None) -> dict[str, str]:
        """Asks every model; the turn is kept and shown.

        Args:
            prompt: Any text.
            mix: Shares of adapters; None is the mixture of the turn before.

        Returns:
            Model → answer.

        Raises:
            ValueError: An adapter does not exist, or a model cannot read the prompt.
        """
        turn = self._say(prompt, self.mix if mix is None else mix, lambda turn: None)
        for name in turn.refused:
            self.turns.remove(turn)
            raise ValueError(f"{name} cannot answer: {turn.answers[name]}")
        return turn.answers

    def _say(self, prompt: str, mix: Mix, told: Callable[[Turn], object]) -> Turn:
        """One turn; `told` hears of it as it grows."""
        if unknown := sorted(set(mix) - set(self.mix)):
            raise ValueError(f"no adapter is called {unknown[0]!r}; there are {sorted(self.mix)}.")
        before, turn = list(self.turns), Turn(prompt, {name: float(mix.get(name, 0)) for name in self.mix})
        self.turns.append(turn)
        last = 0.0
        for name in self._models:
            try:
                for answer in self._answered(name, before, turn, len(before)):
                    turn.answers[name] = answer
                    if time.monotonic() - last > _SECONDS:
                        last = time.monotonic()
                        told(turn)
            except ValueError as error:
                turn.answers[name] = str(error)
                turn.refused.append(name)
            told(turn)
        return turn

    def _answered(self, name: str, before: list[Turn], turn: Turn, number: int) -> Iterator[str]:
        """The answer of one model as it grows."""
        from tinygpt.alignment import chat_ids
        from tinygpt.sampling import stream

        model, tok = self._models[name]
        if name in self._raw:
            ids, ends = tok.encode(turn.prompt), []
        else:
            messages = [] if self._system is None else [("system", self._system)]
            for one in before if self._memory else ():
                if name in one.refused:
                    continue
                messages += [("user", one.prompt), ("assistant", one.answers[name])]
            ids = chat_ids(tok, [*messages, ("user", turn.prompt)], prompt=True)[0]
            ends = [tok.special_tokens["<|im_end|>"]]
        said: list[int] = []
        yield ""
        for token in stream(
            _mixed(model, turn.mix), ids, stop=ends, seed=self._seed + number, **self._options
        ):
            if int(token) in ends:
                return
            said.append(int(token))
            yield tok.decode(said)

    def _header(self) -> dict[str, Any]:
        return {"models": list(self._models), "raw": sorted(self._raw), "mix": self.mix} | self._said()

    def _said(self) -> dict[str, Any]:
        return {"turns": [asdict(turn) for turn in self.turns]}

    def _data(self) -> bytes:
        return b""

    def _on_message(self, widget: Any, question: dict[str, Any], buffers: list[bytes]) -> None:
        if "ask" in question:
            self.mix = {name: float(share) for name, share in question["mix"].items()}
            at = len(self.turns)
            try:
                self._say(
                    question["ask"], self.mix, lambda turn: widget.send({"at": at, "turn": asdict(turn)})
                )
            finally:
                widget.send({"answered": at})
            return
        if "forget" in question:
            self.turns.clear()
        widget.send(self._said())

    def _text(self) -> str:
        *names, last = self._models
        many = len(self.turns)
        who = f"{', '.join(names)} and {last}" if names else last
        lines = [f"Chat view: {who}, {many} prompt{'s' * (many != 1)}"]
        for turn in self.turns:
            lines += [f"you{mixture(turn.mix)}: {turn.prompt}"]
            lines += [f"{name}: {answer}" for name, answer in turn.answers.items()]
        return "\n".join(lines)

    def _figure(self) -> Figure:
        from tinygpt.views._chat_figure import figure

        return figure([(f"you{mixture(turn.mix)}", turn.prompt, turn.answers) for turn in self.turns])


def mixture(mix: Mix) -> str:
    """The shares of adapters, in brackets; nothing where there are none."""
    return f" ({', '.join(f'{name} {share:g}' for name, share in mix.items())})" if mix else ""


def _check(models: Mapping[str, tuple[GPT, Tokenizer | None]], raw: Collection[str]) -> None:
    from tinygpt.alignment import CHAT_TOKENS

    if not models or set(raw) - set(models):
        raise ValueError(f"chat needs a model, and raw names models; got {sorted(models)} and {sorted(raw)}.")
    for name, (_, tok) in models.items():
        if tok is None:
            raise ValueError(f"{name} has no tokenizer. Give one for all, or {name!r}: (model, tok).")
        if name not in raw and set(CHAT_TOKENS) - set(tok.special_tokens):
            raise ValueError(
                f"{name} has a tokenizer without {' and '.join(CHAT_TOKENS)}, so it knows no turns. "
                f"raw=[{name!r}] has it continue the prompt."
            )


def _shares(model: GPT) -> dict[str, float]:
    """Adapter → the share in use, of all that the model has."""
    from tinygpt.alignment.lora import lora_layers

    layers = lora_layers(model).values()
    return {name: adapter.share for layer in layers for name, adapter in layer.adapters.items()}


def _mixed(model: GPT, mix: Mix) -> GPT:
    """The model under a mixture of its adapters: itself, or a copy where that is not the one in use."""
    from tinygpt.alignment import use_lora
    from tinygpt.models import taps, uncompiled

    own = _shares(model)
    if any(tap.watched for tap in taps(model).values()):
        raise ValueError("a cell is looking into this model (capture or edit). Ask again when it has ended.")
    wanted = {name: mix.get(name, 0.0) for name in own}
    if own == wanted:
        return model
    mixed = copy.deepcopy(uncompiled(model))
    use_lora(mixed, wanted)
    return mixed
