from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.chat import Message, Role
from models.distill.clean.html import to_markdown
from models.distill.conversation import Conversation

CHATGPT = (
    '<div class="markdown prose w-full break-words dark:prose-invert light"><p>Here is a function:</p>'
    '<pre><div class="bg-black rounded-md mb-4"><div class="flex items-center relative text-gray-200 bg-gray-800 px-4">'
    '<span class="">python</span><button class="flex ml-auto gap-2"><svg stroke="currentColor" fill="none" '
    'viewBox="0 0 24 24"><path d="M16 4h2"></path><rect x="8" y="2"></rect></svg>Copy code</button></div>'
    '<div class="p-4 overflow-y-auto"><code class="!whitespace-pre hljs language-python"><span class="hljs-keyword">def'
    '</span> <span class="hljs-title function_">less</span>(<span class="hljs-params">a, b</span>):\n'
    '    <span class="hljs-keyword">return</span> a &lt; b <span class="hljs-keyword">and</span> b &gt; <span '
    'class="hljs-number">0</span>  <span class="hljs-comment"># "yes" &amp; \'no\'</span>\n</code></div></div></pre>'
    "<p>Call it with <code>less(1, 2)</code>.</p></div>"
)
KATEX = (
    '<p>So <span class="math math-inline"><span class="katex"><span class="katex-mathml"><math><semantics><mi>x</mi>'
    '<annotation encoding="application/x-tex">x^2 &lt; \\frac{1}{2}</annotation></semantics></math></span>'
    '<span class="katex-html" aria-hidden="true"><span class="base">x2</span></span></span></span> holds.</p>'
    '<div class="math math-display"><span class="katex-display"><span class="katex"><span class="katex-mathml"><math>'
    '<semantics><annotation encoding="application/x-tex">\\sum_i a_i</annotation></semantics></math></span><span '
    'class="katex-html">S</span></span></span></div>'
)

HTML = {
    "a paragraph": ("<p>Hello</p>", "Hello"),
    "two paragraphs": ("<p>One.</p>\n<p>Two.</p>", "One.\n\nTwo."),
    "emphasis": ("<p>It is <strong>very</strong> <em>good</em>.</p>", "It is **very** *good*."),
    "emphasis that holds its spaces": ("<p>a<b> b </b>c <i></i>d</p>", "a **b** c d"),
    "emphasis within emphasis": ("<p><em>a <strong>b</strong></em> <b><b>c</b></b></p>", "*a **b*** **c**"),
    "struck text": ("<p><del>old</del> new</p>", "~~old~~ new"),
    "white space of the source": ("<p>a\n   b\t c&nbsp;d</p>", "a b c d"),
    "a line break": ("<p>a<br>b<br/> c</p>", "a\nb\nc"),
    "headings": ("<h1>A</h1><h3>B <code>c</code></h3><p>d</p>", "# A\n\n### B `c`\n\nd"),
    "a rule": ("<p>a</p><hr><p>b</p>", "a\n\n---\n\nb"),
    "a list": ("<ul><li>a</li><li>b</li></ul>", "- a\n- b"),
    "a numbered list": ("<ol><li>a</li><li>b</li></ol>", "1. a\n2. b"),
    "a numbered list that goes on": ('<p>x</p><ol start="9"><li>a</li><li>b</li></ol>', "x\n\n9. a\n10. b"),
    "lists within lists": (
        "<ol><li><p>a</p><ul><li>b<ul><li>c</li></ul></li><li>d</li></ul></li><li>e</li></ol>",
        "1. a\n   - b\n     - c\n   - d\n2. e",
    ),
    "a list beside the item it belongs to": ("<ul><li>a</li><ul><li>b</li></ul><li>c</li></ul>", "- a\n  - b\n- c"),
    "items that were never ended": (
        '<div class="markdown"><ul><li>a<li>b<ul><li>c</ul><li>d</ul><p>e',
        "- a\n- b\n  - c\n- d\n\ne",
    ),
    "an item of two paragraphs": ("<ul><li><p>a</p><p>b</p></li><li>c</li></ul>", "- a\n\n  b\n\n- c"),
    "code within an item": (
        '<ol><li><p>Run:</p><pre><code class="language-sh">ls\n\nls -l\n</code></pre></li><li>Done</li></ol>',
        "1. Run:\n\n   ```sh\n   ls\n\n   ls -l\n   ```\n\n2. Done",
    ),
    "tasks": (
        '<ul><li><input type="checkbox" checked disabled> a</li><li><input type="checkbox">b</li></ul>',
        "- [x] a\n- [ ] b",
    ),
    "a table": (
        "<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td><b>2</b></td></tr></tbody></table>",
        "| a | b |\n| --- | --- |\n| 1 | **2** |",
    ),
    "a table with bars and breaks": (
        "<table><tr><td>a|b<br>c</td><td><p>d</p><p>e</p></td></tr><tr><td>f</td></tr></table>",
        "| a\\|b c | d e |\n| --- | --- |\n| f |",
    ),
    "a table with text between its cells": (
        "<table>a<tr>b<td>c</td></tr><caption>D</caption></table>",
        "D\n\n| a |  |\n| --- | --- |\n| b | c |",
    ),
    "a table with wide cells": (
        '<table><tr><th colspan="2">a</th><th>b</th></tr><tr><td>1<td>2<td>3</table>',
        "| a |  | b |\n| --- | --- | --- |\n| 1 | 2 | 3 |",
    ),
    "a quotation": ("<blockquote><p>a</p><ul><li>b</li></ul></blockquote>", "> a\n>\n> - b"),
    "a link": (
        '<p>See <a href="https://a.org/x" target="_blank">the <b>page</b></a>.</p>',
        "See [the **page**](https://a.org/x).",
    ),
    "links that need no words": (
        '<p><a href="https://a.org">https://a.org</a> <a href="#x">up</a> <a href="javascript:f()">go</a></p>',
        "https://a.org up go",
    ),
    "a link with brackets": ('<p><a href="https://a.org/x_(y)">z</a></p>', "[z](<https://a.org/x_(y)>)"),
    "pictures": (
        '<p><img src="https://a.org/b.png" alt="A cat"> <img src="data:x" alt="inline"></p>',
        "![A cat](https://a.org/b.png) inline",
    ),
    "inline code with signs of HTML": (
        "<p>Use <code>&lt;b&gt; &amp;amp; a &lt; b</code>!</p>",
        "Use `<b> &amp; a < b`!",
    ),
    "inline code with ticks": ("<p><code>a `b` c</code> <code>`</code></p>", "``a `b` c`` `` ` ``"),
    "code with fences in it": ("<pre><code>```py\nx\n```\n</code></pre>", "````\n```py\nx\n```\n````"),
    "code that shows HTML": (
        '<pre><code class="lang-html">&lt;div id="a"&gt;\n  &lt;p&gt;Copy code&lt;/p&gt;\n&lt;/div&gt;\n</code></pre>',
        '```html\n<div id="a">\n  <p>Copy code</p>\n</div>\n```',
    ),
    "code without a language": ("<pre>  a\n\tb  c\n</pre>", "```\n  a\n\tb  c\n```"),
    "code as ChatGPT's page had it": (
        CHATGPT,
        """Here is a function:

```python
def less(a, b):
    return a < b and b > 0  # "yes" & 'no'
```

Call it with `less(1, 2)`.""",
    ),
    "code under a word and a button's text": (
        '<pre><div>C++<span>Copy code</span></div><code class="hljs">int x;</code></pre>',
        "```c++\nint x;\n```",
    ),
    "the page's count of answers": ('2 / 2<div class="markdown prose"><p>a</p></div>', "a"),
    "formulas": (KATEX, "So $x^2 < \\frac{1}{2}$ holds.\n\n$$\\sum_i a_i$$"),
    "LaTeX as text": (
        "<p>\\( a_1 * b_2 \\) and $x &lt; y$ and \\[ \\sum_{i} \\]</p>",
        "\\( a_1 * b_2 \\) and $x < y$ and \\[ \\sum_{i} \\]",
    ),
    "powers": ("<p>E = mc<sup>2</sup>, H<sub>2</sub>O</p>", "E = mc<sup>2</sup>, H<sub>2</sub>O"),
    "Chinese": (
        "<p>\u4f60\u597d\uff0c<strong>\u4e16\u754c</strong>\uff01</p><ol><li>\u7b2c\u4e00\u9879\uff1b</li><li>\u7b2c\u4e8c\u9879\u3002</li></ol>",
        "\u4f60\u597d\uff0c**\u4e16\u754c**\uff01\n\n1. \u7b2c\u4e00\u9879\uff1b\n2. \u7b2c\u4e8c\u9879\u3002",
    ),
    "entities": (
        "<p>&copy; &#8364;5 &#x4F60; &eacute; &bogus; AT&T &lt;&#99999999999;</p>",
        "\u00a9 \u20ac5 \u4f60 \u00e9 &bogus; AT&T <&#99999999999;",
    ),
    "text that shows a tag": ("<p>&lt;p&gt; is a paragraph.</p>", "\\<p> is a paragraph."),
    "a comparison that nobody escaped": ("<p>a < b and c > d, x<3</p>", "a < b and c > d, x<3"),
    "comments": ("<p>a<!-- -->b<!-- - x --> c</p>", "ab c"),
    "lines that a page keeps": (
        '<div class="min-h-[20px] whitespace-pre-wrap">a\n  b\n\nc &lt; d</div>',
        "a\n  b\n\nc < d",
    ),
    "nothing to read": ('<div class="markdown"><svg><path d="x"/></svg><script>let a = "<p>";</script></div>', ""),
    "blocks within inline marks": ("<div><span><p>a</p><p>b</p></span></div>", "a\n\nb"),
}

UNTOUCHED = {
    "a comparison": "a < b and b > c, so a<c",
    "generics": "`List<String>` or Map<String, List<Integer>> x = new HashMap<>();",
    "a tag in a sentence": "Use the <p> tag for paragraphs and <br> for breaks.",
    "an answer that begins with a tag": "<p> starts a paragraph and </p> ends it.",
    "an answer between tags": "<div>a</div> is a division, and text stands in <p>b</p>",
    "HTML in a fence": 'Here:\n\n```html\n<div class="markdown">\n  <p>Hello</p>\n</div>\n```\n',
    "JSX in a fence": "```jsx\nreturn <Button onClick={() => go(1 < 2)}>Go</Button>;\n```",
    "JSX without one": "<div>\n  <Header/>\n  <p>Hi</p>\n</div>",
    "a page's source": "<html><body><p>Hello</p></body></html>",
    "a component's source": '<div class="container" id="x"><p onclick="f()">Hello</p></div>',
    "marks of HTML in markdown": "H<sub>2</sub>O, <kbd>Ctrl</kbd>, line<br>break and <b>bold</b>",
    "entities in markdown": "`&lt;` is written for < and &amp; for &",
    "markdown": "# A\n\n- b *c* `d` \\( e \\)\n\n| f |\n| --- |\n",
    "an arrow and a heart": "<3 and <- and -> and <<EOF",
    "half": "1 / 2\n\nThat is a half.",
    "a button's name": 'Click "Copy code" above the block.',
    "white space": "  a \n\n\n b  ",
    "nothing": "",
}

BUTTONS = {
    "```pythonCopy code\nx = 1\n```": "```python\nx = 1\n```",
    "a\n\n```\njavascript\nCopy code\nlet x;\n```\nb": "a\n\n```javascript\nlet x;\n```\nb",
    "```bashCopy codels -l\n```": "```bash\nls -l\n```",
    "- a\n  ```c++Copy codeCopy code\n  x\n  ```": "- a\n  ```c++\n  x\n  ```",
    "```html\n<button>Copy code</button>\n```": "```html\n<button>Copy code</button>\n```",
}


def talk(*texts: str) -> Conversation:
    roles: tuple[Role, Role] = ("user", "assistant")
    return Conversation("c", tuple(Message(roles[number % 2], text) for number, text in enumerate(texts)))


def answer(text: str) -> str:
    return to_markdown(talk("Question", text)).messages[1].text


@pytest.mark.parametrize("name", HTML)
def test_html_becomes_the_markdown_that_says_the_same(name: str) -> None:
    html, expected = HTML[name]
    assert answer(html) == expected


@pytest.mark.parametrize("name", UNTOUCHED)
def test_what_only_looks_like_html_stays_byte_by_byte(name: str) -> None:
    given = talk("Question", UNTOUCHED[name])
    assert to_markdown(given) is given


@pytest.mark.parametrize("name", [*HTML, *UNTOUCHED])
def test_what_was_converted_is_left_alone_the_next_time(name: str) -> None:
    once = to_markdown(talk("Question", HTML[name][0] if name in HTML else UNTOUCHED[name]))
    assert to_markdown(once) is once


@pytest.mark.parametrize("text", BUTTONS)
def test_the_copy_button_s_text_goes_from_fences_and_nowhere_else(text: str) -> None:
    assert answer(text) == BUTTONS[text]
    assert answer(BUTTONS[text]) == BUTTONS[text]


def test_a_user_s_html_is_his_question_unless_it_bears_the_page_s_classes() -> None:
    asked = talk("<p>Why is this not <b>bold</b>?</p>", "<p>It is.</p>")
    assert [message.text for message in to_markdown(asked).messages] == [asked.messages[0].text, "It is."]
    pasted = talk('<div class="whitespace-pre-wrap">a &lt; b?</div>', "<p>Yes.</p>")
    assert [message.text for message in to_markdown(pasted).messages] == ["a < b?", "Yes."]


def test_html_beside_answers_in_markdown_was_meant_as_html() -> None:
    given = talk("A paragraph?", "<p>Hello</p>", "And in markdown?", "Hello, **you**")
    assert to_markdown(given) is given
    page = talk("A paragraph?", '<div class="markdown prose"><p>Hello</p></div>', "And?", "Hello, **you**")
    assert [message.text for message in to_markdown(page).messages[1::2]] == ["Hello", "Hello, **you**"]


def test_elements_nested_without_end_are_nobody_s_answer() -> None:
    given = talk("Question", '<div class="markdown">' + "<ul><li>" * 100_000)
    assert to_markdown(given) is given


TAGS = (
    "<p> </p> <ul> <li> </ul> <ol&start=3> <pre> </pre> <code> </code> <b> </b> <table> <tr> <td> </table> <h2> </h2> "
    "<blockquote> </blockquote> <br> <div> </div> <a&href=x> </a> &lt;p&gt; ``` Copy&code ` | < >"
)
WORD = "\u5b57"
PARTS = [WORD, WORD, " ", "\n", *(part if ";" in part else part.replace("&", " ") for part in TAGS.split())]


@given(st.lists(st.sampled_from(PARTS)))
def test_any_soup_of_tags_is_converted_once_and_its_words_are_kept(soup: list[str]) -> None:
    text = '<div class="markdown">' + "".join(soup)
    once = to_markdown(talk("Question", text))
    assert to_markdown(once) is once
    assert once.messages[1].text.count(WORD) == soup.count(WORD)


@pytest.mark.slow
@pytest.mark.parametrize(
    "part",
    ["<", "<p", "<p ", "<!--", "<a '", '<a "', "<a b=", "&", "&#", "<p>", "<b>", "</p>", "<br>", "<ul><li>a</ul>",
     "<td>", "<pre>a</pre>", "<code>`", "`", "a ", "|", "\n", " ", "```\nCopy code", "<svg>", "<p><b></p>", "1 / 2",
     "<tr><td>"],
)  # fmt: skip
def test_a_long_text_of_any_kind_is_read_at_once(part: str) -> None:
    """Time that grows with the square of 100 KB would be minutes."""
    for begin in ("", '<div class="markdown"><p>'):
        to_markdown(talk("Question", begin + part * (100_000 // len(part))))
