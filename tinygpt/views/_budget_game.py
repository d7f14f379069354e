"""The view of the budget game: a market of runs, and one bet that is kept in the notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygpt.scaling import Game
from tinygpt.scaling.bets import LEVEL
from tinygpt.scaling.frontier import by_budget
from tinygpt.scaling.laws import FLOPS
from tinygpt.views._host import View

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def budget_game(game: Game) -> BudgetGame:
    """Shows a game to play with the pointer or the keyboard: buy runs, look at them, bet, reveal.

    With a kernel the game in Python follows, and the text of the cell's output keeps purchases, bet and
    verdict; what `game` already bought is there from the start. Without one the page keeps them until it is
    closed. A new game has all credits again, and bets on the next kind of run.

    Args:
        game: Begun or not.

    Returns:
        A view that shows itself as the last line of a cell; `game` is the game in hand.

    Example:
        >>> from tinygpt.scaling import shipped
        >>> view = budget_game(Game(shipped("almanac"), shipped("reveal")))
        >>> view.game.credits
        100.0
    """
    return BudgetGame(game)


class BudgetGame(View):
    """The view that `budget_game` returns.

    Attributes:
        game: the game in hand, which is another one after "New game".
    """

    _module = "budget_game"
    _colours = 64

    def __init__(self, game: Game) -> None:
        super().__init__()
        self.game = game
        self._offers = game.offers()
        C = np.array([FLOPS * offer.N * offer.D for offer in self._offers])
        budgets = by_budget(C)
        self._columns = [float(C[rows].mean()) for rows in budgets]
        self._column = {int(row): number for number, rows in enumerate(budgets) for row in rows}
        self._rows = sorted({offer.N for offer in self._offers})
        self._baselines = [game.baseline(target) for target in game.targets]
        self._selected = self._state()

    def _state(self) -> list[Any]:
        """The round, the numbers of the cells bought, and the bet, empty before it is made."""
        cells = [(offer.N, offer.D) for offer in self._offers]
        bought = [cells.index((run.scores["N"], run.scores["D"])) for run in self.game.bought]
        verdict = self.game.verdict
        bet = [verdict.yours.loss, verdict.yours.low, verdict.yours.high] if verdict else []
        return [self.game.round, bought, bet]

    def _on_selected(self, change: Any) -> None:
        """Lets the game follow the page; where the rules do not allow it, the page follows the game."""
        round, bought, bet = change["new"]
        if change["new"] == self._state():
            return
        try:
            while self.game.round < round:
                self.game = self.game.again()
            for number in bought[len(self.game.bought) :]:
                self.game.buy(self._offers[number].N, self._offers[number].D)
            if bet:
                self.game.predict(*bet)
        except ValueError:
            pass
        state = self._state()
        super()._on_selected({"new": state})
        if state != change["new"]:
            self.widget.selected = state
        self._refresh()

    def _header(self) -> dict[str, Any]:
        sold, revealed = self.game.sheet()
        return {
            "cells": [
                {"N": offer.N, "D": offer.D, "price": offer.price, "losses": sold[offer.N, offer.D]}
                | {"row": self._rows.index(offer.N), "column": self._column[number]}
                for number, offer in enumerate(self._offers)
            ],
            "rows": self._rows,
            "columns": self._columns,
            "targets": [
                {"N": N, "D": D, "price": self.game.price(N, D), "losses": revealed[N, D]}
                | {"baseline": [bet.loss, bet.low, bet.high]}
                for (N, D), bet in zip(self.game.targets, self._baselines, strict=True)
            ],
            "credits": self.game.start,
            "level": LEVEL,
            "flops": FLOPS,
            "selected": self._selected,
        }

    def _data(self) -> bytes:
        return b""

    def _text(self) -> str:
        lines = [f"Budget {self.game!r}".replace("Game", "game", 1)]
        for (N, D), losses in self._bought().items():
            lines.append(f"bought N {N:,}, D {D:,}: " + ", ".join(f"{loss:.4f}" for loss in losses))
        return "\n".join(lines)

    def _bought(self) -> dict[tuple[int, int], list[float]]:
        found: dict[tuple[int, int], list[float]] = {}
        for scores in (run.scores for run in self.game.bought):
            found.setdefault((scores["N"], scores["D"]), []).append(scores["loss"])
        return found

    def _figure(self) -> Figure:
        from tinygpt.views._budget_game_figure import figure

        words = [["" for _ in self._columns] for _ in self._rows]
        for number, offer in enumerate(self._offers):
            words[self._rows.index(offer.N)][self._column[number]] = f"{offer.price:g}"
        return figure(self.game, words, self._rows, self._columns, self._bought())
