"""The shape of a model, as one frozen dataclass."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

CHOICES: dict[str, tuple[str, ...]] = {
    "position": ("learned", "rope", "alibi", "none"),
    "norm": ("rmsnorm", "layernorm"),
    "activation": ("relu", "gelu", "gelu_tanh", "relu2", "swiglu"),
}

_MAY_BE_NONE = ("n_kv_heads", "d_ff", "window")


@dataclass(frozen=True)
class GPTConfig:
    """Describes a transformer; two equal configs build models of the same shape.

    One config serves all families: `GPT`, `Encoder`, and both halves of an `EncoderDecoder`.

    Args:
        vocab_size: number of tokens, V.
        n_layers: number of blocks.
        n_heads: query heads per block, H.
        d_model: width of the residual stream, D. A multiple of `n_heads`.
        context: longest training sequence, in tokens. Learned positions cannot go beyond it.
        n_kv_heads: key/value heads, G; divides `n_heads`. Fewer than `n_heads` is grouped-query
            attention, 1 is multi-query attention. None means `n_heads`.
        d_ff: width of the feed-forward layer, F. None means `4 * d_model`; 0 builds attention-only blocks.
        position: how a head knows where a token is: "learned", "rope", "alibi" or "none".
        norm: "rmsnorm" or "layernorm".
        norm_first: whether what is normalised is each sublayer's input (pre-norm) or its sum with the
            stream (post-norm).
        activation: nonlinearity of the feed-forward layer: "relu", "gelu" (exact), "gelu_tanh", "relu2", or
            "swiglu", which has a third matrix; d_ff = 8/3 · d_model then makes it as large as the others.
        bias: whether linear layers and layer norms have a bias.
        tied: whether the output head shares its matrix with the token embedding.
        rope_base: the slowest wavelength of RoPE is about `2π * rope_base` tokens.
        window: each token sees only the last so many, itself included, an `Encoder`'s also as many after
            it; after n blocks it knows of what is up to `n * (window - 1)` places away. None shows all.
            Source: Beltagy et al. 2020, section 3.1; Jiang et al. 2023, "Mistral 7B", section 2.

    Raises:
        ValueError: when the numbers do not fit together; the message says which would.

    Example:
        >>> GPTConfig(vocab_size=512, n_layers=2, n_heads=4, d_model=64, context=32).d_head
        16
    """

    vocab_size: int
    n_layers: int = 4
    n_heads: int = 4
    d_model: int = 128
    context: int = 128
    n_kv_heads: int | None = None
    d_ff: int | None = None
    position: str = "rope"
    norm: str = "rmsnorm"
    norm_first: bool = True
    activation: str = "gelu"
    bias: bool = False
    tied: bool = True
    rope_base: float = 10_000.0
    window: int | None = None

    def __post_init__(self) -> None:
        for name in (*("vocab_size", "n_layers", "n_heads", "d_model", "context"), *_MAY_BE_NONE):
            self._check_whole(name)
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {choices}; got {getattr(self, name)!r}.")
        if not self.rope_base > 0:
            raise ValueError(f"rope_base must be positive; got {self.rope_base}. 10000 is usual.")
        if not (self.norm_first or self.ff_width):
            raise ValueError("post-norm blocks need a feed-forward layer; got norm_first=False and d_ff=0.")
        self._check_heads()

    def _check_whole(self, name: str) -> None:
        value = getattr(self, name)
        if value is None and name in _MAY_BE_NONE:
            return
        least, wanted = (0, "0 (attention only) or a") if name == "d_ff" else (1, "a")
        if not isinstance(value, Integral) or value < least:
            raise ValueError(f"{name} must be {wanted} positive integer; got {value!r}.")
        object.__setattr__(self, name, int(value))  # NumPy's integers too, which JSON cannot hold

    def _check_heads(self) -> None:
        D, H, G = self.d_model, self.n_heads, self.kv_heads
        if D % H:
            below, above = D // H * H, (D // H + 1) * H
            near = f"Try {below} or {above}." if below else f"Try {above}."
            raise ValueError(f"d_model must be divisible by n_heads; got {D} and {H}. {near}")
        if H % G:
            options = [g for g in range(1, H + 1) if H % g == 0]
            raise ValueError(f"n_kv_heads must divide n_heads={H}; got {G}. Try one of {options}.")
        if self.position == "rope" and self.d_head % 2:
            raise ValueError(
                f"RoPE turns pairs of coordinates, so d_model / n_heads must be even; got {self.d_head}."
            )

    @property
    def d_head(self) -> int:
        """Width of one head, K."""
        return self.d_model // self.n_heads

    @property
    def kv_heads(self) -> int:
        """Number of key/value heads, G."""
        return self.n_heads if self.n_kv_heads is None else self.n_kv_heads

    @property
    def ff_width(self) -> int:
        """Width of the feed-forward layer, F; 0 when there is none."""
        return 4 * self.d_model if self.d_ff is None else self.d_ff


def gpt2_shape(vocab_size: int = 50_257, **changes: object) -> GPTConfig:
    """Returns the config of GPT-2 small (Radford et al. 2019), or a smaller one of the same family.

    Args:
        vocab_size: number of tokens.
        **changes: any field of `GPTConfig`, for instance `n_layers=4, d_model=128`.

    Example:
        >>> gpt2_shape().d_head
        64
    """
    family = dict(position="learned", norm="layernorm", activation="gelu_tanh", bias=True, tied=True)
    shape = dict(n_layers=12, n_heads=12, d_model=768, context=1024)
    return GPTConfig(vocab_size=vocab_size, **{**shape, **family, **changes})
