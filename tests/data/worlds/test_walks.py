import pytest
import torch

from tinygpt.data.worlds import forks, walks


def test_each_row_of_the_table_is_as_wide_as_asked():
    table = forks([1, 2, 8], vocab_size=16, seed=1)
    assert (table > 0).sum(dim=1).tolist() == ([1, 2, 8] * 6)[:16]
    torch.testing.assert_close(table.sum(dim=1), torch.ones(16))
    assert not torch.equal(table, forks([1, 2, 8], vocab_size=16, seed=2))


def test_walks_follow_the_table():
    table = forks([1, 2, 4], vocab_size=8)
    inputs, targets = walks(table, batch_size=2000, length=20)[0]
    counts = torch.zeros(8, 8).index_put((inputs, targets), torch.ones(inputs.shape), accumulate=True)
    assert (counts[table == 0] == 0).all()
    seen = counts.sum(dim=1) > 1000
    torch.testing.assert_close((counts / counts.sum(1, keepdim=True))[seen], table[seen], atol=0.05, rtol=0)


def test_batches_depend_on_the_seed_and_their_number():
    table = forks([4], vocab_size=8)
    same = walks(table, 4, 9, seed=1)[3][0]
    assert torch.equal(same, walks(table, 4, 9, seed=1)[3][0])
    assert not torch.equal(same, walks(table, 4, 9, seed=1)[4][0])
    assert not torch.equal(same, walks(table, 4, 9, seed=2)[3][0])


@pytest.mark.parametrize("widths", [[], [0], [9]])
def test_it_complains_about_widths(widths):
    with pytest.raises(ValueError, match="from 1 to vocab_size=8"):
        forks(widths, vocab_size=8)
