"""The sampling view: filters to drag and to reorder, what each cuts, and a text that grows token by token."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygpt import sampling as filters_of
from tinygpt.sampling.pipeline import name_of
from tinygpt.views._continuations import NUMBERS, Codes, Continuations, reading
from tinygpt.views._host import View
from tinygpt.views._readings import namer
from tinygpt.views._stages import entropy, filter_of, ids_in, log_softmax, softmax, stages

if TYPE_CHECKING:
    from jaxtyping import Float, Float64, Int
    from matplotlib.figure import Figure
    from torch import Tensor

    from tinygpt.models import GPT
    from tinygpt.sampling import Filter
    from tinygpt.sampling.pipeline import Stage
    from tinygpt.views._continuations import Path
    from tinygpt.views._readings import Vocabulary
    from tinygpt.views._stages import Value

_ALL_NAMED, _SOME_NAMED = 4096, 200  # tokens of a vocabulary; of a larger one, the likeliest at each place
_SHOWN = 8


def sampling(
    model: GPT | Float[Tensor, " V"] | Float[np.ndarray, " V"],
    tokens: Int[Tensor, " T"] | Sequence[int] = (),
    vocabulary: Vocabulary | None = None,
    *,
    filters: Mapping[str, Value] | None = None,
    predict: bool = False,
    places: int = 40,
    depth: int = 12,
) -> Sampling:
    """Shows what comes next, and what each filter makes of it; the reader drags, reorders, draws and chooses.

    The page computes in double precision what `tinygpt.sampling` does, from logits rounded to a 65,534th of
    their range. It holds those after the likeliest continuations; with a kernel any token can be followed.

    Args:
        model: What reads the tokens, or the logits that it gave.
        tokens: The text so far, T ids; penalties look back at it.
        vocabulary: Text of every id, as a function or sequence: `tok.pieces(range(V))`, for instance.
        filters: Which are on, in their order, such as {"temperature": 0.8, "top_p": 0.9}; of
            `logit_bias` the bias by id, of `banned` the ids. All others stand behind them, switched off.
        predict: Whether each distribution is hidden until the reader has said what comes next.
        places: In how many the page knows what comes next; fewer where V is large, 32,768 / V at most.
        depth: Farthest of these from the text, in tokens.

    Returns:
        A view that shows itself as the last line of a cell. `ids` is the text, `filters` are the filters as
        they were left, for `tinygpt.sampling.generate`, `log_probs` those of the chosen tokens, and `guesses`
        what was predicted.

    Raises:
        ValueError: A filter is unknown or its number out of range; there are no tokens, or some that are not
            in the vocabulary.

    Example:
        >>> from tinygpt.models import GPT, GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=8, n_layers=1), seed=0)
        >>> sampling(model, [1, 2, 3], "abcdefgh", filters={"top_k": 3})
        Sampling view: what comes after 3 tokens, of 8; top_k(3)
    """
    ids = [int(i) for i in tokens]
    ready = not hasattr(model, "config")
    if not ready and not ids:
        raise ValueError("the model needs at least one token to read. Encode a text: tok.encode(text).")
    if places < 1 or depth < 0:
        raise ValueError(f"places must be at least 1 and depth 0 or more; got {places} and {depth}.")
    tree = Continuations(None if ready else reading(model, ids))
    if ready:
        tree.known[()] = Codes.of(np.asarray(model, dtype=np.float32))
    V = len(tree.at(()).codes) if ready else model.config.vocab_size
    opening = stages(dict(filters or {}))
    if bad := sorted({i for i in {*ids, *ids_in(opening)} if not 0 <= i < V}):
        raise ValueError(f"tokens must be ids from 0 to {V - 1}; got {bad}. Another tokenizer?")
    if not ready:
        tree.grow(max(1, min(places, NUMBERS // V)), depth)
    return Sampling(ids, tree, namer(vocabulary), opening, predict)


@dataclass(frozen=True)
class Guess:
    """What a reader said would come next, and what the model says of it, before any filter.

    Attributes:
        text: ids that the model had read.
        token: the id that was named, or None.
        share: the probability that was named, of that token or of the likeliest one; or None.
        likeliest: the model's first choice.
        actual: the probability of the token, or of the likeliest one where none was named.
        rank: of the token, 1 for the likeliest.
    """

    text: tuple[int, ...]
    token: int | None
    share: float | None
    likeliest: int
    actual: float
    rank: int


class Sampling(View):
    """The view that `sampling` returns."""

    _module = "sampling"
    _colours = 32

    def __init__(
        self,
        ids: list[int],
        tree: Continuations,
        name: Callable[[int], str],
        opening: list[list[Any]],
        predict: bool,
    ) -> None:
        super().__init__()
        self._prompt, self._tree, self._name, self._predict = ids, tree, name, predict
        self._selected = [[], opening, [], [[]]]

    @property
    def ids(self) -> list[int]:
        """The text with the tokens that were chosen."""
        return [*self._prompt, *self._path]

    @property
    def filters(self) -> list[Filter]:
        """The filters that are on, in their order."""
        return [filter_of(name, value) for name, value, on in self._selected[1] if on]

    @property
    def log_probs(self) -> list[float]:
        """Of each token that was chosen, under the model and before any filter, nats."""
        path = self._path
        return [float(log_softmax(self._tree.at(path[:i]).logits())[token]) for i, token in enumerate(path)]

    @property
    def guesses(self) -> list[Guess]:
        """What was predicted, in order."""
        return [self._guess(tuple(path), token, share) for path, token, share in self._selected[2]]

    @property
    def _path(self) -> Path:
        return tuple(self._selected[0])

    @property
    def _hidden(self) -> bool:
        """Whether what comes next has yet to be predicted."""
        return self._predict and all(tuple(path) != self._path for path, *_ in self._selected[2])

    def _guess(self, path: Path, token: int | None, share: float | None) -> Guess:
        odds = softmax(self._tree.at(path).logits())
        best = int(odds.argmax())
        meant = best if token is None else token
        rank = 1 + int((odds > odds[meant]).sum())
        return Guess((*self._prompt, *path), token, share, best, float(odds[meant]), rank)

    def _stages(self) -> list[Stage]:
        """What each filter does at the place in hand."""
        import torch

        logits = torch.from_numpy(self._tree.at(self._path).logits())
        return filters_of.trace(self.filters, logits, torch.tensor(self.ids, dtype=torch.long))

    def _on_selected(self, change: Any) -> None:
        before = self._selected
        super()._on_selected(change)
        if before != self._selected:
            self._refresh()

    def _answer(self, question: dict[str, Any]) -> tuple[dict[str, Any], bytes] | None:
        path = tuple(int(i) for i in question["path"])
        codes = self._tree.at(path)
        if codes is None:
            return None
        message = {"path": path, "low": codes.low, "step": codes.step, "names": self._names([codes])}
        return message, codes.packed()

    def _kept(self) -> list[Path]:
        """The places that the page knows: those it opened with, and those asked for while there is room."""
        V = len(self._tree.known[()].codes)
        return list(self._tree.known)[: max(2 * NUMBERS // V, 1)]

    def _names(self, places: list[Codes]) -> dict[int, str]:
        V = len(places[0].codes)
        wanted: Any = range(V)
        if V > _ALL_NAMED:
            likeliest = [np.argsort(-codes.logits(), kind="stable")[:_SOME_NAMED] for codes in places]
            named = {*self.ids, *ids_in(self._selected[1])}
            wanted = sorted({*np.concatenate(likeliest).tolist(), *named})
        return {i: str(self._name(i)) for i in wanted}

    def _header(self) -> dict[str, Any]:
        places = [(path, self._tree.known[path]) for path in self._kept()]
        return {
            "prompt": self._prompt,
            "names": self._names([codes for _, codes in places]),
            "places": [[path, codes.low, codes.step] for path, codes in places],
            "follow": self._tree.read is not None,
            "predict": self._predict,
            "selected": self._selected,
        }

    def _data(self) -> bytes:
        return b"".join(self._tree.known[path].packed() for path in self._kept())

    def _text(self) -> str:
        on = ", ".join(name_of(one) for one in self.filters) or "no filter"
        V = len(self._tree.known[()].codes)
        lines = [f"Sampling view: what comes after {len(self.ids)} tokens, of {V}; {on}"]
        if self.ids:
            lines.append("text: " + "|".join(self._name(i) for i in self.ids))
        if self._path:
            logs = self.log_probs
            each = ", ".join(f"“{self._name(i)}” {log:.3f}" for i, log in zip(self._path, logs, strict=True))
            lines.append(f"log p of what was chosen: {each}; sum {sum(logs):.3f}")
        lines += [self._said(guess) for guess in self.guesses]
        if self._hidden:
            return "\n".join([*lines, "what comes next is hidden until it is predicted"])
        return "\n".join([*lines, *self._told()])

    def _said(self, guess: Guess) -> str:
        share = "" if guess.share is None else f" at {guess.share:.0%}"
        said = "the likeliest" if guess.token is None else f"“{self._name(guess.token)}”"
        what = f"after {len(guess.text)} tokens you said {said}{share}: it is {guess.actual:.1%}"
        return f"{what}, rank {guess.rank}; the likeliest is “{self._name(guess.likeliest)}”"

    def _told(self) -> list[str]:
        """Filters with what they cut, the likeliest tokens before and after them, and both entropies."""
        first, last, cut_by = self._outcome
        lines = [f"{stage.name} cuts {int(stage.cut.sum())}" for stage in self._stages()]
        rows = []
        for i in np.argsort(-first, kind="stable")[:_SHOWN]:
            after = f"cut by {cut_by[i]}" if i in cut_by else f"{last[i]:.3f}"
            rows.append(f"“{self._name(int(i))}” {first[i]:.3f} → {after}")
        lines.append("next: " + ", ".join(rows))
        kept = int((last > 0).sum())
        return [*lines, f"entropy {entropy(first):.3f} → {entropy(last):.3f} nats, {kept} tokens kept"]

    @property
    def _outcome(self) -> tuple[Float64[np.ndarray, " V"], Float64[np.ndarray, " V"], dict[int, str]]:
        """Probabilities before and after all filters, and the filter that cut each token."""
        first, done = self._tree.at(self._path).logits(), self._stages()
        last = done[-1].after.numpy() if done else first
        cut_by = {int(i): stage.name for stage in done for i in stage.cut.nonzero()[:, 0]}
        return softmax(first), softmax(last), cut_by

    def _figure(self) -> Figure:
        from tinygpt.views._sampling_figure import figure, visible

        on = ", ".join(name_of(one) for one in self.filters) or "no filter"
        title = f"what comes after “{visible(''.join(self._name(i) for i in self.ids[-12:]))}”: {on}"
        return figure(title, None if self._hidden else self._outcome, self._name)
