import gc
import inspect
import random
from collections import Counter
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
import regex
from tqdm.auto import tqdm

from tinygpt import data
from tinygpt.tokenizers import PATTERN, train_bpe
from tinygpt.tokenizers import counting as counting_module
from tinygpt.tokenizers.bpe_training import _Pairs, learn_merges
from tinygpt.tokenizers.counting import count_words
from tinygpt.tokenizers.merging import merge


def naive_merges(word_counts: Counter[str], n: int) -> list[tuple[int, int]]:
    """Count every pair again after every merge: the algorithm as the paper states it."""
    words = [(list(word.encode("utf-8", "surrogateescape")), count) for word, count in word_counts.items()]
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


def documentation() -> str:
    return "\n\n".join(data.documentation(progress=False).documents[:40])[:30_000]


def chinese() -> str:
    return "\n".join(document.text for document in islice(data.worlds.brambleford(language="zh"), 200))


def code_and_emoji() -> str:
    own = Path(inspect.getsourcefile(train_bpe)).read_text(encoding="utf-8")
    return own + "".join(random.Random(0).choices("🙂👩‍🚀🎉naïve Ça \t\n", k=2000))


def random_bytes() -> str:
    return np.random.default_rng(0).bytes(6_000).decode("utf-8", "surrogateescape")


@pytest.mark.parametrize("corpus", [documentation, chinese, code_and_emoji, random_bytes])
def test_same_merges_rank_by_rank_as_the_textbook(corpus):
    text, n = corpus(), 200
    words = Counter(regex.findall(PATTERN, text))
    assert list(train_bpe(text, 256 + n).merges) == naive_merges(words, n)


def test_counts_stay_true_under_merging():
    words = Counter({"aaaa": 2, "aaab": 1, "abababa": 3, "banana": 1, "bb": 5})
    pairs = _Pairs(words)
    for new in range(256, 266):
        pairs.merge(pairs.queue.pop(), chr(new))
        recounted = Counter()
        for word, count in zip(pairs.words, pairs.frequencies, strict=True):
            for pair in pairwise(word):
                recounted["".join(pair)] += count
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
    tok = train_bpe("any text", vocab_size=256)
    assert tok.encode("hé") == list("hé".encode())


@pytest.mark.parametrize("texts", ["", [], [b"", ""], iter(())])
@pytest.mark.parametrize("vocab_size", [256, 300])
def test_an_empty_corpus(texts, vocab_size):
    with pytest.raises(ValueError, match=r"needs text to learn from; got none.*iterator used up"):
        train_bpe(texts, vocab_size)


def test_text_may_be_str_bytes_paths_lines_or_a_generator(tmp_path):
    text = "the cat sat\non the mat\nnaïve 🙂 mat\n"
    path = tmp_path / "text.txt"
    path.write_bytes(text.encode())
    whole = train_bpe(text, 262).merges
    for same in (text.encode(), path, [path], (part for part in [text])):
        assert train_bpe(same, 262).merges == whole
    with path.open("rb") as binary, path.open(encoding="utf-8", newline="") as lines:
        assert train_bpe(binary, 262).merges == train_bpe(lines, 262).merges


def test_texts_are_taken_one_at_a_time():
    alive = 0

    class Text(str):
        def __init__(self, _):
            nonlocal alive
            alive += 1
            assert alive <= 2, "a text must be let go before the next but one"

        def __del__(self):
            nonlocal alive
            alive -= 1

    train_bpe((Text(f"text {i}") for i in range(20)), 258)


def test_words_do_not_cross_texts():
    assert count_words(["ab", "cd"]) == Counter(["ab", "cd"])


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["fine", b"abc\xff"], r"Text 1 is not UTF-8 at byte 3 \(0xff\).*surrogateescape"),
        ([b"\xe4\xbd"], r"Text 0 is not UTF-8 at byte 0 \(0xe4\)"),
        (["fine", 3], "Text 1 must be str, bytes or a path; got int"),
        ("half \ud83d", "half a surrogate pair"),
    ],
)
def test_what_is_no_text(texts, message):
    with pytest.raises(ValueError, match=message):
        train_bpe(texts, 258)


def test_a_file_that_is_not_utf8_is_named(tmp_path):
    (tmp_path / "latin.txt").write_bytes("café".encode("latin-1"))
    with pytest.raises(ValueError, match=r"latin\.txt is not UTF-8 at byte 3"):
        train_bpe(tmp_path / "latin.txt", 257)


@pytest.mark.parametrize(
    ("specials", "message"),
    [
        (["<|a|>", "<|", "<|b|>"], r"how another begins.*'<\|' and '<\|a\|>'"),
        (["x", "x"], "different, non-empty"),
        ([""], "different, non-empty"),
        ("<|end|>", r"must be a list of texts.*\['<\|end\|>'\]"),
    ],
)
def test_bad_special_tokens_are_found_before_any_text_is_read(specials, message):
    def texts():
        raise AssertionError("read too early")
        yield

    with pytest.raises(ValueError, match=message):
        train_bpe(texts(), 300, special_tokens=specials)


def test_few_chunks_in_memory_count_the_same(monkeypatch):
    text = documentation()
    expected = Counter(regex.findall(PATTERN, text))
    assert count_words(text) == expected
    monkeypatch.setattr(counting_module, "MOST_CHUNKS", 10)
    assert count_words(text.splitlines(keepends=True)) == Counter(
        word for line in text.splitlines(keepends=True) for word in regex.findall(PATTERN, line)
    )


@pytest.mark.parametrize("phase", ["reading", "learning"])
def test_ctrl_c_leaves_nothing_behind(phase, monkeypatch):
    def texts():
        yield "some text"
        raise KeyboardInterrupt

    def interrupted(self, pair, new):
        assert not gc.isenabled()
        raise KeyboardInterrupt

    monkeypatch.setattr(_Pairs, "merge", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_bpe(texts() if phase == "reading" else "some text", 258)
    assert gc.isenabled()
    assert not [bar for bar in getattr(tqdm, "_instances", []) if bar.desc in ("characters", "merges")]


def test_both_phases_show_a_bar(monkeypatch):
    shown = []
    monkeypatch.setattr("tqdm.auto.tqdm", lambda **kw: shown.append(kw) or tqdm(**{**kw, "disable": True}))
    train_bpe("some text", 258)
    train_bpe("some text", 258, progress=False)
    assert [(kw["desc"], kw["disable"]) for kw in shown] == [
        ("characters", False), ("merges", False), ("characters", True), ("merges", True),
    ]  # fmt: skip


def test_too_small_a_vocabulary():
    with pytest.raises(ValueError, match="at least 257, for 256 bytes and 1 special tokens; got 100"):
        train_bpe("text", vocab_size=100, special_tokens=["<|end|>"])


def test_more_merges_than_the_text_allows():
    with pytest.raises(ValueError, match=r"needs 44 merges, but after 2 .* Try vocab_size=258"):
        train_bpe("abc", vocab_size=300)
    assert train_bpe("abc", vocab_size=258).encode("abc") == [257]
