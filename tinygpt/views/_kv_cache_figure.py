"""The still picture of the KV cache view, for pages that run no script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygpt.views._cells_figure import cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tinygpt.views._caches import CacheShape

PREFILL, DECODE, GONE, EMPTY = "#0072b2", "#b97f00", "#d0d7de", "#f2f4f6"


def figure(
    now: dict[str, Any],
    made: CacheShape,
    shape: CacheShape,
    pieces: Sequence[str],
    norms: np.ndarray | None,
) -> Figure:
    """Returns what is used of the cache, by layer and token, beside its growth, above the norms of real keys.

    Args:
        now: The settings.
        made: The model as it was published.
        shape: The model with the heads and the window that were set.
        pieces: The tokens of a text.
        norms: Of its keys and values, 2 L G T, or None.

    Returns:
        A figure that belongs to no pyplot state.
    """
    from matplotlib.figure import Figure

    extra = 0.0 if norms is None else 1.2 + 0.22 * norms.shape[1] * norms.shape[2]
    result = Figure(figsize=(9.2, min(3.6 + extra, 11)), dpi=80, layout="constrained")
    top, bottom = (result, None) if norms is None else result.subfigures(2, 1, height_ratios=[3.6, extra])
    lanes, curve = top.subplots(1, 2, width_ratios=[1.2, 1])
    _lanes(lanes, now, made, shape)
    _growth(curve, now, made, shape)
    if bottom is not None and norms is not None:
        _heat(bottom.subplots(), pieces, norms[0])
    return result


def _lanes(axes: Axes, now: dict[str, Any], made: CacheShape, shape: CacheShape) -> None:
    """A band for each layer, as high as the share of its heads that have keys, as long as its tokens."""
    prompt, total = now["n_prompt"], now["n_prompt"] + now["n_generated"]
    gone = total - min(total, shape.window or total)
    high = 0.9 * shape.n_kv_heads / made.n_heads
    layers = np.arange(shape.n_layers)
    parts = [(0, made.context, EMPTY, None), (0, gone, GONE, "///")]
    parts += [(gone, max(prompt, gone), PREFILL, None), (max(prompt, gone), total, DECODE, "|||")]
    for start, end, colour, hatch in parts:
        tall = 0.9 if colour == EMPTY else high
        style = {"hatch": hatch, "edgecolor": "white", "lw": 0} if hatch else {}
        axes.barh(layers, end - start, tall, left=start, color=colour, align="edge", **style)
    axes.set_ylim(shape.n_layers, -0.1)
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.set_xlim(0, made.context)
    axes.set_xlabel("token")
    axes.set_ylabel("layer")
    axes.spines[["top", "right"]].set_visible(False)
    size = now["batch_size"]
    axes.set_title(
        f"{now['model']}: {prompt} at once (solid), {total - prompt} one by one (striped), × {size}",
        fontsize=10,
        loc="left",
    )


def _growth(axes: Axes, now: dict[str, Any], made: CacheShape, shape: CacheShape) -> None:
    tokens = np.unique(np.linspace(0, made.context, 200).round()).astype(int)
    each = (now["batch_size"], now["bytes_per_number"])
    weights = made.parameters * made.weight_bytes
    total = now["n_prompt"] + now["n_generated"]
    all_heads = made._replace(n_kv_heads=made.n_heads, window=None)
    unit, name = _unit(max(weights, all_heads.bytes(made.context, *each)))
    here = [shape.bytes(int(t), *each) / unit for t in tokens]
    axes.plot(
        tokens,
        [all_heads.bytes(int(t), *each) / unit for t in tokens],
        "--",
        color="#57606a",
        lw=1.2,
        label="every head, no window",
    )
    axes.plot(tokens, here, color=PREFILL, lw=2.5, label="these settings")
    axes.plot(total, shape.bytes(total, *each) / unit, "o", color="#d55e00")
    axes.axhline(weights / unit, color="#1b1f24", lw=1.2, ls=":", label="weights")
    axes.set_xlabel("tokens of each sequence")
    axes.set_ylabel(name)
    axes.set_ylim(0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    size = shape.bytes(total, *each)
    axes.set_title(f"{size / unit:.3g} {name}, {size / weights:.2g} × the weights", fontsize=10, loc="left")


def _unit(most: float) -> tuple[float, str]:
    power = min(4, int(np.log10(max(most, 1)) // 3))
    return 1000.0**power, ["bytes", "kB", "MB", "GB", "TB"][power]


def _heat(axes: Axes, pieces: Sequence[str], keys: np.ndarray) -> None:
    L, G, T = keys.shape
    rows = [f"L{i} KV{g}" for i in range(L) for g in range(G)]
    image = cells(axes, keys.reshape(L * G, T), rows, pieces, "cividis", (0, float(keys.max())))
    axes.set_title("norms of this text's keys", fontsize=10, loc="left")
    axes.figure.colorbar(image, ax=axes, label="norm")
