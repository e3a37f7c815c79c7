"""Markup in a prompt or an answer stays text: nothing runs, and nothing is fetched from elsewhere."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from support import Server, canary, serving, write_catalog

from browser.pages import BattlePage, Visit, visiting

pytestmark = [pytest.mark.browser, pytest.mark.integrity, pytest.mark.timeout(240)]

# {0} runs if anything may run; {1} is a host that nobody may ask.
PAYLOADS = (
    "<script>{0}</script>",
    "<SCRIPT SRC={1}/a.js></SCRIPT>",
    "<img src=x onerror={0}>",
    "<img src={1}/pixel.png>",
    "![remote]({1}/markdown.png)",
    "[click](javascript:{0})",
    '<a href="javascript:{0}">click</a>',
    '<a href="&#106;avascript:{0}">click</a>',
    '<a href="data:text/html,<script>{0}</script>">click</a>',
    '<iframe src="{1}/frame"></iframe>',
    '<iframe srcdoc="<script>parent.{0}</script>"></iframe>',
    "<svg onload={0}><circle r=9 /></svg>",
    "<svg><animate onbegin={0} attributeName=x dur=1s></svg>",
    "<details open ontoggle={0}>x</details>",
    "<input autofocus onfocus={0}>",
    "<video src={1}/video.mp4 onerror={0} autoplay></video>",
    "<object data={1}/object></object><embed src={1}/embed>",
    "<link rel=stylesheet href={1}/style.css><style>@import '{1}/import.css';</style>",
    "<form action={1}/form><button formaction=javascript:{0}>send</button></form>",
    "<math><mtext><table><mglyph><style><img src=x onerror={0}>",
    '<div style="background:url({1}/background.png)">x</div>',
    "$$\\href{{javascript:{0}}}{{x}}$$ and \\(\\includegraphics{{{1}/latex.png}}\\)",
    "<base href={1}/><meta http-equiv=refresh content='0;url={1}/meta'>",
    "```html\n<script>{0}</script>\n```",
    # -- what closes one thing to begin another
    "--><script>{0}</script><!--",
    "</textarea><script>{0}</script>",
    "</title></style></noscript><script>{0}</script>",
    "<scr<script>ipt>{0}</scr</script>ipt>",
    '"><img src=x onerror={0}>',
    "`<img src=x onerror={0}>`<img src=x onerror={0}>",
    "<noscript><p title='</noscript><img src=x onerror={0}>'>",
    "<template><script>{0}</script></template><img src=x onerror={0}>",
    "<math><mi><style><!--</style><img title='--&gt;&lt;img src=x onerror={0}&gt;'>",
    "<svg></p><style><a title='</style><img src=x onerror={0}>'>",
    "<form><math><mtext></form><form><mglyph><style></math><img src=x onerror={0}>",
    "<svg><foreignObject><iframe srcdoc='<script>parent.{0}</script>'></iframe></foreignObject></svg>",
    "<svg><use href='data:image/svg+xml,<svg id=x xmlns=http://www.w3.org/2000/svg><script>{0}</script></svg>#x'/></svg>",
    "<svg><image href={1}/svg.png></svg><svg><script href={1}/svg.js></script></svg>",
    "<svg><a xlink:href='javascript:{0}'><text y=20>click</text></a></svg>",
    "<math href='javascript:{0}'>click</math>",
    # -- handlers
    "<body onload={0}><body onpageshow={0}>",
    "<marquee onstart={0}>x</marquee>",
    "<audio src=x onerror={0}></audio><audio src={1}/audio.ogg autoplay></audio>",
    "<select autofocus onfocus={0}><textarea autofocus onfocus={0}>",
    "<div style='animation-name:x' onanimationstart={0}></div><style>@keyframes x{{}}</style>",
    "<div popover id=p onbeforetoggle={0}>x</div><button popovertarget=p>click</button>",
    "<img src=x oNeRrOr={0}><img/src=x/onerror={0}><img src=x onerror\x0c={0}>",
    "<button onclick={0}>click</button><p tabindex=0 onfocus={0} autofocus>x</p>",
    # -- addresses
    "[click](jAvAsCrIpT:{0}) [click](java&#x0A;script:{0}) [click](&#x6A;avascript:{0})",
    "[click](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==) [click](vbscript:{0})",
    "<javascript:{0}> and [x]: javascript:{0} and [click][x]",
    "[click](<javascript:{0}>) ![x](javascript:{0}) ![x](data:image/svg+xml,<svg onload={0}>)",
    '[click](http://x" onmouseover="{0}) ![x](x"onerror="{0})',
    # -- what fetches
    "<img srcset='{1}/set.png 2x'><picture><source srcset={1}/picture.png><img src=x></picture>",
    "<table background={1}/table.png><td background={1}/cell.png>x</table><input type=image src={1}/input.png>",
    "<video poster={1}/poster.png></video><track src={1}/track.vtt><portal src={1}/portal></portal>",
    "<link rel=preload as=image href={1}/preload.png><link rel=dns-prefetch href={1}><link rel=icon href={1}/i.ico>",
    "<style>@font-face{{font-family:f;src:url({1}/font)}} p{{font-family:f}}</style><p>x</p>",
    "<a href={1}/ping ping={1}/ping.txt>away</a><bgsound src={1}/sound><applet archive={1}/a.jar></applet>",
    '```mermaid\ngraph TD; A["<img src=x onerror={0}>"] --> B; click A "javascript:{0}"\n```\n$$\\url{{{1}/url}}$$',
)
RUN = "(window.__pwned=1,alert(1))"
# A link inside a picture keeps its address elsewhere.
PROTOCOLS = "all => all.map(one => one.protocol ?? one.href.baseVal.split(':')[0] + ':')"


class Elsewhere(http.server.BaseHTTPRequestHandler):
    asked: list[str]
    server: http.server.HTTPServer

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path != "/control":
            self.send_error(404)
            return
        host = f"http://127.0.0.1:{self.server.server_port}"
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(f"<img src={host}/control.png><img src=x onerror='window.__pwned=1'>".encode())

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """Another site, and what it was asked for."""
    asked: list[str] = []
    handler = type("Handler", (Elsewhere,), {"asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


@pytest.fixture(scope="module")
def hostile(elsewhere: tuple[str, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Its contestants answer with all payloads at once, then with some a turn."""
    folder = tmp_path_factory.mktemp("hostile")
    texts = [payload.format(RUN, elsewhere[0]) for payload in PAYLOADS]
    pages = ["\n\n".join(texts), *(" ".join(group) for group in _groups(texts))]
    replies = [f"Answer {number}: {text}\n\nEnd." for number, text in enumerate(pages)]
    spoken = {"replies": replies, "chunk": 40, "max_tokens": 800}
    roomy = {"context": 100_000}  # all payloads and all groups of them are one conversation
    catalog = write_catalog(folder / "catalog.toml", *(canary(tree, **spoken) | roomy for tree in ("alder", "fir")))
    with serving(folder, catalog, PACE_CHARS=0, MAX_TURNS=100, MAX_PROMPT_CHARS=15_000) as server:
        yield server


@pytest.fixture
def visit(chromium: Browser, hostile: Server) -> Iterator[Visit]:
    # The page's policy refuses what sanitizing left over, and the console tells so.
    with visiting(chromium, hostile.url, strict=False) as visit:
        yield visit


def test_markup_in_prompts_and_answers_neither_runs_nor_fetches(
    visit: Visit, elsewhere: tuple[str, list[str]], hostile: Server
) -> None:
    site, asked = elsewhere
    page = visit()
    texts = [payload.format(RUN, site) for payload in PAYLOADS]
    assert len(texts) == 60
    page.ask_and_wait("\n\n".join(texts))
    _expect_unharmed(page, hostile, asked)
    for number, group in enumerate(_groups(texts), start=1):
        page.ask_and_wait("\n\n".join(group))
        # Not its end: an element that is never closed takes along what follows it.
        expect(page.answer("b")).to_contain_text(f"Answer {number}:")
        _expect_unharmed(page, hostile, asked)
    _click_links(page)
    page.vote("tie")
    page.page.reload()
    expect(page.prompt).to_be_editable()
    _expect_unharmed(page, hostile, asked)


def test_a_form_in_an_answer_is_sent_nowhere(visit: Visit, elsewhere: tuple[str, list[str]]) -> None:
    _, asked = elsewhere
    page = visit()
    page.ask_and_wait("Show me a form")
    with page.page.expect_console_message(lambda message: "form-action" in message.text):
        page.answer("a").locator("form button").first.dispatch_event("click")
    assert not asked


def test_what_a_sanitizer_lets_through_does_not_run(visit: Visit) -> None:
    """Markup that is set as it is, as if none had been there: the policy is the second door."""
    page = visit()
    with page.page.expect_console_message(lambda message: "script-src-attr" in message.text):
        page.page.evaluate(
            "markup => document.body.insertAdjacentHTML('beforeend', markup)", f"<img src=x onerror={RUN}>"
        )
    assert page.page.evaluate("() => window.__pwned") is None


def test_the_other_site_would_have_noticed(visit: Visit, elsewhere: tuple[str, list[str]]) -> None:
    """The control: without the arena's page around it, the same markup does fetch and run."""
    site, asked = elsewhere
    page = visit().page.context.new_page()
    page.goto(site.replace("127.0.0.1", "localhost") + "/control", wait_until="load")
    page.wait_for_function("window.__pwned === 1")
    assert "/control.png" in asked
    asked.clear()


def _groups(texts: list[str], size: int = 6) -> list[list[str]]:
    return [texts[number : number + size] for number in range(0, len(texts), size)]


def _expect_unharmed(page: BattlePage, server: Server, asked: list[str]) -> None:
    assert page.page.evaluate("() => window.__pwned") is None
    assert page.page.url.rstrip("/") == server.url
    assert len(page.page.frames) == 1
    assert not asked, "another site was asked"
    bad = [one for one in page.complaints if one.startswith(("dialog", "error", "response"))]
    assert not [one for one in bad if f"404 {server.url}/x" not in one], bad  # <img src=x> asks the arena itself


def _click_links(page: BattlePage) -> None:
    """Press whatever the answers brought along and does not openly lead elsewhere."""
    for side in "ab":
        for address in page.answers(side).locator("a").evaluate_all(PROTOCOLS):
            assert address in ("http:", "https:", ":"), address
        links = page.answers(side).locator("a:not([href^=http]), summary")
        for index in range(links.count()):
            links.nth(index).dispatch_event("click")
