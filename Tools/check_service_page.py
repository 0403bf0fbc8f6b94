"""Uses the page of a running `mafin serve` in headless Chromium with real clicks and keys, and fails at the first fault.

    check_service_page.py URL CHROMIUM FOLDER-FOR-SCREENSHOTS KEYED-URL KEY COLLECTION     (Scripts/test-service-page.sh runs it)

The service has the sample handbook's index, marks and a report. Rankings are compared with the results of /search for the same weights. A slider
that moves asks once, when it rests. The service at KEYED-URL is the same but needs a key. At the end the training labels of COLLECTION are marked, so
that a training on the marks can be tested.
"""

import json
import pathlib
import re
import sys
import urllib.parse
import urllib.request

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

SCREENS = {
    "light": dict(viewport=dict(width=1280, height=900), color_scheme="light"),
    "dark": dict(viewport=dict(width=1280, height=900), color_scheme="dark"),
    "phone": dict(viewport=dict(width=390, height=844), color_scheme="light", device_scale_factor=2, is_mobile=True,
                  has_touch=True),
    "small-phone-dark": dict(viewport=dict(width=320, height=640), color_scheme="dark", is_mobile=True),
}
QUERY = "How often does the quay crane need lubricating?"
faults = []


def fault(screen, text):
    faults.append(f"{screen}: {text}")
    print(f"error: {faults[-1]}", file=sys.stderr)


def search(url, **body):
    request = urllib.request.Request(url + "/search", json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def focused(page):
    """The name of the control that has the focus; None if the focus is lost."""
    return page.evaluate("document.activeElement.dataset.name || null")


def focused_source(page):
    """The source whose slider has the focus."""
    return page.evaluate("document.activeElement.dataset.source || null")


def ids(page, side):
    return page.locator(f"#{side} > li").evaluate_all("items => items.map(item => item.dataset.id)")


def accessible(page, screen, state):
    for violation in Axe().run(page).response["violations"]:
        nodes = ", ".join(node["html"][:120] for node in violation["nodes"][:3])
        fault(screen, f"{state}: {violation['id']}: {violation['help']}: {nodes}")
    width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if width > 0:
        fault(screen, f"{state}: {width} pixels wider than the screen")


def use(page, url, screen, folder):
    asked = []
    page.on("console", lambda message: fault(screen, f"console: {message.text}"))
    page.on("pageerror", lambda error: fault(screen, f"script: {error}"))
    page.on("request", lambda request: asked.append(request.url) if not request.url.startswith("data:") else None)
    page.goto(url)
    expect(page.locator("#results")).to_be_hidden()
    expect(page.locator("#skip")).to_be_hidden()
    accessible(page, screen, "empty")

    # A search by keyboard.
    page.keyboard.press("/") if not page.locator("#query").evaluate("e => e === document.activeElement") else None
    page.locator("#query").fill(QUERY)
    page.keyboard.press("Enter")
    expect(page.locator("#right > li")).to_have_count(10)
    truth = search(url, query=QUERY, top=10)
    own = [hit["id"] for hit in truth["black_box_ranking"]]
    assert ids(page, "right") == [hit["id"] for hit in truth["results"]], screen
    assert ids(page, "left") == own, screen
    expect(page.locator("#status")).to_contain_text("10 results by black-box + local")
    assert page.locator("#skip").get_attribute("hidden") is None, f"{screen}: nothing to skip to"
    expect(page.locator("#right .name").first).to_have_attribute("dir", "auto")
    page.screenshot(path=folder / f"{screen}-results.png", full_page=True)
    accessible(page, screen, "results")
    if screen in ("light", "dark"):
        moved = sum(a != b for a, b in zip(ids(page, "left"), ids(page, "right")))
        fresh = set(ids(page, "right")) - set(own)
        expect(page.locator("#moves path")).to_have_count(10 + len(fresh))
        assert page.locator("#moves path.up, #moves path.down").count() > 0 or moved == 0, f"{screen}: no movement drawn"

    # A slider for each source's weight. The page asks once when it rests, and the black box's own ranking stays.
    trained = {source["name"]: source["weight"] for source in truth["sources"]}
    assert list(trained) == ["black-box", "local"] == page.locator("#sliders input").evaluate_all(
        "inputs => inputs.map(input => input.dataset.source)"), screen
    slider = {name: page.locator(f'#sliders input[data-source="{name}"]') for name in trained}
    for weights in [{"local": 0}, {"local": 0.2}, {"black-box": 0}, {"black-box": 0.1}]:
        before = len(asked)
        with page.expect_response("**/search") as answered:
            for name, value in weights.items():
                slider[name].fill(str(value))
        page.wait_for_timeout(300)
        assert len(asked) == before + 1, f"{screen}: the slider asks {asked[before:]}"
        sent = answered.value.request.post_data_json["weights"]
        wanted = [hit["id"] for hit in search(url, query=QUERY, top=10, weights=sent)["results"]]
        assert ids(page, "right") == wanted, f"{screen}, {sent}: {ids(page, 'right')} instead of {wanted}"
        assert ids(page, "left") == own, f"{screen}, {sent}: the black box's ranking changed"
        if weights == {"local": 0}:
            assert ids(page, "right") == own, f"{screen}: without the local encoder it is not the black box's ranking"
        if weights == {"black-box": 0}:
            expect(page.locator("#right-head")).to_have_text(re.compile(r": local$"))
    with page.expect_response("**/search"):
        slider["local"].focus()
        for _ in range(3):
            page.keyboard.press("ArrowRight")
    spoken = float(slider["local"].get_attribute("aria-valuetext"))
    assert spoken > 0.2 and focused_source(page) == "local", f"{screen}: {spoken}, the focus is lost"
    page.wait_for_timeout(300)
    page.screenshot(path=folder / f"{screen}-weights.png", full_page=True)
    with page.expect_response("**/search"):
        page.locator("#weights-reset").click()
    page.wait_for_timeout(300)
    assert ids(page, "right") == [hit["id"] for hit in truth["results"]], f"{screen}: not as trained again"

    # A result: its text, the shares of its words, a mark.
    first = page.locator("#right > li").first
    (first.locator(".head").tap if screen == "phone" else first.locator(".head").click)()
    expect(first.locator(".head")).to_have_attribute("aria-expanded", "true")
    assert first.locator(".head").evaluate("e => e === document.activeElement") or screen == "phone", f"{screen}: focus is lost"
    body = first.locator(".head").get_attribute("aria-controls")
    assert body and first.locator(f"#{body}").count() == 1, f"{screen}: what the card opens is not named"
    first.get_by_role("button", name="Which words").click()
    expect(first.locator(".words mark").first).to_be_visible(timeout=20_000)
    spoken = "".join(first.locator(".words > div:not(.caption)").nth(0).all_text_contents())
    assert spoken == QUERY, f"{screen}: {spoken!r}"
    assert focused(page) and focused(page).endswith(":explain"), f"{screen}: focus is lost after the words"
    first.get_by_role("button", name="Relevant").focus()
    page.keyboard.press("Enter")
    expect(first).to_have_class(re.compile("relevant"))
    expect(first.get_by_role("button", name="Undo")).to_have_count(1)
    assert focused(page) and focused(page).endswith(":1"), f"{screen}: focus is lost after a mark"
    second = page.locator("#right > li").nth(1)
    second.locator(".head").focus()
    page.keyboard.press("Enter")
    second.get_by_role("button", name="Wrong").click()
    expect(second).to_have_class(re.compile("wrong"))
    expect(page.locator("#status")).to_contain_text("Kept for training")
    page.screenshot(path=folder / f"{screen}-open.png", full_page=True)
    accessible(page, screen, "open")
    page.reload()
    expect(page.locator("#right > li.relevant")).to_have_count(1)
    expect(page.locator("#right > li.wrong")).to_have_count(1)
    second = page.locator("#right > li.wrong")
    second.locator(".head").click()
    second.get_by_role("button", name="Wrong").click()
    expect(page.locator("#right > li.wrong")).to_have_count(0)
    # The next screen begins without marks.
    first = page.locator("#right > li.relevant")
    identifier = first.get_attribute("data-id")
    first.locator(".head").click()
    first.get_by_role("button", name="Relevant").click()
    expect(page.locator("#right > li.relevant")).to_have_count(0)
    page.locator(f'#right > li[data-id="{identifier}"] .head').click()

    # The black box has no stored vector of this query. The local encoder ranks alone, and the page says so.
    page.locator("#query").fill("something <b>nobody</b> asked & \"quoted\"")
    page.locator("#search button[type=submit]").click()
    expect(page.locator("#notice")).to_contain_text("Ranked by local alone")
    expect(page.locator("#left-column")).to_be_hidden()
    assert page.locator("#board b").count() == 0
    page.screenshot(path=folder / f"{screen}-alone.png", full_page=True)
    accessible(page, screen, "alone")
    strangers = [one for one in asked if not one.startswith(url)]
    if strangers:
        fault(screen, f"asks elsewhere: {strangers}")
    page.locator("#report").click()
    expect(page.locator("h1")).to_have_text("Report")


def use_key(page, url, key):
    """A service with keys: the page asks for a key. With it, the link opens the report too."""
    page.on("pageerror", lambda error: fault("keyed", f"script: {error}"))
    page.goto(url)
    page.locator("#report").click()
    expect(page.locator("#key-form")).to_be_visible()
    page.locator("#key").fill("a-wrong-key-of-the-test")
    page.keyboard.press("Enter")
    expect(page.locator("#error")).to_contain_text("unknown")
    page.locator("#key").fill(key)
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Report")
    assert page.url == url + "/report", page.url
    # A report's scripts are sandboxed, so they cannot read cookies.
    read = page.evaluate("() => { try { return document.cookie } catch (error) { return error.name } }")
    assert read in ("", "SecurityError"), f"a script of the report reads {read}"
    page.goto(url)
    page.locator("#query").fill(QUERY)
    page.keyboard.press("Enter")
    expect(page.locator("#right > li")).to_have_count(10)
    page.locator("#report").click()
    expect(page.locator("h1")).to_have_text("Report")


def mark_and_search(page, url):
    """A mark that is under way when the next search begins is kept."""
    page.goto(url)
    page.locator("#query").fill(QUERY)
    page.keyboard.press("Enter")
    expect(page.locator("#right > li")).to_have_count(10)
    held = []
    page.route("**/feedback", lambda route: held.append(route))
    first = page.locator("#right > li").nth(2)
    first.locator(".head").click()
    identifier = first.get_attribute("data-id")
    first.get_by_role("button", name="Relevant").click()
    page.locator("#query").fill("Who approves expenses?")
    page.locator("#search button[type=submit]").click()
    page.wait_for_timeout(300)
    for route in held:
        route.continue_()
    page.unroute("**/feedback")
    page.wait_for_timeout(500)
    with urllib.request.urlopen(url + "/feedback?query=" + urllib.parse.quote(QUERY)) as answer:
        grades = json.load(answer)["grades"]
    assert grades.get(identifier) == 1, f"the mark was dropped: {grades}"


def overtaking(page, url):
    """An older search does not clear the status of a newer one. An answer that is not JSON is reported."""
    page.goto(url)
    held = []
    page.route("**/search", lambda route: held.append(route))
    for query in ["first", "second"]:
        page.locator("#query").fill(query)
        page.keyboard.press("Enter")
        page.wait_for_timeout(200)
    expect(page.locator("#status")).to_have_text("Searching …")
    page.unroute("**/search")
    for route in held:
        try:
            route.abort()
        except Exception:
            pass  # The page has aborted this request.
    page.route("**/search", lambda route: route.fulfill(status=502, content_type="text/html", body="<h1>Bad gateway</h1>"))
    page.locator("#query").fill("third")
    page.keyboard.press("Enter")
    expect(page.locator("#error")).to_have_text("the service answered 502")
    page.unroute("**/search")
    long = "x" * 3000
    page.locator("#query").fill(long)
    assert page.locator("#query").input_value() == long, "a long question is cut"


def mark_collection(url, collection):
    """Marks the labels of a collection's training queries, as people would do over time."""
    collection = pathlib.Path(collection)
    texts = {}
    for line in (collection / "queries.jsonl").read_text().splitlines():
        query = json.loads(line)
        texts[query["_id"]] = query["text"]
    count = 0
    for line in (collection / "qrels" / "train.tsv").read_text().splitlines()[1:]:
        query, document, grade = line.split("\t")
        body = {"query": texts[query], "document": document, "grade": int(int(grade) > 0)}
        request = urllib.request.Request(url + "/feedback", json.dumps(body).encode(), {"content-type": "application/json"})
        urllib.request.urlopen(request).close()
        count += 1
    print(f"{count} labels marked", file=sys.stderr)


def main(url, chromium, folder, keyed, key, collection):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for screen, settings in SCREENS.items():
            context = browser.new_context(**settings)
            use(context.new_page(), url, screen, folder)
            context.close()
            print(f"{screen}: as it should be", file=sys.stderr)
        for name, body in [
            ("keyed", lambda page: use_key(page, keyed, key)), ("mark", lambda page: mark_and_search(page, url)),
            ("overtaking", lambda page: overtaking(page, url)),
        ]:
            context = browser.new_context(**SCREENS["light"])
            body(context.new_page())
            context.close()
            print(f"{name}: as it should be", file=sys.stderr)
        browser.close()
    if faults:
        raise SystemExit(f"{len(faults)} faults")
    mark_collection(url, collection)


if __name__ == "__main__":
    main(*sys.argv[1:])
