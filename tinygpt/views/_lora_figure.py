"""The still picture of the LoRA view, for pages that run no script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygpt.views._cells_figure import cells, plain
from tinygpt.views._patching_figure import DIVERGING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from matplotlib.figure import Figure


def figure(
    adapter: str,
    shares: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    title: str,
    matrix: np.ndarray,
    sizes: np.ndarray,
    limit: float,
) -> Figure:
    """Returns the sizes of an adapter's changes by layer and matrix, one of them whole, its singular values.

    Args:
        adapter: Its name.
        shares: Norm over the base's norm, layers × matrices; NaN where there is none.
        rows, columns: Layers and matrices.
        title: Which matrix is shown whole.
        matrix: What is added to it, n_out n_in.
        sizes: Its singular values that can differ from 0.
        limit: The value of the ends of the colour scale.

    Returns:
        A figure that belongs to no pyplot state.
    """
    import numpy as np
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    result = Figure(figsize=(9.2, 3.4), dpi=80, layout="constrained")
    grid, whole, bars = result.subplots(1, 3, width_ratios=(1.1, 1.1, 0.8))
    words = [["–" if np.isnan(share) else f"{share:.1%}" for share in row] for row in shares]
    filled = np.nan_to_num(shares)
    cells(grid, filled, rows, columns, "cividis", (0.0, float(filled.max()) or 1.0), words)
    grid.set_title(f"{plain(adapter, 24)}: change over base, norms", fontsize=10, loc="left")
    colours = LinearSegmentedColormap.from_list("delta", DIVERGING)
    image = whole.imshow(matrix, cmap=colours, vmin=-limit, vmax=limit, interpolation="nearest")
    whole.set_title(f"what is added to {plain(title, 24)}", fontsize=10, loc="left")
    whole.set(xlabel="in", ylabel="out", xticks=[], yticks=[])
    result.colorbar(image, ax=whole, shrink=0.8)
    bars.bar(range(1, len(sizes) + 1), sizes, color="#0072b2")
    bars.set_title(f"singular values, rank {len(sizes)}", fontsize=10, loc="left")
    bars.set_xlabel("direction")
    bars.spines[["top", "right"]].set_visible(False)
    return result
