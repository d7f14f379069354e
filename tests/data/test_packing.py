from itertools import islice

import numpy as np
import pytest
import torch

from tinygpt.data import batches, pack, split


def test_pack_joins_documents_and_marks_their_ends():
    assert pack([[5], [], [6, 7]], vocab_size=8, separator=1).tolist() == [5, 1, 1, 6, 7, 1]


@pytest.mark.parametrize(("vocab_size", "dtype"), [(2, np.uint16), (65536, np.uint16), (65537, np.uint32)])
def test_pack_takes_the_smallest_type_that_fits(vocab_size, dtype):
    tokens = pack([[vocab_size - 1]], vocab_size)
    assert tokens.dtype == dtype and tokens[0] == vocab_size - 1


def test_pack_to_a_file_gives_the_same_tokens(tmp_path):
    documents = [[1, 2, 3], [4]]
    packed = pack(documents, 5, path=tmp_path / "tokens.npy")
    assert packed.tolist() == pack(documents, 5).tolist()
    packed.flush()
    opened = np.load(tmp_path / "tokens.npy", mmap_mode="r")
    assert isinstance(opened, np.memmap) and opened.tolist() == packed.tolist()


@pytest.mark.parametrize(("ids", "worst"), [([1, 5], 5), ([-1, 2], -1), ([70000], 70000)])
def test_pack_refuses_a_foreign_id(ids, worst):
    with pytest.raises(ValueError, match=f"from 0 to 4; got {worst}"):
        pack([ids], vocab_size=5)


def test_pack_refuses_nothing():
    with pytest.raises(ValueError, match="at least one token; got none"):
        pack([], vocab_size=5)


def test_split_is_decided_by_the_text_alone():
    documents = [f"text {i}" for i in range(500)]
    train, val = split(documents)
    assert sorted(train + val) == sorted(documents)
    again_train, again_val = split(["another", *reversed(documents), *documents])
    assert set(val) == set(again_val) - {"another"} and set(again_train).isdisjoint(again_val)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_split_keeps_the_share(share):
    _, val = split([str(i) for i in range(2000)], val=share)
    assert abs(len(val) / 2000 - share) < 0.04


def test_split_refuses_a_percentage():
    with pytest.raises(ValueError, match="between 0 and 1; got 10"):
        split([], val=10)


def test_targets_are_the_next_tokens():
    tokens = np.arange(1000, dtype=np.uint16)
    inputs, targets = batches(tokens, context=7, batch_size=5)[3]
    assert inputs.shape == targets.shape == (5, 7)
    assert inputs.dtype == targets.dtype == torch.int64
    assert torch.equal(targets, inputs + 1)


@pytest.mark.parametrize("batch_size", [1, 3, 7, 25])
def test_every_block_comes_once_per_epoch(batch_size):
    tokens = np.arange(10 * 4 + 1)  # 10 blocks of 4
    rows = torch.cat([inputs[:, 0] for inputs, _ in islice(batches(tokens, 4, batch_size), 50)])
    for epoch in rows[: len(rows) // 10 * 10].view(-1, 10):
        assert sorted(epoch.tolist()) == list(range(0, 40, 4))


def test_epochs_and_seeds_are_ordered_differently():
    tokens = np.arange(4001)
    first, second = (batches(tokens, 4, 1000, seed=0)[epoch][0][:, 0].tolist() for epoch in (0, 1))
    other = batches(tokens, 4, 1000, seed=1)[0][0][:, 0].tolist()
    assert (
        first != second and first != other and first == batches(tokens, 4, 1000, seed=0)[0][0][:, 0].tolist()
    )


def test_batch_i_depends_on_nothing_but_i():
    tokens = np.random.default_rng(0).integers(50, size=300).astype(np.uint16)
    stream = batches(tokens, 8, 4, seed=3)
    forwards = [stream[i] for i in range(30)]
    fresh = batches(tokens, 8, 4, seed=3)
    for i in reversed(range(30)):
        assert torch.equal(fresh.skip(i)[0][0], forwards[i][0])


def test_a_memory_map_serves(tmp_path):
    tokens = pack([range(100)], 100)
    np.save(tmp_path / "t.npy", tokens)
    mapped = np.load(tmp_path / "t.npy", mmap_mode="r")
    assert torch.equal(batches(mapped, 9, 2)[4][1], batches(tokens, 9, 2)[4][1])


def test_too_short_a_text():
    with pytest.raises(ValueError, match=r"context \+ 1 = 9 tokens; got 8"):
        batches(np.arange(8), context=8, batch_size=1)
    inputs, _ = batches(np.arange(9), context=8, batch_size=2)[0]
    assert inputs.tolist() == [list(range(8))] * 2


@pytest.mark.parametrize(("context", "batch_size"), [(0, 1), (1, 0)])
def test_sizes_below_one(context, batch_size):
    with pytest.raises(ValueError, match="at least 1"):
        batches(np.arange(9), context, batch_size)
