"""The JavaScript of the tokens and merges views cuts, encodes and learns as Python does: goldens for node."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from views import lab, texts

from tinygpt.tokenizers import BPETokenizer, Tokenizer, merge_steps
from tinygpt.tokenizers.base import to_bytes
from tinygpt.tokenizers.words import compile_pattern
from tinygpt.views import merges, tokens
from tinygpt.views._regex import to_javascript


def encode(view: Any) -> str:
    return base64.b64encode(view._packed()[1]).decode()


def tokenizer_case(tok: Tokenizer) -> dict[str, Any]:
    every = texts.all_texts()
    # As the second of two, so that it has to be found behind the first.
    text = every[10] if isinstance(tok, BPETokenizer) else "e"
    return {
        "payload": encode(tokens(texts.trained(300), text, tok)),
        "ids": [ids_of(tok, text) for text in every],
        "allowed": [ids_of(tok, text, True) for text in every],
        "pieces": [list(tok.decode_bytes([i])) for i in range(tok.vocab_size)],
    }


def ids_of(tok: Tokenizer, text: str, allow_special: bool = False) -> list[int]:
    """Ids, with −1 for a character without a token."""
    try:
        return tok.encode(text, allow_special=allow_special)
    except ValueError:
        parts = tok._special_pattern.split(text) if allow_special else [text]
        return [i for part in parts for i in known_or_not(tok, part, allow_special)]


def known_or_not(tok: Tokenizer, part: str, allow_special: bool) -> list[int]:
    if allow_special and part in tok.special_tokens:
        return [tok.special_tokens[part]]
    return [tok.encode(character)[0] if character in tok.characters else -1 for character in part]


def merge_case(text: str, n: int, **options: Any) -> dict[str, Any]:
    steps = [
        {
            "top": step.top,
            "tied": step.tied,
            "before": [i for word in step.before for i in word],
            "after": [i for word in step.after for i in word],
        }
        for step in merge_steps(text, n, **options)
    ]
    return {"payload": encode(merges(text, n, **options)), "steps": steps}


def given_case() -> dict[str, Any]:
    tok = texts.trained(300, r"(?V1)[\p{L}--[aeiou]]+")
    ids = tok.encode(texts.HARD[2])
    return {"payload": encode(tokens(tok, texts.HARD[2])), "ids": ids, "bytes": list(tok.decode_bytes(ids))}


def goldens() -> dict[str, Any]:
    every = texts.all_texts()
    encoded = [to_bytes(text) for text in every]
    patterns = texts.PATTERNS.items()
    small = {"default": {}, "gpt2": {"vocab_size": 900}, "cl100k": {}, "whole": {"vocab_size": 400}}
    bpe = {name: texts.trained(**size, pattern=texts.PATTERNS[name]) for name, size in small.items()}
    others = {"reversed": texts.reversed_bytes(bpe["default"]), "characters": texts.characters()}
    return {
        "texts": every,
        "bytes": list(map(list, encoded)),
        "decoded": [data.decode("utf-8", "surrogateescape") for data in encoded],
        "words": {
            name: {
                "source": to_javascript(pattern),
                "words": [compile_pattern(pattern).findall(text) for text in every],
            }
            for name, pattern in patterns
        },
        "tokenizers": {name: tokenizer_case(tok) for name, tok in (bpe | others).items()},
        "given": given_case(),
        "merges": {
            "sentence": merge_case(texts.HARD[1] * 2 + texts.HARD[8], 25),
            "mixed": merge_case("".join(texts.HARD), 60),
            "runs": merge_case("aaaaaaa aaaa aaa bbbb", 6),
            "whole": merge_case(texts.HARD[6], 12, pattern=r"(?s:.+)"),
        },
    }


def test_javascript_agrees_with_python(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        lab.not_run("No node, which runs the views' JavaScript. Install Node.js 18 or newer.")
    (tmp_path / "golden.json").write_text(json.dumps(goldens()))
    done = subprocess.run(
        [node, "--test", str(Path(__file__).with_name("encoding.test.mjs"))],
        env=os.environ | {"GOLDEN": str(tmp_path / "golden.json")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a)b",
        r"(?V1)[a--b]",
        r"[[:alpha:]]+",
        r"(?:abc){e<=1}",
        r"\X",
        r"\Ga",
        r"(?i:ä)",
        r"(?i:\p{Lu})",
        r"(?i:[à-ö])",
        r"[\W\d]",
        r"(?P<name>a)",
        r"a{,3}",
        r"(?i)a",
        "[a",
        "(?:a",
        "a)",
        "*",
        "\\",
    ],
)
def test_a_pattern_that_javascript_has_no_equal_for_is_refused(pattern: str) -> None:
    assert to_javascript(pattern) is None


def test_a_translation_says_what_it_means() -> None:
    assert to_javascript(r"(?i:[sdmt]|'ll)") == r"(?:[sSſdDmMtT]|'[lL][lL])"
    assert to_javascript(r"\s+(?!\S)|a-b") == r"\p{White_Space}+(?!\P{White_Space})|a\x2db"
    assert to_javascript(r"\p{Han}\pL\p{Lu}\p{Alphabetic}") == r"\p{Script=Han}\p{L}\p{Lu}\p{Alphabetic}"
