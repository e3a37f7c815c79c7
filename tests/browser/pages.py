"""The Battle page as a visitor uses it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Locator, Page, Playwright, expect

from browser.tap import SETTLED, TAP

DEBIAN = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# What Gradio's page writes when it is left while it still listens.
FAREWELLS = ("AbortError: signal is aborted", "Unexpected error Connection errored out")
VOTES = ("a", "b", "tie", "both-bad")


def launch(playwright: Playwright) -> Browser:
    """Start Debian's Chromium where there is one, else Playwright's own. Raises its `Error` without either."""
    path = DEBIAN if DEBIAN.exists() else None
    return playwright.chromium.launch(executable_path=path, args=ARGUMENTS)


class BattlePage:
    """One visitor's Battle page; `complaints` is what the browser held against it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        self.console: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("dialog", self._interrupted)
        page.context.on("response", lambda response: self._answered(response.url, response.status))

    def _heard(self, message: ConsoleMessage) -> None:
        self.console.append(message.text)
        if message.type == "error" and not message.text.startswith(FAREWELLS):
            self.complaints.append(f"console: {message.text}")

    def _interrupted(self, dialog: Dialog) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _answered(self, url: str, status: int) -> None:
        foreign = not url.startswith((self.url, "data:", "blob:"))
        if foreign or status >= 400:
            self.complaints.append(f"response: {status} {url}")

    def open(self, *, agree: bool = True) -> BattlePage:
        self.go("")
        if agree:
            self.consent.check()
        return self

    def go(self, address: str) -> None:
        """Open one of the site's pages and wait for what it loads."""
        self.page.goto(self.url + address)
        loaded = {"": "#hint", "/leaderboard": "#summary", "/evaluation": "#summary", "/about": "#about"}[address]
        expect(self.page.locator(loaded)).not_to_be_empty()
        if address == "":
            expect(self.prompt).to_be_editable()
        if address == "/leaderboard":
            expect(self.page.locator("#plot .main-svg").first).to_be_visible()

    @property
    def prompt(self) -> Locator:
        return self.page.locator("#prompt textarea")

    @property
    def consent(self) -> Locator:
        return self.page.locator("#consent input")

    @property
    def hint(self) -> Locator:
        return self.page.locator("#hint")

    @property
    def reveal(self) -> Locator:
        return self.page.locator("#reveal")

    @property
    def votes(self) -> list[Locator]:
        return [self.vote_button(outcome) for outcome in VOTES]

    @property
    def toasts(self) -> Locator:
        return self.page.get_by_test_id("toast-text")

    def vote_button(self, outcome: str) -> Locator:
        return self.button(f"vote-{outcome}")

    def button(self, name: str) -> Locator:
        return self.page.locator(f"#{name}")

    def pane(self, side: str) -> Locator:
        return self.page.locator(f"#pane-{side}")

    def answers(self, side: str) -> Locator:
        return self.pane(side).get_by_test_id("bot").locator(".message-content")

    def answer(self, side: str) -> Locator:
        return self.answers(side).last

    def ask(self, prompt: str) -> None:
        self.page.wait_for_function(SETTLED)
        self.prompt.fill(prompt)
        self.prompt.press("Enter")

    def ask_and_wait(self, prompt: str) -> None:
        before = self.answers("a").count()
        self.ask(prompt)
        # The buttons of the turn before are still on until the first frame of this one was drawn.
        expect(self.answers("a")).to_have_count(before + 1)
        expect(self.answer("a")).not_to_have_text("…")
        self.wait_votable()

    def wait_votable(self) -> None:
        expect(self.vote_button("both-bad")).to_be_enabled()

    def wait_streaming(self, text: str = "Quagga") -> None:
        for side in "ab":
            expect(self.answer(side)).to_contain_text(text)
        expect(self.button("stop")).to_be_visible()

    def expect_votes(self, *, enabled: bool) -> None:
        for button in self.votes:
            expect(button).to_be_enabled(enabled=enabled)

    def vote(self, outcome: str) -> None:
        self.vote_button(outcome).click()
        expect(self.reveal).to_be_visible()

    def leave_box(self) -> None:
        """Put the focus on nothing, as a click beside everything does."""
        self.page.evaluate("() => document.activeElement.blur()")

    def begin_anew(self) -> None:
        self.button("new-battle").click()
        expect(self.reveal).to_be_hidden()
        expect(self.prompt).to_be_editable()


class Visit(Protocol):
    def __call__(self, *, agree: bool = True, script: str = "", **options: Any) -> BattlePage:
        """Open the page in a browser context of its own; `script` runs before the page's own."""
        ...


@contextmanager
def visiting(chromium: Browser, url: str, *, strict: bool = True) -> Iterator[Visit]:
    contexts: list[BrowserContext] = []
    opened: list[BattlePage] = []

    def visit(*, agree: bool = True, script: str = "", **options: Any) -> BattlePage:
        context = chromium.new_context(**options)
        context.set_default_timeout(30_000)
        contexts.append(context)
        context.add_init_script(TAP + script)
        opened.append(BattlePage(context.new_page(), url))
        return opened[-1].open(agree=agree)

    try:
        yield visit
    finally:
        for context in contexts:
            context.close()
    complaints = [complaint for page in opened for complaint in page.complaints]
    assert not (strict and complaints), complaints
