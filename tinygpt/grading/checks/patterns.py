"""A pattern that cuts text into words, with other rules for each known way to go wrong."""

from __future__ import annotations

import regex

from tinygpt.grading.exercise import Fault

RULES = {
    "endings": {
        "small": r"'(?:re|ve|ll|[stmd])",
        "none": "",
        "capitals too": r"'(?i:re|ve|ll|[stmd])",
        "at the end": r"'(?:re|ve|ll|[stmd])(?!\p{L})",
        "after letters": r"(?<=\p{L})'(?:re|ve|ll|[stmd])",
        "some": r"'[stmd]",
        "any": r"'\p{L}+",
    },
    "words": {
        "space before": r" ?\p{L}+",
        "no space": r"\p{L}+",
        "all spaces": r" *\p{L}+",
        "any blank": r"\s?\p{L}+",
        "space after": r"\p{L}+ ?",
        "English": r" ?[A-Za-z]+",
        "and digits": r" ?[\p{L}\p{N}]+",
        "and _": r" ?[\p{L}_]+",
        r"\w": r" ?\w+",
        "one sort of case": r" ?\p{Lu}?\p{Ll}+| ?\p{L}",
        "one": r" ?\p{L}",
    },
    "numbers": {
        "three": r"\p{N}{1,3}",
        "all": r"\p{N}+",
        "one": r"\p{N}",
        "space before": r" ?\p{N}{1,3}",
        "all, space before": r" ?\p{N}+",
        "from the right": r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))",
        "ASCII": r"[0-9]{1,3}",
    },
    "signs": {
        "run": r" ?[^\s\p{L}\p{N}]+",
        "one": r" ?[^\s\p{L}\p{N}]",
        "no space": r"[^\s\p{L}\p{N}]+",
        "not _": r" ?[^\s\w]+",
        "ASCII": r" ?[!-/:-@\[-`{-~]+",
    },
    "white": {
        "gives one back": r"\s+(?!\S)|\s+",
        "keeps all": r"\s+",
        "one": r"\s",
        "lost": "",
        "spaces only": r" +(?!\S)| +",
        "runs of spaces only": r" +(?!\S)|\s",
        "gives one back to letters": r"\s+(?!\S|\s\P{L})|\s+",
        "single lost": r"\s+(?!\S)",
    },
}


def cutting_attempt(text: str, *, first: str = "endings", finish: str = "pieces", **rules: str) -> list[str]:
    """The pattern with another rule in place of the right one; the rest as it should be."""
    parts = {
        name: alternatives[rules.get(name, next(iter(alternatives)))] for name, alternatives in RULES.items()
    }
    if first == "words":
        parts = {"words": parts.pop("words"), **parts}
    if first == "white":
        parts = {"white": parts.pop("white"), **parts}
    if first == "signs":
        parts = {"signs": parts.pop("signs"), **parts}
    pieces = regex.findall("|".join(filter(None, parts.values())), text)
    if finish == "stripped":
        return [piece.strip() for piece in pieces if piece.strip()]
    return pieces


MISTAKES = (
    Fault(
        "underscore lost",
        "`_` gets lost: it is no letter, but `\\w` takes it for one, so `[^\\s\\w]` does not take it "
        "either. Signs are `[^\\s\\p{L}\\p{N}]`.",
        {"signs": "not _"},
    ),
    Fault(
        "white space lost",
        "White space gets lost. `findall` is silent about what no rule takes: give it a rule of its own.",
        {"white": "lost"},
    ),
    Fault(
        "lines and tabs lost",
        "Line ends and tabs get lost: white space is `\\s`, more than a space.",
        {"white": "spaces only"},
    ),
    Fault(
        "single white space lost",
        "White space that has something behind it gets lost: `\\s+(?!\\S)` does not take a single one. "
        "Add `\\s+` for what is left.",
        {"white": "single lost"},
    ),
    Fault(
        "stripped",
        "The pieces are stripped, so that spaces get lost. The space before a word belongs to it.",
        {"finish": "stripped"},
    ),
    Fault(
        "white space keeps all",
        "A run of white space swallows the space that belongs to the next word. It leaves its last "
        "character behind: `\\s+(?!\\S)` first, then `\\s+`.",
        {"white": "keeps all"},
    ),
    Fault(
        "white space one by one",
        "Each white-space character is a piece of its own. A run stays together, but for its last character.",
        {"white": "one"},
    ),
    Fault(
        "only spaces in runs",
        "Runs of line ends and tabs are cut one by one. White space of any kind stays together.",
        {"white": "runs of spaces only"},
    ),
    Fault(
        "white space gives back to words only",
        "A run of white space leaves its last character behind whatever follows, digits and signs as well.",
        {"white": "gives one back to letters"},
    ),
    Fault(
        "space not with the word",
        "The space before a word is not in its piece: ` ?\\p{L}+`.",
        {"words": "no space"},
    ),
    Fault(
        "all spaces with the word",
        "You take all spaces before a word. It takes one at most: ` ?`, not ` *`.",
        {"words": "all spaces"},
    ),
    Fault(
        "any white space with the word",
        "You take a line end or a tab before a word. Only a space goes with it: ` ?`, not `\\s?`.",
        {"words": "any blank"},
    ),
    Fault(
        "space after the word",
        "The space goes with the word *behind* it: ` ?\\p{L}+`.",
        {"words": "space after"},
    ),
    Fault(
        "English letters only",
        "`[a-z]` knows 26 letters, and takes é or 東 for signs or loses them. A letter of any script is "
        "`\\p{L}`.",
        {"words": "English"},
    ),
    Fault(
        "words and digits together",
        "Letters and digits are in one piece. A number is cut apart from a word: `b2b` is three pieces.",
        {"words": "and digits"},
    ),
    Fault("underscore taken for a letter", "`_` is a sign, not a letter.", {"words": "and _"}),
    Fault(
        "underscore and digits taken for letters",
        "`\\w` is letters, digits and `_`. A letter is `\\p{L}`.",
        {"words": r"\w"},
    ),
    Fault(
        "underscore and digits taken for letters",
        "`\\w` is letters, digits and `_`, so `[^\\s\\w]` is not all signs. Write `\\p{L}` and "
        "`[^\\s\\p{L}\\p{N}]`.",
        {"words": r"\w", "signs": "not _"},
    ),
    Fault(
        "cut at capitals",
        "You cut words where capitals begin or end. Letters stay together, large or small.",
        {"words": "one sort of case"},
    ),
    Fault("letter by letter", "Every letter is a piece of its own: the `+` is missing.", {"words": "one"}),
    Fault(
        "numbers not cut",
        "Long numbers are one piece. At most three digits go together: `\\p{N}{1,3}`.",
        {"numbers": "all"},
    ),
    Fault(
        "digit by digit",
        "Every digit is a piece of its own. Up to three go together.",
        {"numbers": "one"},
    ),
    Fault(
        "space with the number",
        "The space before a number is in its piece. Only words and signs take one.",
        {"numbers": "space before"},
    ),
    Fault(
        "space with the number, not cut",
        "A number takes no space before it, and at most three digits: `\\p{N}{1,3}`.",
        {"numbers": "all, space before"},
    ),
    Fault(
        "numbers cut from the right",
        "You group digits from the right, as one reads them aloud. The rule here goes from the left: "
        "`202`, `4`.",
        {"numbers": "from the right"},
    ),
    Fault(
        "ten digits only",
        "`[0-9]` knows ten digits, and loses ٣ or takes it for a sign. A digit of any script is `\\p{N}`.",
        {"numbers": "ASCII"},
    ),
    Fault(
        "signs one by one",
        "Every sign is a piece of its own. A run of them stays together.",
        {"signs": "one"},
    ),
    Fault(
        "space not with the signs",
        "Signs take one space before them, as words do.",
        {"signs": "no space"},
    ),
    Fault(
        "listed signs only",
        "Signs that you have not listed get lost, such as – or 😀. A sign is whatever is *not* something "
        "else.",
        {"signs": "ASCII"},
    ),
    Fault(
        "no endings",
        "English endings such as `'s` have a rule of their own, and it comes first.",
        {"endings": "none"},
    ),
    Fault(
        "endings in capitals",
        "The endings are in small letters: `'LL` is a sign and a word.",
        {"endings": "capitals too"},
    ),
    Fault(
        "endings only at the end",
        "`'sun` starts with `'s`: rule 1 takes it, also where more letters follow. GPT-2 does that too.",
        {"endings": "at the end"},
    ),
    Fault(
        "endings only after letters",
        "Rule 1 takes `'s` wherever a piece may start, not only behind a letter.",
        {"endings": "after letters"},
    ),
    Fault("long endings forgotten", "Rule 1 knows 're, 've and 'll as well.", {"endings": "some"}),
    Fault(
        "any letters as an ending",
        "Rule 1 knows seven endings, not any letters: `o'clock`.",
        {"endings": "any"},
    ),
    Fault(
        "white space first",
        "Your rule for white space comes before the words, and takes the space that belongs to them.",
        {"first": "white"},
    ),
)
