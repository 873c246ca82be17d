"""The pages in a real browser: by keyboard, on a phone, in the dark, on paper, offline."""

import os
import shutil

import pytest

playwright = pytest.importorskip(
    "playwright.sync_api", reason="pages are opened by playwright: pip install 'wsiseg[dev]'"
)

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "microsoft-edge")


@pytest.fixture(scope="module")
def browser():
    installed = filter(None, map(shutil.which, BROWSERS))
    found = os.environ.get("WSISEG_TEST_BROWSER") or next(installed, None)
    if found is None:
        pytest.skip(
            "pages are opened in Chromium, Chrome or Edge, and none is installed: "
            "apt-get install chromium, or WSISEG_TEST_BROWSER says where one is"
        )
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=found)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def window(browser):
    """Return a page, and what was heard of it: requests, dialogs, complaints."""
    page, heard = browser.new_page(), []
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("dialog", lambda dialog: heard.append(dialog.message))
    page.on("request", lambda request: heard.append(request.url))
    return page, heard


@pytest.fixture
def open_page(window):
    """Return what opens a page, which has to ask for nothing and to complain of nothing."""
    page, heard = window

    def visit(path, width=1280, scheme="light"):
        page.set_viewport_size({"width": width, "height": 844})
        page.emulate_media(media="screen", color_scheme=scheme)
        page.goto(path.as_uri())
        return page

    yield visit
    assert [each for each in heard if not each.startswith(("data:", "file:"))] == []


def page_of(reported, name):
    return reported.output.with_name(f"{name}.report.html")


def wide(page):
    """Return what can be scrolled sideways."""
    return page.evaluate(
        """[...document.querySelectorAll("*")].filter(e =>
             e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 1
             && !["visible", "hidden"].includes(getComputedStyle(e).overflowX)
           ).map(e => e.className)
           .concat(document.documentElement.scrollWidth > innerWidth ? ["page"] : [])"""
    )


def press_until(page, key, wanted):
    """Press a key until something has the focus."""
    for _ in range(80):
        page.keyboard.press(key)
        if page.evaluate("(wanted) => document.activeElement.matches(wanted)", wanted):
            return
    raise AssertionError(wanted)


def test_classes_opacity_and_fields_go_by_keyboard(open_page, reported):
    page = open_page(page_of(reported, "one"))
    layer = page.locator('.look [data-layer="2"]')
    assert layer.is_visible()
    press_until(page, "Tab", '[data-toggle="2"]')
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Space")
    assert not layer.is_visible()
    assert page.locator('.fields [data-layer="2"]:visible').count() == 0
    assert page.locator('.look [data-layer="1"]').is_visible()
    page.keyboard.press("Space")
    assert layer.is_visible()
    press_until(page, "Tab", "#opacity")
    page.keyboard.press("Home")
    assert layer.evaluate("e => getComputedStyle(e).opacity") == "0"
    page.keyboard.press("End")
    assert layer.evaluate("e => getComputedStyle(e).opacity") == "1"
    press_until(page, "Tab", '[data-enlarge="1"]')
    page.keyboard.press("Enter")
    zoom = page.locator("#zoom")
    assert zoom.locator(".stack").is_visible()
    first = zoom.locator("strong").inner_text()
    page.keyboard.press("ArrowRight")
    assert zoom.locator("strong").inner_text() != first
    page.keyboard.press("Escape")
    assert not zoom.is_visible()
    assert page.evaluate("document.activeElement.matches('[data-enlarge]')")


def test_on_a_phone_nothing_scrolls_sideways(open_page, reported):
    for path in (reported.output, *reported.pages):
        page = open_page(path, 390)
        page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true; })")
        assert wide(page) == [], path


def contrast(page, selector):
    """Return the contrast of a text with what is behind it, as WCAG 2 counts it."""
    return page.evaluate(
        """(selector) => {
          const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
          const light = (c) => {
            const [r, g, b] = c.map(v => v / 255)
              .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          return Math.min(...[...document.querySelectorAll(selector)].map(element => {
            let behind = element;
            while (rgb(getComputedStyle(behind).backgroundColor)[3] === 0) {
              behind = behind.parentElement;
            }
            const [a, b] = [getComputedStyle(element).color,
              getComputedStyle(behind).backgroundColor].map(t => light(rgb(t).slice(0, 3)));
            return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
          }));
        }""",
        selector,
    )


@pytest.mark.parametrize(("scheme", "paper"), [("light", "246, 246, 243"), ("dark", "18, 21, 23")])
def test_texts_stand_out_in_both_modes(open_page, reported, scheme, paper):
    for path in (reported.output, page_of(reported, "one"), page_of(reported, "tall")):
        page = open_page(path, scheme=scheme)
        behind = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert behind == f"rgb({paper})"
        for texts in ("h1, h2, p, li, td, th", "a:not(.mark, .skip)", ".status", "figcaption, dt"):
            if page.locator(texts).count():
                assert contrast(page, texts) >= 4.5, texts


def test_the_table_is_sorted_and_searched_by_keyboard(open_page, reported):
    page = open_page(reported.output)

    def names():
        return page.locator(".cohort tbody tr:visible a").all_inner_texts()

    before = names()
    seconds = page.locator(".cohort thead button", has_text="Seconds")
    seconds.focus()
    page.keyboard.press("Enter")
    (sorted_head,) = page.locator("[aria-sort]").all()
    assert sorted_head.get_attribute("aria-sort") == "descending"
    shown = page.locator(".cohort tbody [data-label=Seconds]").evaluate_all(
        "cells => cells.map(c => c.dataset.value ? Number(c.dataset.value) : null)"
    )
    figures = [value for value in shown if value is not None]
    assert figures == sorted(figures, reverse=True)
    assert shown[len(figures) :] == [None, None]
    page.keyboard.press("Enter")
    assert sorted_head.get_attribute("aria-sort") == "ascending"
    page.locator(".cohort thead button", has_text="Slide").click()
    assert names() == before
    page.locator("#find").fill("TALL")
    assert names() == ["tall"]
    page.locator(".cohort tbody tr:visible a").click()
    assert page.locator("h1").inner_text().startswith("tall")
    page.locator(".up a").click()
    assert page.title().endswith("4 slides – wsiseg")


def test_without_scripts_everything_is_there_to_be_read(browser, reported):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(page_of(reported, "one").as_uri())
    assert page.locator(".look .layer:visible").count() == 3
    assert page.locator("button:visible").count() == 0
    context.close()


def test_paper_has_no_buttons_and_all_tables(open_page, reported):
    page = open_page(page_of(reported, "one"))
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("button:visible, input:visible").count() == 0
    assert page.locator(".pairs:visible").count() == page.locator(".pairs").count() > 3
    assert not page.locator("details.raw").is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")
