import random
from collections import Counter
from itertools import pairwise

import pytest

from tinygpt.tokenizers import train_bpe
from tinygpt.tokenizers.bpe import merge
from tinygpt.tokenizers.bpe_training import _Pairs, count_words, learn_merges


def naive_merges(word_counts: Counter[str], n: int) -> list[tuple[int, int]]:
    """Count every pair again after every merge: the algorithm as the paper states it."""
    words = [(list(word.encode()), count) for word, count in word_counts.items()]
    merges = []
    for new in range(256, 256 + n):
        pairs = Counter()
        for ids, count in words:
            for pair in pairwise(ids):
                pairs[pair] += count
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        words = [(merge(ids, best, new), count) for ids, count in words]
        merges.append(best)
    return merges


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("alphabet", ["a", "ab", "abc", "abcdefghij爱"])
def test_same_merges_as_counting_again(alphabet, seed):
    rng = random.Random(seed)
    words = Counter(
        {"".join(rng.choices(alphabet, k=rng.randint(1, 14))): rng.randint(1, 5) for _ in range(30)}
    )
    assert learn_merges(words, 60) == naive_merges(words, 60)


def test_same_merges_on_prose():
    words = count_words([method.__doc__ for method in vars(str).values() if method.__doc__])
    assert learn_merges(words, 150) == naive_merges(words, 150)


def test_counts_stay_true_under_merging():
    words = Counter({"aaaa": 2, "aaab": 1, "abababa": 3, "banana": 1, "bb": 5})
    pairs = _Pairs(words)
    for new in range(256, 266):
        pairs.merge(pairs.most_frequent(), new)
        recounted = Counter()
        for ids, count in zip(pairs.words, pairs.frequencies, strict=True):
            for pair in pairwise(ids):
                recounted[pair] += count
        assert pairs.counts == recounted


def test_ties_take_the_smaller_pair():
    assert learn_merges(Counter({"zy": 1, "ab": 1, "ba": 1}), 3) == [(97, 98), (98, 97), (122, 121)]


def test_overlaps_are_merged_from_the_left():
    assert merge([7, 7, 7, 7, 7], (7, 7), 9) == [9, 9, 7]


def test_order_and_cutting_of_texts_do_not_matter():
    texts = ["the cat sat", "on the mat", "the end"]
    assert train_bpe(texts, 262).merges == train_bpe(iter(texts[::-1]), 262).merges


def test_vocab_size_counts_everything():
    tok = train_bpe("the cat, the hat, the bat", vocab_size=262, special_tokens=["<|a|>", "<|b|>"])
    assert tok.vocab_size == 262 and len(tok.merges) == 4
    assert tok.special_tokens == {"<|a|>": 260, "<|b|>": 261}


def test_a_vocabulary_of_bytes_alone():
    tok = train_bpe([], vocab_size=256)
    assert tok.encode("hé") == list("hé".encode())


def test_too_small_a_vocabulary():
    with pytest.raises(ValueError, match="at least 257, for 256 bytes and 1 special tokens; got 100"):
        train_bpe("text", vocab_size=100, special_tokens=["<|end|>"])


def test_more_merges_than_the_text_allows():
    with pytest.raises(ValueError, match=r"needs 44 merges, but after 2 .* Try vocab_size=258"):
        train_bpe("abc", vocab_size=300)
    assert train_bpe("abc", vocab_size=258).encode("abc") == [257]
