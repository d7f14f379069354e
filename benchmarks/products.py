"""The matrix–vector products of one token, without what lies between them."""

from __future__ import annotations

from numba import njit

from tinygpt.sampling.loops import product


@njit
def all_products(w, s, times):
    """Does every product of a step so many times, in a step's order."""
    for _ in range(times):
        for layer in range(len(w.qkv.codes)):
            product(w.qkv.codes[layer], w.qkv.scales[layer], s.normed[0], s.qkv[0, : w.qkv.bias.shape[1]])
            product(w.out.codes[layer], w.out.scales[layer], s.mixed[0], s.added[0])
            product(w.up.codes[layer], w.up.scales[layer], s.normed[0], s.wide[0])
            product(w.down.codes[layer], w.down.scales[layer], s.wide[0], s.added[0])
        product(w.head.codes[0], w.head.scales[0], s.normed[0], s.logits[0])
