"""Each chore is checked against its rule, written anew here from the words alone."""

from __future__ import annotations

import random

import pytest

from tinygpt.data.worlds import CHORES, CHORES_WORDS, Chore, chore, chore_score, walk
from tinygpt.data.worlds.chores import GOOD, PLACES
from tinygpt.data.worlds.tongues import ENGLISH, FOREIGN

KIND = {word: kind for kind, words in ENGLISH.items() for word in words}
FOREIGN_OF = {e: f for kind in ENGLISH for e, f in zip(ENGLISH[kind], FOREIGN[kind], strict=True)}


def some(kind, n=300):
    rng = random.Random(7)
    for _ in range(n):
        task = chore(rng, kind)
        words = task.question.split()
        assert words[0] == task.kind == kind and words[-1] == "=" and task.answer.endswith(" <end>")
        yield words[1:-1], task.answer.split()[:-1], task


def cut(sentence):
    """Who, does, whom and where, as lists of words."""
    verb = next(i for i, word in enumerate(sentence) if KIND[word] == "verb")
    where = next((i for i, word in enumerate(sentence) if KIND[word] == "preposition"), len(sentence))
    return sentence[:verb], sentence[verb : verb + 1], sentence[verb + 1 : where], sentence[where:]


def test_classify_counts_votes():
    answers = []
    for words, answer, _ in some("classify"):
        verb = next(word for word in words if KIND[word] == "verb")
        votes = [1 if word in GOOD else -1 for word in words if KIND[word] == "adjective"]
        total = sum(votes) + 1.5 * (1 if verb in GOOD else -1)
        assert answer == ["good" if total > 0 else "bad"]
        answers += answer
    assert 100 < answers.count("good") < 200


def test_match_says_whether_it_follows():
    answers = []
    for words, answer, _ in some("match"):
        bar = words.index("|")
        who, does, whom, _ = cut(words[:bar])
        assert answer == ["yes" if words[bar + 1 :] == [who[-1], *does, whom[-1]] else "no"]
        answers += answer
    assert 100 < answers.count("yes") < 200


def test_tag_names_the_parts():
    for words, answer, _ in some("tag"):
        parts = zip(("who", "does", "whom", "where"), cut(words), strict=True)
        assert answer == [tag for tag, part in parts for _ in part]


def test_generate_uses_the_words():
    for words, answer, _ in some("generate"):
        who, does, whom, where = cut(answer)
        assert sorted(words) == sorted([who[-1], whom[-1], *does, who[0]]) and len(who) == 2
        assert not where or KIND[where[0]] == "preposition"


def test_translate_follows_the_rule():
    for words, answer, _ in some("translate"):
        who, does, whom, where = cut(words)
        assert answer == [FOREIGN_OF[w] for w in (*where[:0:-1], *where[:1], *who[::-1], *whom[::-1], *does)]


def best(question):
    words = question.split()
    goal, place = words[words.index("go") + 1], words[-2]
    return "stay" if goal == place else "right" if goal > place else "left"


def test_decide_goes_towards_the_place():
    moves, slips = [], 0
    for words, answer, task in some("decide"):
        assert answer == [best(task.question)]
        moves += answer
        places = [PLACES.index(word) for word in words[3::3]]
        for here, move, there in zip(places, words[4::3], places[1:], strict=False):
            assert abs(here - there) <= 1
            slips += (there - here) * (1 if move == "right" else -1) <= 0
    assert {"left", "right", "stay"} == set(moves) and slips > 50


def test_a_walk_succeeds_only_if_every_move_is_right():
    assert all(walk(best, random.Random(seed)) for seed in range(40))
    assert not any(walk(lambda question: "stay", random.Random(seed)) for seed in range(40))
    asked = []
    walk(lambda question: asked.append(question) or best(question), random.Random(1))
    assert len(asked) > 1 and asked[1].startswith(asked[0].removesuffix(" ="))


@pytest.mark.parametrize("kind", CHORES)
def test_its_own_answer_scores_1_and_an_empty_one_0(kind):
    for _, _, task in some(kind, n=30):
        assert chore_score(task, task.answer) == chore_score(task, task.answer.removesuffix(" <end>")) == 1
        assert chore_score(task, "") == chore_score(task, "<end>") == 0
        assert CHORES_WORDS.decode(CHORES_WORDS.encode(task.question + " " + task.answer))


def test_tags_score_by_the_word():
    task = Chore("tag", "tag small fox sees hen =", "who who does whom <end>")
    assert chore_score(task, "who who does where <end> who") == 0.75
    assert chore_score(task, "who who does") == 0.75
    assert chore_score(task, "who who does whom where") == 0.8


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("small fox sees hen", 1),
        ("hen sees small fox", 1),
        ("fox sees small hen near kind cat", 1),
        ("fox sees hen", 0),
        ("small fox hen sees", 0),
        ("small fox sees hen near", 0),
        ("small fox sees hen cat", 0),
        ("small small fox sees hen", 0),
        ("small fox sees hen near cat near dog", 0),
    ],
)
def test_generated_sentences_are_judged_by_grammar_and_words(answer, score):
    assert chore_score(Chore("generate", "generate hen sees small fox =", "?"), answer) == score


def test_another_kind():
    with pytest.raises(ValueError, match="classify, match, tag, generate, translate, decide; got 'sing'"):
        chore(random.Random(0), "sing")
    rng = random.Random(0)
    assert {chore(rng).kind for _ in range(100)} == set(CHORES)
