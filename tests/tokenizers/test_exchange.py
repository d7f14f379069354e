import dataclasses
import json
import random

import pytest
import tiktoken
from tokenizers import Tokenizer as HFTokenizer
from tokenizers import decoders, models, pre_tokenizers, trainers

from tinygpt.tokenizers import BPETokenizer, from_huggingface, from_tiktoken, load, train_bpe
from tinygpt.tokenizers.exchange import GPT2_PATTERN, recover_merges

TEXT = (
    "The cat's hat WASN'T on the mat; the rat sat on 12,345 and 1234567 hats!\n\n\tIndented  twice   and \r\n"
    "Ça va? 我爱北京天安门。北京爱我。 नमस्ते दुनिया 🙂🙂👩‍👩‍👧 naïve café ſ \u2028 \xa0  x\x1c <|end|> \n \n"
)
# Newer encodings: case-insensitive endings, digits by three, line breaks with the punctuation before them.
NEWER = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$"
    r"|\s*[\r\n]|\s+(?!\S)|\s"
)


def random_texts(n: int) -> list[str]:
    rng = random.Random(0)
    alphabets = ["ab ", TEXT, "".join(map(chr, range(0x300))), "".join(map(chr, range(0x1F300, 0x1F600)))]
    return [TEXT, "", *("".join(rng.choices(rng.choice(alphabets), k=rng.randrange(60))) for _ in range(n))]


def with_other_bytes(tok: BPETokenizer, pattern: str, specials: dict[str, int]) -> tiktoken.Encoding:
    """The tokens of a tokenizer as ranks whose 256 bytes stand in another order."""
    order = random.Random(1).sample(range(256), 256)
    later = [tok.decode_bytes([256 + rank]) for rank in range(len(tok.merges))]
    tokens = [*(bytes([byte]) for byte in order), *later]
    ranks = {token: i for i, token in enumerate(tokens)}
    return tiktoken.Encoding("test", pat_str=pattern, mergeable_ranks=ranks, special_tokens=specials)


@pytest.fixture(scope="module")
def tok():
    return train_bpe(TEXT * 3, vocab_size=340, special_tokens=["<|end|>", "<|user|>"])


@pytest.mark.parametrize("pattern", [GPT2_PATTERN, NEWER], ids=["gpt2", "newer"])
def test_an_encoding_of_tiktoken_gives_its_ids(tok, pattern):
    encoding = with_other_bytes(tok, pattern, {"<|end|>": 338, "<|later|>": 341})
    own = from_tiktoken(encoding)
    assert own.vocab_size == encoding.n_vocab == 342 and own.pattern == pattern
    for text in random_texts(300):
        assert own.encode(text) == encoding.encode_ordinary(text), text
        assert own.encode(text, allow_special=True) == encoding.encode(text, allowed_special="all")
        assert own.decode(own.encode(text)) == text
    assert own.special_tokens == {
        "<|end|>": 338,
        "<|unused 339|>": 339,
        "<|unused 340|>": 340,
        "<|later|>": 341,
    }


def test_there_and_back(tok):
    assert from_tiktoken(tok.to_tiktoken()) == tok


@pytest.mark.parametrize(
    ("ranks", "message"),
    [
        (
            {bytes([i]): i for i in range(255)} | {b"ab": 255},
            "first 256 tokens must be the single bytes; got 255",
        ),
        (
            {bytes([i]): i for i in range(256)} | {b"abc": 256},
            r"Token 256, b'abc', is made of 3 earlier tokens",
        ),
        ({bytes([i]): i for i in range(256)} | {b"ab": 257}, "ranks of odd must be 0, 1, 2"),
    ],
)
def test_ranks_that_are_no_merges(ranks, message):
    encoding = tiktoken.Encoding("odd", pat_str=r"\S+|\s+", mergeable_ranks=ranks, special_tokens={})
    with pytest.raises(ValueError, match=message):
        from_tiktoken(encoding)


def test_the_pair_is_the_one_that_the_earlier_ranks_leave():
    tokens = [*(bytes([i]) for i in range(256)), b"bc", b"ab", b"abc"]
    assert recover_merges(tokens) == (list(range(256)), [(98, 99), (97, 98), (97, 256)])


def test_names_of_encodings(monkeypatch):
    with pytest.raises(ValueError, match=r"no encoding 'gpt5'. Try one of .*gpt2"):
        from_tiktoken("gpt5")

    def offline(name):
        raise ConnectionError("no network")

    monkeypatch.setattr(tiktoken, "get_encoding", offline)
    with pytest.raises(OSError, match=r"'gpt2' are not on this machine.*ConnectionError.*TIKTOKEN_CACHE_DIR"):
        from_tiktoken("gpt2")
    encoding = with_other_bytes(train_bpe("aaaa", 257), GPT2_PATTERN, {"<|endoftext|>": 257})
    monkeypatch.setattr(tiktoken, "get_encoding", {"gpt2": encoding}.__getitem__)
    assert from_tiktoken("gpt2").special_tokens == {"<|endoftext|>": 257}


@pytest.mark.parametrize(
    "pattern", [None, GPT2_PATTERN, NEWER, "[a-z]+"], ids=["own", "gpt2", "newer", "partial"]
)
def test_hugging_face_reads_ours_and_gives_the_same_ids(tok, pattern, tmp_path):
    own = train_bpe(TEXT * 3, 300, ["<|end|>", "<|user|>"], pattern=pattern or tok.pattern)
    own.save_huggingface(tmp_path / "tokenizer.json")
    theirs = HFTokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert theirs.get_vocab_size() == own.vocab_size
    for text in random_texts(300):
        ids = theirs.encode(text).ids
        assert ids == own.encode(text, allow_special=True), text
        assert theirs.decode(ids, skip_special_tokens=False) == text
    theirs.encode_special_tokens = True
    assert theirs.encode(TEXT).ids == own.encode(TEXT)
    back = from_huggingface(tmp_path)
    # What repeats without giving back is written without, where that is the same.
    assert (
        back
        == load(tmp_path / "tokenizer.json")
        == dataclasses.replace(own, pattern=own.pattern.replace("{1,3}+", "{1,3}"))
    )


def test_a_repeat_that_oniguruma_would_repeat_is_refused():
    with pytest.raises(ValueError, match=r"cannot say \{…\}\+ inside a pattern.*\(\?>"):
        BPETokenizer(merges=[], pattern=r"(?:a{1,2}+|b)a").to_huggingface()


def trained_by_hugging_face(merges_as_texts: bool) -> str:
    theirs = HFTokenizer(models.BPE())
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    theirs.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=330, show_progress=False, initial_alphabet=alphabet)
    theirs.train_from_iterator([TEXT] * 3, trainer)
    theirs.add_special_tokens(["<|end|>"])
    fields = json.loads(theirs.to_str())
    if merges_as_texts:
        fields["model"]["merges"] = [" ".join(m) for m in fields["model"]["merges"]]
    return json.dumps(fields)


@pytest.mark.parametrize("merges_as_texts", [False, True])
def test_we_read_theirs_and_give_the_same_ids(merges_as_texts, tmp_path):
    text = trained_by_hugging_face(merges_as_texts)
    (tmp_path / "tokenizer.json").write_text(text, encoding="utf-8")
    own, theirs = from_huggingface(tmp_path / "tokenizer.json"), HFTokenizer.from_str(text)
    assert own.pattern == GPT2_PATTERN
    for text in random_texts(300):
        assert own.encode(text, allow_special=True) == theirs.encode(text).ids, text


def changed(tok: BPETokenizer, *path: str, to: object) -> str:
    fields = json.loads(tok.to_huggingface())
    inner = fields
    for key in path[:-1]:
        inner = inner[int(key) if key.isdigit() else key]
    inner[path[-1]] = to
    return json.dumps(fields)


@pytest.mark.parametrize(
    ("path", "to", "message"),
    [
        ("model type", "Unigram", "a model of type Unigram"),
        ("model ignore_merges", True, "ignore_merges=True"),
        ("model dropout", 0.1, r"dropout=0\.1"),
        ("normalizer", {"type": "NFC"}, "a normalizer, NFC"),
        ("post_processor", {"type": "TemplateProcessing"}, "TemplateProcessing, that adds tokens"),
        ("pre_tokenizer", {"type": "Whitespace"}, r"another pre_tokenizer, \['Whitespace'\]"),
        ("pre_tokenizer pretokenizers 0 behavior", "Removed", "another pre_tokenizer, Split"),
        ("pre_tokenizer pretokenizers 1 use_regex", True, "no pattern, or two"),
        ("added_tokens 0 lstrip", True, "more or less than its text"),
        ("added_tokens 0 id", 7, "ids in another order"),
        ("model vocab", {"a": 0}, "ids in another order"),
        ("pre_tokenizer", None, "field is missing or strange"),
    ],
)
def test_what_hugging_face_can_say_and_we_cannot(tok, path, to, message, tmp_path):
    (tmp_path / "tokenizer.json").write_text(changed(tok, *path.split(), to=to))
    for read in (from_huggingface, load):
        with pytest.raises(ValueError, match=message):
            read(tmp_path / "tokenizer.json")


def test_no_json_and_no_file(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(ValueError, match="is no JSON"):
        from_huggingface(tmp_path)
    with pytest.raises(FileNotFoundError):
        from_huggingface(tmp_path / "other.json")
