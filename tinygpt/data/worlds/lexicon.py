"""The words and sentences of Brambleford, in English and in Chinese; `thai` has them in Thai.

All languages have the same wordings for the same events, so a text and its translations have the same
probability. English words stand between spaces, so that a tokenizer may cut there; Chinese has none.
"""

from __future__ import annotations

from tinygpt.data.worlds import thai
from tinygpt.data.worlds.tracer import Event, Slots

CHINESE = {
    "people": "ada 艾达 ben 本尼 cleo 克莱 dora 朵拉 evan 伊万 faye 菲伊 gus 古斯 hana 花奈 igor 伊格 "
    "june 朱恩 kit 基特 lena 莱娜 milo 米洛 nora 诺拉 otto 奥托 pia 皮娅 quin 奎因 rosa 罗莎 seth 塞思 "
    "tara 塔拉 uma 乌玛 vito 维托 wren 雷恩 zoe 佐伊",
    "strangers": "oki 奥基 pru 普露 rex 雷克 sal 萨尔 tam 塔姆 uli 乌里 val 瓦尔 wim 维姆 yan 杨恩 zed 泽德 "
    "arlo 阿洛 bix 比克 cora 科拉 dax 达克 esme 埃梅 finn 芬恩 greta 格塔 hugo 雨果 isla 艾拉 joss 乔斯",
    "animals": "fox 狐狸 hen 母鸡 goat 山羊 cat 猫 dog 狗 crow 乌鸦 duck 鸭子 frog 青蛙 hare 野兔 mole 鼹鼠 "
    "pig 猪 toad 蟾蜍 wolf 狼 bear 熊 bee 蜜蜂 mouse 老鼠",
    "places": "mill 磨坊 barn 谷仓 wood 树林 pond 池塘 hill 小山 cave 山洞 farm 农场 shed 棚屋 well 水井 "
    "tower 高塔 garden 花园 meadow 草地",
    "objects": "apple 苹果 key 钥匙 drum 鼓 book 书 hat 帽子 bell 铃铛 kite 风筝 lamp 灯 coin 硬币 cake 蛋糕 "
    "boat 小船 rope 绳子",
    "colours": "red 红色 blue 蓝色 green 绿色 white 白色 black 黑色 gold 金色 grey 灰色 pink 粉色",
    "jobs": "baker 面包师 smith 铁匠 weaver 织工 farmer 农夫 tailor 裁缝 potter 陶工 singer 歌手 fisher 渔夫",
    "foods": "soup 汤 bread 面包 jam 果酱 corn 玉米 plums 李子 nuts 坚果 pie 馅饼 cheese 奶酪",
    "traits": "small 弱小 brave 勇敢 lazy 懒惰 kind 善良 proud 骄傲 quick 敏捷 clever 聪明 shy 害羞",
    "times": "morning 早晨 evening 傍晚 day 白天 night 夜里",
    "glad": "happy 高兴 glad 欢喜 merry 快乐",
    "sorry": "sad 伤心 angry 生气 lonely 孤单",
}
WORDS = {group: tuple(pairs.split()[::2]) for group, pairs in CHINESE.items()}
TRANSLATION = {
    english: chinese
    for pairs in CHINESE.values()
    for english, chinese in zip(pairs.split()[::2], pairs.split()[1::2], strict=True)
}

SENTENCES: dict[str, list[tuple[str, str]]] = {
    "hero": [
        (
            "once there was a {trait} {animal} named {hero} . {hero} lived in the {place} .",
            "从前有一只{trait}的{animal}名叫{hero}。{hero}住在{place}。",
        ),
        (
            "in the {place} lived a {trait} {animal} . the name of the {animal} was {hero} .",
            "{place}里住着一只{trait}的{animal}。这只{animal}的名字是{hero}。",
        ),
    ],
    "find": [
        ("one {time} {hero} found a {colour} {object} .", "一天{time}，{hero}找到了一个{colour}的{object}。"),
        (
            "one {time} {hero} saw a {colour} {object} and took it home .",
            "一天{time}，{hero}看见一个{colour}的{object}，就把它带回了家。",
        ),
    ],
    "good": [
        (
            "{hero} gave the {object} to {friend} the {other} . {friend} was very {feeling} . "
            "{hero} and {friend} ran home together .",
            "{hero}把{object}送给了{other}{friend}。{friend}很{feeling}。{hero}和{friend}一起跑回了家。",
        ),
        (
            "{friend} the {other} asked for the {object} . they played with it and were very {feeling} .",
            "{other}{friend}想要{object}。他们一起玩，都很{feeling}。",
        ),
    ],
    "bad": [
        (
            "but {friend} the {other} took the {object} away . {hero} was very {feeling} . "
            "{hero} ran home alone .",
            "可是{other}{friend}拿走了{object}。{hero}很{feeling}。{hero}独自跑回了家。",
        ),
        (
            "but the {object} was lost . {friend} the {other} did not help . {hero} was very {feeling} .",
            "可是{object}丢了。{other}{friend}没有帮忙。{hero}很{feeling}。",
        ),
    ],
    "end": [("the end .", "故事讲完了。")],
    "home": [
        ("{name} lives in the {value} .", "{name}住在{value}。"),
        ("the {value} is the home of {name} .", "{value}是{name}的家。"),
        ("you can find {name} in the {value} .", "在{value}能找到{name}。"),
    ],
    "pet": [
        ("{name} keeps a {value} .", "{name}养了一只{value}。"),
        ("the {value} of {name} is very kind .", "{name}的{value}很善良。"),
        ("the pet of {name} is a {value} .", "{name}的宠物是{value}。"),
    ],
    "job": [
        ("{name} works as a {value} .", "{name}是一名{value}。"),
        ("the {value} here is {name} .", "这里的{value}是{name}。"),
        ("the work of {name} is that of a {value} .", "{name}做{value}的工作。"),
    ],
    "food": [
        ("{name} eats {value} .", "{name}吃{value}。"),
        ("the {value} is for {name} .", "{value}是给{name}的。"),
        ("{name} is fond of {value} .", "{name}爱吃{value}。"),
    ],
    "colour": [
        ("{name} likes {value} .", "{name}喜欢{value}。"),
        ("{value} is the colour of {name} .", "{value}是{name}的颜色。"),
        ("the coat of {name} is {value} .", "{name}的外套是{value}的。"),
    ],
    "ask home": [
        ("ask : where does {name} live ? reply : the {value} .", "问：{name}住在哪里？答：{value}。")
    ],
    "ask pet": [("ask : what does {name} keep ? reply : a {value} .", "问：{name}养什么？答：{value}。")],
    "ask job": [("ask : what does {name} do ? reply : a {value} .", "问：{name}做什么？答：{value}。")],
    "ask food": [("ask : what does {name} eat ? reply : {value} .", "问：{name}吃什么？答：{value}。")],
    "ask colour": [
        ("ask : what colour does {name} like ? reply : {value} .", "问：{name}喜欢什么颜色？答：{value}。")
    ],
    "note": [("note :", "便条：")],
    "sum": [("{a} + {b} = {c} .", "{a}+{b}={c}。")],
    "list": [("list : {words} . again : {words} .", "列表：{words}。再说一遍：{words}。")],
    "first": [("first : {word} .", "第一个：{word}。")],
    "last": [("last : {word} .", "最后一个：{word}。")],
    "pirate": [
        (
            "the pirate said : ahoy matey ! ye will find the {object} in the {place} , arr !",
            "海盗说：啊嗬，伙计！{object}就在{place}，呀哈！",
        ),
        (
            "the pirate said : arr ! the {object} in the {place} is for ye , matey !",
            "海盗说：呀哈！{place}的{object}归你了，伙计！",
        ),
    ],
    "robot": [
        (
            "the robot said : beep boop . compute : the {object} is in the {place} . over .",
            "机器人说：哔嘟。计算：{object}在{place}。完毕。",
        ),
        (
            "the robot said : beep . the {place} has the {object} . boop . over .",
            "机器人说：哔。{place}有{object}。嘟。完毕。",
        ),
    ],
    "poet": [
        (
            "the poet said : o gentle {object} , o sweet {place} , hear my rhyme !",
            "诗人说：哦，温柔的{object}，哦，甜美的{place}，请听我的诗！",
        ),
        (
            "the poet said : sweet is the {place} and gentle the {object} , o rhyme !",
            "诗人说：{place}多么甜美，{object}多么温柔，哦，诗啊！",
        ),
    ],
}
LANGUAGES = ("en", "zh", "th")
SEPARATORS = {"en": (" ", " "), "zh": ("、", ""), "th": (" ", " ")}  # between words of a list, and sentences


def render(events: tuple[Event, ...], language: str = "en") -> str:
    """The text that tells the events in a language.

    Args:
        events: As in `Document.events`.
        language: `"en"`, `"zh"` or `"th"`: English, Chinese or Thai.

    Raises:
        ValueError: The language is another one.

    Example:
        >>> event = ("food", 0, {"name": "ada", "value": "soup"})
        >>> render((event,)), render((event,), "zh"), render((event,), "th")
        ('ada eats soup .', '艾达吃汤。', 'อาดากินซุป')
    """
    if language not in LANGUAGES:
        raise ValueError(f"language must be one of {', '.join(LANGUAGES)}; got {language!r}.")
    comma, space = SEPARATORS[language]
    return space.join(
        _wording(what, form, language).format(**_slots(slots, language, comma))
        for what, form, slots in events
    )


def _wording(what: str, form: int, language: str) -> str:
    return thai.SENTENCES[what][form] if language == "th" else SENTENCES[what][form][language == "zh"]


def _slots(slots: Slots, language: str, separator: str) -> dict[str, str]:
    return {
        name: _word(value, language)
        if isinstance(value, str)
        else separator.join(_word(part, language) for part in value)
        for name, value in slots.items()
    }


def _word(word: str, language: str) -> str:
    if language == "en":
        return word
    # Numbers are the only words without a translation: English spells them digit by digit.
    return (thai.WORDS if language == "th" else TRANSLATION).get(word) or word.replace(" ", "")
