import math
from collections import Counter

import numpy as np
import pytest

from tinygpt.data import bits_per_byte, character_rulers, rulers
from tinygpt.data.ngrams import STRENGTHS, _best_strengths, _count, _NGrams


def naive_loss(
    train: list[int], val: list[int], vocab_size: int, strengths: list[float], order: int
) -> float:
    def p(n: int, history: tuple[int, ...], w: int) -> float:
        if n == 0:
            return 1 / vocab_size
        seen = grams[n][(*history, w)] + strengths[n - 1] * p(n - 1, history[1:], w)
        return seen / (sum(grams[n][(*history, v)] for v in range(vocab_size)) + strengths[n - 1])

    grams = {
        n: Counter(tuple(train[i : i + n]) for i in range(len(train) - n + 1)) for n in range(1, order + 1)
    }
    places = range(2, len(val))
    return -sum(math.log(p(order, tuple(val[i - order + 1 : i]), val[i])) for i in places) / len(places)


@pytest.fixture
def chain():
    """A random text in which a token depends on the two before it."""
    rng = np.random.default_rng(0)
    table, text = rng.dirichlet([0.1] * 5, size=(5, 5)), [0, 1]
    for _ in range(20_000):
        text.append(rng.choice(5, p=table[text[-2], text[-1]]))
    return np.array(text, dtype=np.uint16), table


@pytest.mark.parametrize("order", [1, 2, 3])
def test_losses_are_those_of_the_formula(chain, order):
    train, val = chain[0][:300], chain[0][1000:1200]
    strengths = [0.5, 2.0, 8.0]
    expected = naive_loss(train.tolist(), val.tolist(), 6, strengths, order)
    assert _NGrams(train.astype(int), val.astype(int), 6).losses(strengths)[order - 1] == pytest.approx(
        expected
    )


@pytest.mark.parametrize("n", [1, 2, 3])
def test_probabilities_sum_to_one(chain, n):
    train = chain[0][:500].astype(int)
    for history in ([0, 1], [3, 3], [5, 5]):  # the last was never seen
        p = [
            math.exp(-_NGrams(train, np.array([*history, w]), 6).losses([0.3, 1.0, 4.0])[n - 1])
            for w in range(6)
        ]
        assert sum(p) == pytest.approx(1)


def test_the_trigram_reaches_the_entropy_of_a_second_order_chain(chain):
    text, table = chain
    losses = rulers(text[:16_000], text[16_000:], vocab_size=5)
    val = text[16_000:]
    floor = -np.log(table[val[:-2], val[1:-1], val[2:]]).mean()
    assert floor < losses["trigram"] < floor + 0.02
    assert losses["trigram"] + 0.1 < losses["bigram"] < losses["unigram"] < losses["uniform"] == math.log(5)


def test_strengths_are_the_best_on_held_out_text(chain):
    train, held = chain[0][:400].astype(int), chain[0][400:600].astype(int)
    grams = _NGrams(train, held, 5)
    best = _best_strengths(grams)
    for n in range(3):
        for factor in (0.25, 4):
            other = [k * factor if i == n else k for i, k in enumerate(best)]
            assert other[n] not in STRENGTHS or grams.losses(best)[n] <= grams.losses(other)[n]


def test_unseen_tokens_cost_much_but_not_everything():
    losses = rulers(np.zeros(500, int), np.array([0, 0, 1, 0, 1]), vocab_size=3)
    assert all(math.isfinite(loss) for loss in losses.values())


def test_both_ways_of_counting_agree():
    rng = np.random.default_rng(1)
    seen, asked = rng.integers(1000, size=5000), rng.integers(1000, size=300)
    assert _count(seen, asked, 1000).tolist() == _count(seen, asked, 1 << 40).tolist()
    assert _count(seen[:1], np.array([2000]), 1 << 40).tolist() == [0]


def test_a_large_vocabulary(chain):
    spread = chain[0].astype(np.uint32) * 13_000
    small = rulers(chain[0][:9000], chain[0][9000:], 65_001)
    large = rulers(spread[:9000], spread[9000:], 65_001)
    assert large == pytest.approx(small)


def test_characters_in_bits_per_byte():
    losses = character_rulers("ab" * 500, "ab" * 50)
    assert losses["uniform"] == 1.0 and losses["bigram"] < 0.1
    assert (
        character_rulers("爱b" * 500, "爱b" * 50)["uniform"] == 0.5
    )  # 1 bit a character, 2 bytes on average


def test_a_character_that_was_never_seen():
    assert math.isfinite(character_rulers("ab" * 100, "abc")["trigram"])


def test_bits_per_byte():
    assert bits_per_byte(math.log(2), n_tokens=8, n_bytes=32) == 0.25
    with pytest.raises(ValueError, match="at least 1; got 5 and 0"):
        bits_per_byte(1.0, 5, 0)


@pytest.mark.parametrize(
    ("train", "val", "message"),
    [
        (np.zeros(99, int), np.zeros(9, int), "train needs at least 100 tokens; got 99"),
        (np.zeros(100, int), np.zeros(2, int), "val needs at least 3 tokens; got 2"),
        (np.zeros(100, int), np.array([0, 1, 5]), "val must hold ids from 0 to 4; got 0 to 5"),
    ],
)
def test_errors(train, val, message):
    with pytest.raises(ValueError, match=message):
        rulers(train, val, vocab_size=5)
