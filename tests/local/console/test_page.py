"""The console page in a browser: headless Chromium, which comes with npm's packages and is unpacked for the run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.local.console.doubles import ROOT, Client, serving

pytestmark = pytest.mark.slow

PRINT_PATH = "import chromium from '@sparticuz/chromium'; console.log(await chromium.executablePath())"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("chromium")
    node = Path(sys.executable).with_name("node")
    found = subprocess.run(
        [node, "--input-type=module", "--eval", PRINT_PATH],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=found.stdout.strip(), args=FLAGS)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """The page, drawn once. Whatever it complains about or asks of another host fails the test."""
    with serving(Client()) as url:
        context = browser.new_context(locale="en-US", viewport={"width": 1400, "height": 900})
        opened = context.new_page()
        problems: list[str] = []
        opened.on("pageerror", lambda error: problems.append(str(error)))
        opened.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
        opened.on(
            "request", lambda asked: problems.append(asked.url) if not asked.url.startswith((url, "data:")) else None
        )
        opened.goto(url)
        opened.wait_for_selector("body[data-drawn]")
        yield opened
        context.close()
        expected = "Blocked script execution in"  # the report's script, in its sandbox
        assert [problem for problem in problems if expected not in problem] == []


def test_a_raised_alarm_is_the_first_thing_seen(page: Page) -> None:
    first = page.locator("details.alarm").first

    assert page.inner_text("#alarm-summary") == "1 raised, 2 quiet, 0 without data"
    assert "flyball-payments-drift" in first.inner_text()


def test_an_alarms_history_opens_with_it(page: Page) -> None:
    page.locator("details.alarm summary").first.click()

    page.wait_for_selector("details.alarm table")
    assert "Alarm updated from OK to ALARM" in page.inner_text("details.alarm table")


def test_each_widget_is_drawn_or_says_why_not(page: Page) -> None:
    widgets = page.locator(".widget")

    assert widgets.count() == 6
    assert page.locator(".widget canvas").count() == 1
    assert "4.5" in page.locator(".widget .value").inner_text()
    assert "'explorer' is not drawn here" in widgets.nth(4).inner_text()


def test_html_in_a_widget_is_shown_and_not_obeyed(page: Page) -> None:
    assert "<img src=x" in page.locator(".widget.text").inner_text()
    assert page.title() == "Flyball console"


def test_refusals_endpoints_and_the_report_are_there(page: Page) -> None:
    assert "/amount: less_than_equal" in page.inner_text("#refusals")
    assert "initial-cd17db0b1280" in page.inner_text("#endpoints")
    assert page.frame_locator("#report").locator("h1").inner_text() == "The inputs have changed: amount"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_follows_the_colour_scheme(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")

    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    lightness = sum(int(part) for part in paper.removeprefix("rgb(").removesuffix(")").split(",")) / 3

    assert (lightness > 128) == (scheme == "light")


def test_on_a_phone_nothing_is_wider_than_the_screen(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})

    page.wait_for_selector("body[data-drawn='2']")

    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator(".widget").first.bounding_box()["width"] <= 390  # type: ignore[index]


def test_it_draws_itself_again_until_it_is_told_not_to(page: Page) -> None:
    page.wait_for_selector("body[data-drawn='2']")
    page.click("#live")

    assert page.get_attribute("#live", "aria-pressed") == "false"
