import copy
import dataclasses
import os
import pickle
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import chain, islice

import numpy as np
import pytest
import regex
import tiktoken
import torch
from tokenizers import Regex, decoders, models, pre_tokenizers
from tokenizers import Tokenizer as HFTokenizer

from tinygpt import data
from tinygpt.tokenizers import PATTERN, BPETokenizer, train_bpe
from tinygpt.tokenizers import bpe as module

TEXT = (
    "The cat's hat wasn't on the mat; the rat sat on 12,345 hats!\n\n\tIndented  twice   and thrice. "
    "Ça va? 我爱北京天安门。北京爱我。 नमस्ते दुनिया 🙂🙂👩‍👩‍👧 naïve café\r\n"
) * 3
TRICKY = [
    "",
    " ",
    "\n",
    "   a",
    "a   ",
    "aaaaaaa",
    "\x00\xff",
    "🙂",
    "e\u0301",
    "\u2028x",
    "don't",
    "12 345",
    TEXT,
]


@pytest.fixture(scope="module")
def tok():
    return train_bpe(TEXT, vocab_size=340, special_tokens=["<|end|>", "<|user|>"])


def random_texts(n: int, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    alphabets = ["ab ", TEXT, "".join(map(chr, range(0x300))), "".join(map(chr, range(0x1F000, 0x1FA00)))]
    return ["".join(rng.choices(rng.choice(alphabets), k=rng.randrange(60))) for _ in range(n)]


def test_round_trip_is_exact(tok):
    for text in TRICKY + random_texts(300):
        assert tok.decode(tok.encode(text)) == text


def test_every_byte_string_survives(tok):
    rng = np.random.default_rng(0)
    for _ in range(200):
        data = rng.integers(256, size=rng.integers(40)).astype(np.uint8).tobytes()
        assert tok.decode_bytes(tok.encode(data.decode("utf-8", "surrogateescape"))) == data


def test_half_a_surrogate_pair_is_refused_with_the_repair(tok):
    with pytest.raises(ValueError, match=r"half a surrogate pair, '\\ud800', which is no character.*utf-16"):
        tok.encode("ab\ud800")


def naive_encode(tok: BPETokenizer, text: str) -> list[int]:
    """Merge by merge, in the order learnt, over every word: the definition."""
    ids = []
    for word in regex.findall(tok.pattern, text):
        part = list(word.encode())
        for rank, pair in enumerate(tok.merges):
            i = 0
            while i < len(part) - 1:
                if (part[i], part[i + 1]) == pair:
                    part[i : i + 2] = [256 + rank]
                i += 1
        ids += part
    return ids


def test_same_ids_as_the_definition(tok):
    for text in TRICKY + random_texts(300, seed=1):
        assert tok.encode(text) == naive_encode(tok, text)


def test_same_ids_as_tiktoken(tok):
    bridge = tok.to_tiktoken()
    assert isinstance(bridge, tiktoken.Encoding) and bridge.n_vocab == tok.vocab_size
    for text in TRICKY + random_texts(300, seed=2):
        assert bridge.encode(text, disallowed_special=()) == tok.encode(text)
    marked = "one<|end|>two<|user|>"
    assert bridge.encode(marked, allowed_special="all") == tok.encode(marked, allow_special=True)
    assert bridge.decode(tok.encode(TEXT)) == TEXT


def test_same_ids_as_hugging_face(tok):
    ours = HFTokenizer(models.BPE(**hugging_face_tables(tok)))
    ours.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    ours.decoder = decoders.ByteLevel()
    for text in TRICKY + random_texts(300, seed=3):
        assert ours.encode(text).ids == tok.encode(text)


def hugging_face_tables(tok: BPETokenizer) -> dict[str, object]:
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    letter = {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(others)}
    names = ["".join(letter[b] for b in tok.decode_bytes([i])) for i in range(256 + len(tok.merges))]
    return {
        "vocab": {name: i for i, name in enumerate(names)},
        "merges": [(names[a], names[b]) for a, b in tok.merges],
    }


def test_user_text_never_becomes_special(tok):
    end = tok.special_tokens["<|end|>"]
    assert end not in tok.encode("bye<|end|>")
    assert tok.decode(tok.encode("bye<|end|>")) == "bye<|end|>"
    assert tok.encode("bye<|end|>", allow_special=True) == [*tok.encode("bye"), end]


def test_pieces_show_bytes_that_are_no_characters(tok):
    assert tok.pieces([0xE4, 0x41, 0x20, 256 + len(tok.merges)]) == ["\\xe4", "A", "·", "<|end|>"]
    assert all(piece.isprintable() for piece in tok.pieces(range(tok.vocab_size)))


def test_half_a_character_decodes_to_a_replacement(tok):
    assert tok.decode([0xE4, 0xBD]) == "�" and tok.decode_bytes([0xE4, 0xBD]) == b"\xe4\xbd"


@pytest.mark.parametrize("make", [list, np.array, torch.tensor])
def test_ids_may_be_a_list_an_array_or_a_tensor(tok, make):
    assert tok.decode(make(tok.encode("the hat"))) == "the hat"


@pytest.mark.parametrize("bad", [-1, 340])
def test_a_foreign_id(tok, bad):
    for use in (tok.decode, tok.pieces, tok.decode_bytes):
        with pytest.raises(ValueError, match=f"from 0 to 339; got {bad}"):
            use([1, bad])


def test_a_pattern_that_forgets_characters_loses_none():
    tok = BPETokenizer(merges=[(97, 98)], pattern="[a-z]+")
    assert tok.encode("ab,\nab") == [256, 44, 10, 256]
    assert tok.to_tiktoken().encode("ab,\nab") == tok.encode("ab,\nab")


@pytest.mark.parametrize(("pattern", "message"), [("(a)b", "must not capture"), ("[a", "regular expression")])
def test_bad_patterns(pattern, message):
    with pytest.raises(ValueError, match=message):
        BPETokenizer(merges=[], pattern=pattern)


@pytest.mark.parametrize(
    ("merges", "message"),
    [([(97, 256)], "Merge 0 must join ids from 0 to 255"), ([(97, 98), (97, 98)], "two merges make b'ab'")],
)
def test_bad_merges(merges, message):
    with pytest.raises(ValueError, match=message):
        BPETokenizer(merges=merges)


@pytest.mark.parametrize("specials", [["a", "a"], [""], ["<|", "<|end|>"]])
def test_bad_specials(specials):
    with pytest.raises(ValueError, match=r"different, non-empty|how another begins"):
        BPETokenizer(merges=[], specials=specials)


@pytest.mark.parametrize("order", [range(255), [0, *range(255)], range(1, 257)])
def test_bad_byte_orders(order):
    with pytest.raises(ValueError, match="each byte from 0 to 255 once"):
        BPETokenizer(merges=[], byte_order=order)


def test_bytes_in_another_order_give_other_ids_for_the_same_tokens(tok):
    order = random.Random(0).sample(range(256), 256)
    id_of = [order.index(i) if i < 256 else i for i in range(256 + len(tok.merges))]
    other = dataclasses.replace(
        tok, byte_order=order, merges=[(id_of[a], id_of[b]) for a, b in tok.merges], specials=()
    )
    for text in TRICKY + random_texts(100, seed=5):
        assert other.encode(text) == [id_of[i] for i in tok.encode(text)]
        assert other.decode(other.encode(text)) == text
        assert other.to_tiktoken().encode_ordinary(text) == other.encode(text)


def test_the_caches_are_bounded_and_change_nothing(tok, monkeypatch):
    monkeypatch.setattr(module, "CACHED", 3)
    fresh = dataclasses.replace(tok)
    assert fresh.encode(TEXT) == fresh.encode(TEXT) == tok.encode(TEXT)
    assert len(fresh._words) <= 3 and len(fresh._chunks) <= 3
    assert fresh.encode("a" * 65) and "a" * 65 not in fresh._words and "a" * 65 not in fresh._chunks


@pytest.mark.parametrize("unit", ["a", " ", "=", "\n", "爱", "hat"])
def test_time_grows_with_the_length_of_a_word_not_with_its_square(tok, unit):
    def seconds(n: int) -> float:
        fresh, text = dataclasses.replace(tok), unit * n + "."
        started = time.process_time()
        ids = fresh.encode(text)
        taken = time.process_time() - started
        assert fresh.decode(ids) == text
        return taken

    # The best of three on both sides: Python may clear up after other tests in the midst of one.
    short, long = (min(seconds(n) for _ in range(3)) for n in (5_000, 80_000))
    assert long < 16 * 6 * short  # the square would be 256 times as long


def test_a_long_word_of_many_merges_costs_little_more_than_short_ones():
    letters = "".join(random.Random(0).choices("abcdefgh", k=30_000))
    tok = train_bpe([letters[i : i + 50] for i in range(0, 15_000, 50)], 2000, progress=False)

    def seconds(text: str) -> float:
        fresh = dataclasses.replace(tok)
        started = time.process_time()
        assert fresh.decode(fresh.encode(text)) == text
        return time.process_time() - started

    apart = " ".join(letters[i : i + 100] for i in range(0, len(letters), 100))
    # Searching all of it again for each of 1,700 different merges takes twenty times as long.
    whole, parts = (min(seconds(text) for _ in range(3)) for text in (letters, apart))
    assert whole < 5 * parts


def mixed(megabytes: float) -> Iterator[str]:
    """Prose, Chinese, emoji, special tokens and broken UTF-8, in texts of a few thousand characters."""
    rng = random.Random(0)
    prose = "\n\n".join(data.documentation(progress=False).documents[:200])
    village = "\n".join(d.text for d in islice(data.worlds.brambleford(language="zh"), 500))
    emoji = [chr(i) for i in range(0x1F300, 0x1F700)] + ["👩‍👩‍👧", "🇫🇷", "👍🏽"]
    made = 0
    while made < megabytes * 1e6:
        parts = [source[(at := rng.randrange(len(source))) : at + 1500] for source in (prose, village)]
        parts += ["".join(rng.choices(emoji, k=40)), "<|end|><|user|>", " " * 99 + "\n\n\n\tx"]
        parts += [rng.randbytes(rng.choice([0, 200])).decode("utf-8", "surrogateescape")]
        parts += ["".join(map(chr, rng.choices(range(0x20, 0x600), k=99)))]
        rng.shuffle(parts)
        yield (text := "".join(parts))
        made += len(text.encode("utf-8", "surrogateescape"))


def test_with_tiktoken_the_ids_are_those_without(tok, monkeypatch):
    monkeypatch.setattr(module, "MANY", 50)
    # TINYGPT_MIXED=20 compares 20 MB.
    texts = list(mixed(float(os.environ.get("TINYGPT_MIXED", "0.2"))))
    fast, plain = dataclasses.replace(tok), dataclasses.replace(tok)
    plain.__dict__["_tiktoken"] = None
    specials, ids = set(tok.special_tokens.values()), [fast.encode(text) for text in texts]
    assert ids == [plain.encode(text) for text in texts]
    assert specials.isdisjoint(chain.from_iterable(ids))
    assert isinstance(fast._tiktoken, tiktoken.Encoding)
    for text, own in zip(texts, ids, strict=True):
        assert fast.decode_bytes(own) == text.encode("utf-8", "surrogateescape")
    bridge = tok.to_tiktoken()
    for text, own in zip(texts, ids, strict=True):
        if module._is_utf8(text):
            assert bridge.encode_ordinary(text) == own


def test_short_texts_do_not_load_tiktoken(tok):
    code = f"""if True:
        import sys
        from tinygpt.tokenizers import from_json
        tok = from_json({tok.to_json()!r})
        for text in ("a short text", " ".join(map(chr, range(0x4e00, 0x8e00)))):
            tok.encode(text)
            print("tiktoken" in sys.modules)
    """
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert said.split() == ["False", "True"]


def test_without_tiktoken_everything_still_works(tok, monkeypatch):
    monkeypatch.setattr(module, "MANY", 0)
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    fresh = dataclasses.replace(tok)
    assert fresh.encode(TEXT) == tok.encode(TEXT) and fresh._tiktoken is None
    with pytest.raises(ModuleNotFoundError):
        fresh.to_tiktoken()


def test_a_returned_list_is_the_callers_own(tok):
    tok.encode("hat").append(0)
    assert tok.decode(tok.encode("hat")) == "hat"


def test_is_a_value(tok):
    assert tok == dataclasses.replace(tok) and hash(tok) == hash(dataclasses.replace(tok))
    with pytest.raises(dataclasses.FrozenInstanceError):
        tok.merges = ()
    assert tok.encode(TEXT) and tok.to_tiktoken()
    for copied in (copy.deepcopy(tok), pickle.loads(pickle.dumps(tok))):
        assert "_words" not in copied.__dict__
        assert copied == tok and copied.encode("the hat") == tok.encode("the hat")
