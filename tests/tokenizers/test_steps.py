"""Byte-pair encoding in the open: the same merges as the fast trainer, and what decided each."""

from __future__ import annotations

import random

import pytest

from tinygpt.tokenizers import BPETokenizer, merge_steps, train_bpe

TEXT = "the cat sat on the mat, and that cat sat there. 你好，你好吗？ 🦙🦙 don't 1234 aaaa aaa\r\n\t  x"


def noise(seed: int) -> str:
    """Random bytes out of few, so that ties and runs are common."""
    rng = random.Random(seed)
    return bytes(rng.choice(b"ab \n\xff\xe4") for _ in range(200)).decode("utf-8", "surrogateescape")


@pytest.mark.parametrize("text", [TEXT, *map(noise, range(5))], ids=repr)
def test_the_merges_are_those_of_the_trainer(text: str) -> None:
    trained = train_bpe(text, vocab_size=256 + 20, progress=False)
    assert tuple(step.pair for step in merge_steps(text, 20)) == trained.merges


def test_a_pattern_is_kept_to() -> None:
    whole = r"(?s:.+)"
    trained = train_bpe(TEXT, vocab_size=276, pattern=whole, progress=False)
    steps = list(merge_steps(TEXT, 20, pattern=whole))
    assert tuple(step.pair for step in steps) == trained.merges
    assert len(steps[0].before) == 1


def test_a_step_says_what_decided_it() -> None:
    first, second = merge_steps("abab abc", 2, top=2)
    a, b = b"ab"
    assert (first.rank, first.pair, first.new, first.count, first.tied) == (0, (a, b), 256, 3, 1)
    assert first.top == (((a, b), 3), ((ord(" "), a), 1))
    assert first.before == (tuple(b"abab"), tuple(b" abc"))
    assert first.after == second.before == ((256, 256), (ord(" "), 256, ord("c")))
    assert (second.pair, second.count, second.tied) == ((ord(" "), 256), 1, 3)


def test_the_words_are_those_that_the_tokenizer_makes() -> None:
    steps = list(merge_steps(TEXT, 30))
    tok = BPETokenizer(merges=[step.pair for step in steps])
    assert [i for word in steps[-1].after for i in word] == tok.encode(TEXT)


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match="n must be at least 0 and top at least 1; got n=-1 and top=8"):
        merge_steps("abc", -1)
    with pytest.raises(ValueError, match="got n=1 and top=0"):
        merge_steps("abc", 1, top=0)
    with pytest.raises(ValueError, match=r"at most 2 for this text: after 2 merges .* got 5\. Try n=2"):
        list(merge_steps("abc", 5))
    with pytest.raises(ValueError, match="must not capture groups"):
        merge_steps("abc", 1, pattern="(a)")
