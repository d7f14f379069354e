import math

import numpy as np
import pytest
import torch
from tiny_models import SHAPE, VARIANTS, scrambled, tokens

from tinygpt.data import NGram
from tinygpt.models import GPT, GPTConfig
from tinygpt.sampling import compress, decompress
from tinygpt.sampling.compress import HEADER, _predictions, running_counts


def body_bits(data: bytes) -> int:
    """What the tokens alone take."""
    return 8 * (len(data) - HEADER.size)


class Fixed:
    """Predicts the same whatever it has read."""

    def __init__(self, p: torch.Tensor) -> None:
        self.scores, self.vocab_size = p.double().log(), len(p)

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        return self.scores.expand(len(rows), -1)

    def draw(self, n: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        return torch.multinomial(self.scores.exp(), n, replacement=True, generator=generator)

    def bits(self, ids: torch.Tensor) -> float:
        return -self.scores[ids].sum().item() / math.log(2)


def skewed(V: int, p: float) -> torch.Tensor:
    rest = torch.full((V,), (1 - p) / (V - 1), dtype=torch.float64)
    rest[V // 2] = p
    return rest


DISTRIBUTIONS = {
    "even bytes": torch.full((256,), 1 / 256),
    "two tokens": torch.tensor([0.3, 0.7]),
    "two, one nearly sure": skewed(2, 1 - 1e-6),
    "50k, even": torch.full((50_000,), 1 / 50_000),
    "50k, one nearly sure": skewed(50_000, 0.999),
    "Zipf": torch.arange(1, 1001).double().reciprocal() / torch.arange(1, 1001).double().reciprocal().sum(),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_the_length_is_the_cross_entropy(name: str) -> None:
    model = Fixed(DISTRIBUTIONS[name])
    ids = model.draw(2000)
    data = compress(model, ids)
    assert decompress(model, data) == ids.tolist()
    assert model.bits(ids) - 1 <= body_bits(data) <= 1.001 * model.bits(ids) + 10


def test_tokens_that_the_model_held_for_impossible() -> None:
    model = Fixed(torch.tensor([1.0, 0.0, 0.0]))
    ids = [0] * 1000 + [1, 2] * 20
    data = compress(model, ids)
    assert decompress(model, data) == ids
    assert body_bits(data) < 40 * 29  # 28 bits each: they are dear, not infinite


@pytest.mark.parametrize("length", [0, 1, 2, 17, 100])
@pytest.mark.parametrize("rows", [None, 1, 3, 200])
@pytest.mark.parametrize("config", VARIANTS[::4], ids=lambda c: c.position)
def test_a_gpt_far_beyond_its_context(config: GPTConfig, rows: int | None, length: int) -> None:
    model, ids = scrambled(config), tokens(config, 1, length)[0]
    data = compress(model, ids, rows=rows)
    assert decompress(model, data) == ids.tolist()


@pytest.mark.parametrize("rows", [1, 4])
def test_a_gpt_pays_its_loss(rows: int) -> None:
    """Rows of context + 1 tokens are the blocks it trains on, so the loss can be had without the coder."""
    model = scrambled(GPTConfig(**SHAPE))
    ids = tokens(model.config, rows, 17)
    logits = model(ids[:, :-1])
    nats = torch.nn.functional.cross_entropy(logits.mT, ids[:, 1:], reduction="sum").item()
    bits = nats / math.log(2) + rows * math.log2(31)
    data = compress(model, ids.flatten(), rows=rows)
    assert bits - 1 <= body_bits(data) <= 1.001 * bits + 10


def test_what_is_forgotten_is_what_generate_forgets() -> None:
    """Beyond the context of 16, the model goes on with the last 8 tokens."""
    model = scrambled(GPTConfig(**SHAPE))
    ids, first = tokens(model.config, 1, 60), 0
    for (_, t), ends in _predictions(model, ids, 60):
        first = t - 8 if t - first > 16 else first
        want = running_counts(model(ids[:, first:t])[:, -1] if t else torch.zeros(1, 31))[0]
        np.testing.assert_allclose(ends / 2**28, want / 2**28, atol=1e-5)


def test_a_model_that_has_learnt_packs_better() -> None:
    text = list(b"once upon a time there was a fox . " * 40)
    sizes = [len(compress(NGram(text, 256, order), text)) for order in (1, 2, 3)]
    assert len(text) > sizes[0] > sizes[1] > sizes[2]


def test_random_bytes_cannot_be_packed_but_survive() -> None:
    ids = np.random.default_rng(0).integers(256, size=3000)
    model = NGram(ids[:1500], 256, order=3)
    data = compress(model, ids)
    assert decompress(model, data) == ids.tolist()
    assert len(data) > 1500


def test_fewer_rows_give_a_model_with_memory_more_to_go_by() -> None:
    text = list(b"abcdefgh" * 30)
    model = NGram(text, 256)
    packed = [compress(model, text, rows=rows) for rows in (1, 8, 30)]
    assert [decompress(model, data) for data in packed] == [text] * 3
    assert len(packed[0]) < len(packed[1]) < len(packed[2])


def test_no_count_is_zero_and_none_is_lost() -> None:
    scores = torch.tensor([[0.0, -100.0, -torch.inf, -0.1]])
    counts = np.diff(running_counts(scores)[0], prepend=0)
    assert counts.min() == 1 and counts.sum() <= 1 << 28
    torch.testing.assert_close(
        torch.from_numpy(counts / counts.sum()), scores.double().softmax(-1)[0], atol=2e-8, rtol=0
    )


def test_another_model_is_noticed() -> None:
    one, other = (scrambled(GPTConfig(**SHAPE), seed=seed) for seed in (0, 1))
    data = compress(one, list(range(31)))
    with pytest.raises(
        ValueError, match="packed with another model, or on a machine that rounds differently"
    ):
        decompress(other, data)


@pytest.mark.parametrize("place", [0, 5, 9, 13, -1])
def test_damage_is_noticed_before_it_is_read(place: int) -> None:
    model = Fixed(torch.full((31,), 1 / 31))
    data = bytearray(compress(model, list(range(31))))
    data[place] ^= 1
    with pytest.raises(ValueError, match=rf"these {len(data)} bytes are damaged"):
        decompress(model, bytes(data))


@pytest.mark.parametrize("data", [b"", b"not packed by compress", bytes(14)])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"damaged, or compress\(\) did not make them"):
        decompress(Fixed(torch.ones(2) / 2), data)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ("text", r"needs ids; got the text 'text'. Encode it"),
        ([0, 31], "the ids go from 0 to 31; the model knows 0 to 30"),
        ([-1], "from -1"),
        ([[1, 2]], r"one row of whole numbers; got torch.int64 of \(1, 2\)"),
        ([0.5], r"one row of whole numbers; got torch.float32"),
    ],
)
def test_bad_ids_are_explained(ids: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compress(GPT(GPTConfig(**SHAPE)), ids)


@pytest.mark.parametrize("rows", [0, 65_536])
def test_a_bad_number_of_rows_is_explained(rows: int) -> None:
    with pytest.raises(ValueError, match=f"from 1 to 65535; got {rows}"):
        compress(GPT(GPTConfig(**SHAPE)), [1], rows=rows)


def test_scores_that_are_no_numbers_are_explained() -> None:
    with pytest.raises(ValueError, match="not numbers"):
        compress(Fixed(torch.tensor([math.nan, 1.0])), [0])
