"""The patching view: which activation carries the answer, by layer and position or head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygpt.views._host import View
from tinygpt.views._patterns import numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float
    from matplotlib.figure import Figure
    from torch import Tensor

    Grid = Float[Tensor, "R C"] | Float[np.ndarray, "R C"]
    Names = Sequence[str] | Mapping[str, Sequence[str]]


def patching(
    grid: Grid | Mapping[str, Grid],
    *,
    rows: Names | None = None,
    columns: Names | None = None,
    clean: Sequence[str] | None = None,
    corrupt: Sequence[str] | None = None,
    title: str = "Patching",
    measures: str = "clean answer brought back",
) -> Patching:
    """Shows what `interp.patch` returned: one cell for each activation that was put in the other run's place.

    Args:
        grid: What comes back, R C: 0 nothing, 1 all of it. Several grids by the name of their point, such as
            {"residual": patch(…), "heads": patch(…, points="blocks.*.attn.heads")}, can be switched; all have
            the same colours.
        rows: Names of the rows, or of the rows of each point. Otherwise L0, L1, …
        columns: Names of the columns, or of those of each point. Otherwise the clean tokens where a grid has
            as many columns and its name holds no "head", else H0, H1, …
        clean: The tokens of the clean prompt as text.
        corrupt: Those of the other prompt; where the two differ they are marked.
        title: What stands above.
        measures: What a value says.

    Returns:
        A view that shows itself as the last line of a cell; `selected` is the locked (point, row, column).

    Raises:
        ValueError: Where names or prompts do not fit the grids.

    Example:
        >>> import numpy as np
        >>> patching(np.eye(2), clean=["Ada", "is"], corrupt=["Bob", "is"])
        Patching view: 2 × 2, clean answer brought back

    Source: Meng et al. 2022, "Locating and Editing Factual Associations in GPT", figure 1; see
    `interp.patch`.
    """
    grids = dict(grid) if isinstance(grid, Mapping) else {"": grid}
    if not grids:
        raise ValueError("patching needs at least one grid; got none.")
    prompts = [list(prompt) for prompt in (clean, corrupt) if prompt is not None]
    if (clean is None and corrupt is not None) or len({len(prompt) for prompt in prompts}) > 1:
        raise ValueError(
            "clean and corrupt must match token by token, and corrupt needs clean; "
            f"got {[len(prompt) for prompt in prompts]} tokens."
        )
    given = [_grid(name, values, rows, columns, prompts) for name, values in grids.items()]
    return Patching(given, prompts, title, measures)


@dataclass(frozen=True)
class _Grid:
    name: str
    values: np.ndarray
    rows: list[str]
    columns: list[str]
    positions: bool

    def best(self, count: int = 3) -> list[tuple[int, int]]:
        """The cells with the largest values, by size without sign; of those as good as equal, the first."""
        size = np.abs(np.nan_to_num(self.values)).round(2).ravel()
        order = np.argsort(-size, kind="stable")[:count]
        return [divmod(int(i), self.values.shape[1]) for i in order]

    def where(self, row: int, column: int) -> str:
        place = f"{column} “{self.columns[column]}”" if self.positions else self.columns[column]
        return f"{self.rows[row]} {place}"


class Patching(View):
    """The view that `patching` returns."""

    _module = "patching"
    _colours = 96

    def __init__(self, grids: list[_Grid], prompts: list[list[str]], title: str, measures: str) -> None:
        super().__init__()
        self._grids, self._prompts, self._title, self._measures = grids, prompts, title, measures
        self._selected = [grids[0].name, *grids[0].best(1)[0]]

    @property
    def selected(self) -> tuple[str, int, int]:
        """The (point, row, column) that is locked."""
        point, row, column = self._selected
        return (str(point), int(row), int(column))

    @property
    def _limit(self) -> float:
        """The value of the ends of the colour scale, whose middle is 0."""
        most = max(float(np.abs(np.nan_to_num(grid.values)).max()) for grid in self._grids)
        return float(f"{most:.3g}") or 1.0

    def _header(self) -> dict[str, Any]:
        return {
            "title": self._title,
            "measures": self._measures,
            "limit": self._limit,
            "grids": [
                {"name": grid.name, "rows": grid.rows, "columns": grid.columns, "positions": grid.positions}
                for grid in self._grids
            ],
            "prompts": self._prompts,
            "selected": self._selected,
        }

    def _data(self) -> bytes:
        return np.concatenate([grid.values.ravel() for grid in self._grids]).astype("<f4").tobytes()

    def _text(self) -> str:
        sizes = [f"{' × '.join(map(str, grid.values.shape))} {grid.name}".strip() for grid in self._grids]
        lines = [f"Patching view: {', '.join(sizes)}, {self._measures}"]
        names = ("clean", "corrupted")
        lines += [f"{name}: {'|'.join(prompt)}" for name, prompt in zip(names, self._prompts, strict=False)]
        for grid in self._grids:
            best = [f"{grid.where(*at)} {grid.values[at]:.2f}" for at in grid.best()]
            lines.append(f"{grid.name or 'most'}: {', '.join(best)}")
        return "\n".join(lines)

    def _figure(self) -> Figure:
        from tinygpt.views._patching_figure import figure

        grids = [(grid.name, grid.values, grid.rows, grid.columns) for grid in self._grids]
        return figure(grids, self._prompts, self._limit, self._title, self._measures)


def _grid(
    name: str, values: Any, rows: Names | None, columns: Names | None, prompts: list[list[str]]
) -> _Grid:
    array = numbers(values)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"a grid must be rows × columns; got shape {array.shape} for {name!r}.")
    positions = bool(prompts) and array.shape[1] == len(prompts[0]) and "head" not in name
    names = []
    for size, letter, given in zip(array.shape, "LH", (rows, columns), strict=True):
        chosen = given.get(name) if isinstance(given, Mapping) else given
        if chosen is None:
            chosen = prompts[0] if letter == "H" and positions else [f"{letter}{i}" for i in range(size)]
        elif letter == "H":
            positions = positions and list(chosen) == prompts[0]
        if len(chosen) != size:
            side = "rows" if letter == "L" else "columns"
            raise ValueError(
                f"{side} must name all {size} of the grid {name!r}; got {len(chosen)}. "
                f"For grids of different sizes: {side}={{point: names}}."
            )
        names.append(list(chosen))
    return _Grid(name, array, *names, positions)
