import numpy as np
import pytest
import torch

from tinygpt.data import NGram, rulers


@pytest.fixture
def chain() -> np.ndarray:
    """A text in which a token depends on the two before it."""
    rng = np.random.default_rng(0)
    table, text = rng.dirichlet([0.2] * 6, size=(6, 6)), [0, 1]
    for _ in range(3000):
        text.append(rng.choice(6, p=table[text[-2], text[-1]]))
    return np.array(text, dtype=np.uint16)


@pytest.mark.parametrize(("order", "name"), [(1, "unigram"), (2, "bigram"), (3, "trigram")])
def test_its_loss_is_the_ruler(chain: np.ndarray, order: int, name: str) -> None:
    train, val = chain[:2000], chain[2000:]
    model = NGram(train, 7, order)
    rows = torch.from_numpy(val.astype(np.int64)).unfold(0, 3, 1)
    log_p = model(rows[:, :2]).gather(1, rows[:, 2:])
    assert -log_p.mean().item() == pytest.approx(rulers(train, val, 7)[name], rel=1e-9)


@pytest.mark.parametrize("length", [0, 1, 2, 9])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_probabilities_sum_to_one_after_any_history(chain: np.ndarray, order: int, length: int) -> None:
    p = NGram(chain, 8, order)(torch.full((2, length), 7)).exp()  # token 7 was never seen
    assert p.shape == (2, 8) and (p > 0).all()
    torch.testing.assert_close(p.sum(-1), torch.ones(2, dtype=torch.float64))


def test_it_looks_at_order_minus_one_tokens(chain: np.ndarray) -> None:
    long, short = torch.tensor([[5, 4, 0, 1]]), torch.tensor([[0, 1]])
    assert torch.equal(NGram(chain, 6, 3)(long), NGram(chain, 6, 3)(short))
    assert not torch.equal(NGram(chain, 6, 3)(short), NGram(chain, 6, 2)(short))


def test_a_large_vocabulary(chain: np.ndarray) -> None:
    spread = chain.astype(np.int64) * 13_000
    small, large = NGram(chain, 65_001, 3), NGram(spread, 65_001, 3)
    rows = torch.tensor([[0, 1], [3, 5]])
    torch.testing.assert_close(large(rows * 13_000)[:, ::13_000], small(rows)[:, :6])


@pytest.mark.parametrize(
    ("train", "order", "message"),
    [
        ([0] * 200, 4, "order must be 1, 2 or 3; got 4"),
        ([0] * 99, 2, "at least 100 tokens; got 99"),
        ([7] * 200, 2, "ids from 0 to 6; got 7 to 7"),
    ],
)
def test_errors(train: list[int], order: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NGram(train, 7, order)
