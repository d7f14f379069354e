"""Texts that are hard to cut and to encode, and tokenizers that do it in different ways."""

from __future__ import annotations

import random

from tinygpt.tokenizers import PATTERN, BPETokenizer, Tokenizer, train_bpe, train_characters

END, USER = "<|end|>", "<|user|>"
HARD = [
    "",
    "Hello, attention is all you need: 1234 tokens!",
    "a llama 🦙, an astronaut 👩‍🚀, a family 👨‍👩‍👧‍👦, flags 🇩🇪🇫🇷, a thumb 👍🏽, a heart ❤️",
    "你好，世界！我們喜歡貓。こんにちは カタカナ 안녕하세요",
    "नमस्ते दुनिया, क्षत्रिय; สวัสดี; שָׁלוֹם; مرحبا بالعالم",
    "cafe\u0301 naïve Å Å ﬁ e\u0301\u0323\u0302",
    "line\r\nends\r\n\r\n\tand\r mixed\n\n\n   \t  \u00a0\u3000\u2003\u2028x\x85y\u200bz\ufeff",
    "x" * 40 + " " * 70 + "y" + "\n" * 30,
    "def f(x):\n    return {'a': x**2, \"b\": [1, 22, 333, 4444]}  # don't, I'LL we'Ve it'ſ\n",
    "12345 3.14159 1,000,000 ½ ² ௧௨௩ ٣٤ Ⅷ 0x7f",
    f"one{END}two{USER}{END}<|en d|>{END[:-1]}",
    b"\xff\xfe broken \xe4\xbd then \xf0\x9f\xa6 \xc0\xaf \xed\xa0\x80 ok".decode("utf-8", "surrogateescape"),
    "_snake_case CamelCase don’t “quoted” -- … $5 €7 x\x00y\x1b[0m ~`^|\\ klmK\u212a wait.!!\n",
]
# As their makers published them, possessive quantifiers and case-insensitive groups included.
PATTERNS = {
    "default": PATTERN,
    "gpt2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s",
    "cl100k": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    "o200k": "|".join(
        [
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
            r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ]
    ),
    "digits": r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))| ?\w+|\p{Han}|[^\S\n]+|[-+.]|[^\w\s]|\n",
    "whole": r"(?s:.+)",
    "bytes": r"(?s:.)",
    "forgetful": r"[a-f\x30-\x39]{2,}|(?i:[k-m]+)|\bz|(?>x+)x|^l|[.!]+$",
}
# Blocks that have not changed for years: Python and the browser may know different versions of Unicode.
BLOCKS = [(32, 126), (9, 13), (0xA0, 0x17F), (0x300, 0x341), (0x3B1, 0x3C9), (0x410, 0x44F), (0x905, 0x94D)]
BLOCKS += [
    (0x4E00, 0x4FFF),
    (0xAC00, 0xAD00),
    (0x1F600, 0x1F64F),
    (0x2000, 0x200D),
    (0x30, 0x39),
    (0x1F1E6, 0x1F1FF),
]
SNIPPETS = [
    "\r\n",
    "  ",
    "👩‍🚀",
    "'s",
    "'LL",
    "\ufe0f",
    "🏽",
    END,
    USER,
    "\udcff",
    "\udce4",
    "th",
    "the ",
    "1234",
    "\t",
]


def noise(seed: int) -> str:
    """A random mixture of letters, marks, white space, emoji and single bytes."""
    rng = random.Random(seed)
    return "".join(
        rng.choice(SNIPPETS) if rng.random() < 0.3 else chr(rng.randint(*rng.choice(BLOCKS)))
        for _ in range(rng.randint(1, 40))
    )


def all_texts() -> list[str]:
    return [*HARD, *map(noise, range(300))]


def trained(vocab_size: int = 600, pattern: str = PATTERN) -> BPETokenizer:
    """A tokenizer that has seen a third of the texts."""
    seen = [text.replace(END, "").replace(USER, "") for text in all_texts()[::3]]
    return train_bpe([*HARD, *seen], vocab_size, [END, USER], pattern=pattern, progress=False)


def reversed_bytes(tok: BPETokenizer) -> BPETokenizer:
    """The same tokens under other ids: byte b has id 255 − b."""
    merges = [tuple(255 - i if i < 256 else i for i in pair) for pair in tok.merges]
    order = range(255, -1, -1)
    return BPETokenizer(merges=merges, specials=tok.specials, pattern=tok.pattern, byte_order=order)


def characters() -> Tokenizer:
    return train_characters("".join(all_texts()[:150]), [END])
