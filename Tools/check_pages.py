"""Opens report pages in headless Chromium and fails if it finds a fault that a reader would notice.

Each page is opened on a desktop in light and dark mode and on a phone, with every part of it open. There must be no message on the console, no
request, nothing wider than the screen, and no violation that axe-core finds (WCAG 2.2 A and AA, and its best practices). Then sorting, the page without
its script, and the page on paper are checked. Screenshots and PDFs are kept for people to look at.

Run: python Tools/check_pages.py FOLDER-OF-PAGES CHROMIUM        (make test-pages does all of it)
"""

import html.parser
import pathlib
import sys

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

SCREENS = {
    "light": dict(viewport=dict(width=1280, height=900), color_scheme="light"),
    "dark": dict(viewport=dict(width=1280, height=900), color_scheme="dark"),
    "phone": dict(viewport=dict(width=390, height=844), color_scheme="light", device_scale_factor=2, is_mobile=True,
                  has_touch=True),
    "small-phone-dark": dict(viewport=dict(width=320, height=640), color_scheme="dark", is_mobile=True),
}
VOID = {"meta", "link", "br", "hr", "col", "img", "input"}
faults = []


def fault(page, screen, text):
    faults.append(f"{page.name}, {screen}: {text}")
    print(f"error: {faults[-1]}", file=sys.stderr)


class Balance(html.parser.HTMLParser):
    """Checks with Python's own parser that every tag is closed by its own end tag, in order."""

    def __init__(self):
        super().__init__()
        self.open, self.faults = [], []

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"line {self.getpos()[0]}: </{tag}> closes something else")


def watch(context, page_file, screen):
    page = context.new_page()
    page.on("console", lambda message: fault(page_file, screen, f"console: {message.text}"))
    page.on("pageerror", lambda error: fault(page_file, screen, f"script: {error}"))
    page.on("request", lambda request: request.url.startswith(("file:", "data:"))
            or fault(page_file, screen, f"asks the network for {request.url}"))
    page.goto(page_file.as_uri())
    return page


def check_screen(browser, page_file, screen, options, shots):
    context = browser.new_context(**options)
    page = watch(context, page_file, screen)
    width = options["viewport"]["width"]
    # Chromium cannot take a picture of the whole page of hostile texts, which is 80,000 pixels high on a phone.
    is_short = page.evaluate("document.documentElement.scrollHeight") < 30_000
    page.screenshot(path=shots / f"{page_file.stem}-{screen}.png", full_page=is_short)
    if (found := page.evaluate("document.documentElement.scrollWidth")) > width:
        fault(page_file, screen, f"{found} pixels wide on a screen of {width}")
    page.evaluate("document.querySelectorAll('details').forEach(function(item){item.open = true})")
    if (found := page.evaluate("document.documentElement.scrollWidth")) > width:
        fault(page_file, screen, f"{found} pixels wide on a screen of {width}, with everything open")
    results = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})
    for violation in results.response["violations"]:
        for node in violation["nodes"][:3]:
            fault(page_file, screen, f"axe {violation['id']}: {node['target']} {node['failureSummary']}".replace("\n", " "))
    context.close()
    return len(results.response["passes"])


def check_sorting(browser, page_file):
    context = browser.new_context()
    page = watch(context, page_file, "sorting")
    buttons = page.locator("table.sortable thead button")
    if buttons.count() > 1:
        def column():
            cells = page.locator("table.sortable").first.locator("tbody tr").evaluate_all(
                "rows => rows.map(row => row.cells[1].dataset.value)")
            return [float(cell) for cell in cells if cell]
        before = column()
        for expected in [sorted(before, reverse=True), sorted(before), before]:
            buttons.nth(1).click()
            if column() != expected:
                fault(page_file, "sorting", f"{column()}, expected {expected}")
    context.close()


def check_without_script(browser, page_file):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(page_file.as_uri())
    for heading in page.locator("h1, h2").all():
        if not heading.is_visible():
            fault(page_file, "without script", f"{heading.inner_text()} is not to be seen")
    example = page.locator("details.example:not([open]) > summary")
    if example.count():
        example.first.click()
        if not page.locator("details.example .rankings").nth(1).is_visible():
            fault(page_file, "without script", "an example does not open")
    context.close()


def check_links_into_texts(browser, page_file):
    """The link from a document in a ranking opens the closed part that holds its text."""
    context = browser.new_context()
    page = watch(context, page_file, "links")
    link = page.locator("details.example[open] .doc[href]")
    if link.count():
        link.first.click()
        if not page.locator(link.first.get_attribute("href")).is_visible():
            fault(page_file, "links", "the text that a link leads to is not to be seen")
    context.close()


def print_on_paper(browser, page_file, shots):
    context = browser.new_context(color_scheme="dark")
    page = watch(context, page_file, "paper")
    page.pdf(path=shots / f"{page_file.stem}.pdf", format="A4", margin=dict(top="15mm", bottom="15mm", left="15mm", right="15mm"))
    context.close()


def main(folder, chromium):
    pages = sorted(pathlib.Path(folder).resolve().glob("*.html"))
    if not pages:
        sys.exit(f"error: no pages in {folder}")
    shots = pathlib.Path(folder).resolve() / "screenshots"
    shots.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        # Chromium's sandbox does not work for root, and containers run as root. The pages are our own.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for page in pages:
            parser = Balance()
            parser.feed(page.read_text())
            parser.close()
            for text in parser.faults + [f"<{tag}> is never closed" for tag in parser.open]:
                fault(page, "html.parser", text)
            passes = [check_screen(browser, page, name, options, shots) for name, options in SCREENS.items()]
            check_sorting(browser, page)
            check_without_script(browser, page)
            check_links_into_texts(browser, page)
            print_on_paper(browser, page, shots)
            print(f"{page.name}: {page.stat().st_size / 1024:.0f} KiB, {min(passes)} or more of axe's rules apply")
        browser.close()
    print(f"{len(pages)} pages, {len(faults)} faults; screenshots are in {shots}")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
