"""New tasks from a model: how it is asked for them, how its list is read, and which of them are of no use.

After Self-Instruct (Wang et al. 2023) and Alpaca (Taori et al. 2023); the wordings, and the figures where they differ,
are ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal, get_args

from models.distill.collect.novelty import tokens_of

Language = Literal["en", "zh"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)

# Words of English, characters of Chinese: less says nothing, more is an answer rather than a task.
SHORTEST: Final[dict[Language, int]] = {"en": 4, "zh": 6}
LONGEST: Final[dict[Language, int]] = {"en": 150, "zh": 300}
LONGEST_EXAMPLE: Final = 200  # characters
# The share of Chinese characters among all words: a task in English may quote some, one in Chinese may hold code.
MOST_CHINESE_IN_ENGLISH: Final = 0.3
LEAST_CHINESE_IN_CHINESE: Final = 0.3

# Some are named in each round: left to itself a model comes back to the same few, and a small one to the examples.
SUBJECTS: Final[dict[Language, tuple[str, ...]]] = {
    "en": (
        "animals", "architecture", "astronomy", "baking", "banks and money", "birds", "board games", "bridges",
        "children's questions", "clothes", "cycling", "customer service", "dance", "data in a table", "dentists",
        "e-mail", "elections", "farming", "film", "first aid", "fishing", "forests", "friendship", "furniture",
        "geography", "geometry", "grammar", "hotels", "insects", "job interviews", "law in daily life", "logic puzzles",
        "maps", "medicine", "moving house", "museums", "music", "neighbours", "news reports", "nutrition", "the ocean",
        "percentages", "pets", "photography", "physics at home", "poetry", "programming in Python", "proverbs",
        "public transport", "recipes", "school", "shell commands", "sleep", "sport", "SQL", "statistics", "theatre",
        "time zones", "tools", "travel", "volcanoes", "weather", "weddings", "words and their history", "work meetings",
    ),
    "zh": (
        "动物", "建筑", "天文", "烘焙", "银行与理财", "鸟类", "棋类", "桥梁", "孩子的提问", "服装", "骑车",
        "客户服务", "舞蹈", "表格数据", "牙齿保健", "电子邮件", "社区活动", "种田", "电影", "急救", "钓鱼", "森林",
        "友谊", "家具", "地理", "几何", "语法", "旅馆", "昆虫", "求职面试", "生活中的法律", "逻辑谜题", "地图",
        "看病", "搬家", "博物馆", "音乐", "邻里", "新闻报道", "营养", "海洋", "百分数", "宠物", "摄影",
        "厨房里的物理", "诗词", "Python编程", "成语", "公共交通", "菜谱", "学校", "命令行", "睡眠", "体育", "SQL",
        "统计", "戏剧", "时区", "工具", "旅行", "火山", "天气", "婚礼", "汉字", "开会",
    ),
}  # fmt: skip
# The examples come first: a small model that reads them last repeats them.
_WORDINGS: Final[dict[Language, str]] = {
    "en": """Here are {shown} tasks that people gave to an assistant:

{examples}

Now think of {wanted} new tasks that people might give it.

- Each task is complete: whoever reads nothing else can do it. A text, list or code that it is about is quoted in it.
- It can be done in writing alone, without pictures, recordings, files or the internet.
- The tasks differ from each other, and from those above, in subject, in kind and in wording. Repeat none of the above.
- Some are about these subjects: {subjects}.
- Each is in English, one to three sentences. Do not answer them.

Write nothing but a numbered list of the {wanted} new tasks, beginning with {first}.
""",
    "zh": """下面是人们交给助手的{shown}个任务：

{examples}

现在请想出{wanted}个人们可能交给助手的新任务。

- 每个任务都要完整：只看这个任务就能完成；要处理的文字、列表或代码必须写在任务里。
- 只用文字就能完成，不需要图片、录音、文件或上网。
- 各个任务之间，以及与上面的任务相比，题材、类型和说法都要不同，不要重复上面的任务。
- 其中一些与这些题材有关：{subjects}。
- 每个任务用中文写，一到三句话。不要回答这些任务。

只写这{wanted}个新任务的编号列表，从{first}开始编号。
""",
}
_ITEM = re.compile(r"[\s#*]*(?:task|instruction|任务)?\s*(\d{1,3})\s*[.)、．:：](?:\*\*)?(.*)", re.IGNORECASE)
_TITLE = re.compile(r"(?:task|instruction|任务)\s*\d+\s*[.:：]\s*", re.IGNORECASE)
_BOLD = re.compile(r"\*\*([^*\n]+)\*\*")
_UNSEEN = re.compile(
    r"\b(images?|pictures?|photos?|videos?|audio|recordings?|screenshots?|attach(ed|ments?)|links?)\b|https?://"
    r"|图片|照片|图像|视频|音频|录音|附件|链接|截图|画一|画出",
    re.IGNORECASE,
)
_REFERS = re.compile(
    r"\bthe (following|given)\b|\b(below|above)\b"
    r"|\b(this|given) (text|sentence|passage|paragraph|article|list|code|poem|e-?mail|story|review|conversation)\b"
    r"|以下|下面|下列|上述|上面|给定|这[段篇句首]",
    re.IGNORECASE,
)
_MATERIAL = re.compile(r"[:：]\s*\S|\n|[\"“”`「『]")
_ANSWERED = re.compile(r"^\W*(output|answer|solution|response|答案|回答|输出)\W*[:：]", re.IGNORECASE | re.MULTILINE)
_CHINESE = re.compile(r"[\u3400-\u9fff]")


def can_be_shown(task: str) -> bool:
    """Whether a task may be an example: a short line. Long ones are copied, and lines would look like more tasks."""
    return len(task) <= LONGEST_EXAMPLE and "\n" not in task


def wording(examples: Sequence[str], language: Language, wanted: int, subjects: Sequence[str]) -> str:
    """What a teacher is asked to get `wanted` new tasks."""
    shown = "\n".join(f"{number}. {task}" for number, task in enumerate(examples, start=1))
    return _WORDINGS[language].format(
        shown=len(examples),
        wanted=wanted,
        first=len(examples) + 1,
        examples=shown,
        subjects=("、" if language == "zh" else ", ").join(subjects),
    )


def listed(reply: str, first: int) -> list[str]:
    """The tasks of a reply that goes on with number `first`, or begins again with 1; what stands before is no task.

    Only the next number begins the next task, so that one may hold a list with numbers of its own.
    """
    return [_bare("\n".join(lines)) for lines in _items(reply, first)]


def _items(reply: str, first: int) -> Iterator[list[str]]:
    lines: list[str] = []
    expected = 0
    for line in reply.split("\n"):
        begins = _ITEM.fullmatch(line)
        if begins and int(begins[1]) in ((expected,) if expected else (first, 1)):
            if expected:
                yield lines
            expected = int(begins[1]) + 1
            lines = [begins[2]]
        else:
            lines.append(line)
    if expected:
        yield lines


def _bare(task: str) -> str:
    """Without the emphasis, a second number and the quotation marks that models put around what they list."""
    task = _BOLD.sub(r"\1", task).strip()
    task = _TITLE.sub("", task, count=1) if _TITLE.match(task) else task
    inner = task[1:-1]
    quoted = len(task) > 1 and (task[0], task[-1]) in (('"', '"'), ("“", "”")) and not set(inner) & set('"“”')
    return inner.strip() if quoted else task


def fault(task: str, language: Language) -> str:
    """Why a task is of no use, in a word or two; empty: it may be."""
    tokens = tokens_of(task)
    if len(tokens) < SHORTEST[language]:
        return "too short"
    if len(tokens) > LONGEST[language]:
        return "too long"
    chinese = sum(bool(_CHINESE.match(token)) for token in tokens) / len(tokens)
    if chinese > MOST_CHINESE_IN_ENGLISH if language == "en" else chinese < LEAST_CHINESE_IN_CHINESE:
        return "another language"
    if _UNSEEN.search(task):
        return "more than text"
    if _ANSWERED.search(task):
        return "answered already"
    if _REFERS.search(task) and not _MATERIAL.search(task):
        return "its text is missing"
    return ""
