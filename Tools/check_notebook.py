"""Checks the executed notebook: no cell failed, the report's page is in it, and the tables have figures.

    python Tools/check_notebook.py NOTEBOOK.html
"""

import html.parser
import pathlib
import sys


class Outputs(html.parser.HTMLParser):
    """What the notebook shows: pages in frames, tables, errors."""

    def __init__(self):
        super().__init__()
        self.pages, self.cells, self.text = [], 0, []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "iframe" and "srcdoc" in attributes:
            self.pages.append((attributes["srcdoc"], attributes.get("sandbox")))
        if tag == "td":
            self.cells += 1

    def handle_data(self, data):
        self.text.append(data)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    found = Outputs()
    found.feed(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    text = "".join(found.text)
    assert "Traceback" not in text, "a cell failed"
    assert len(found.pages) == 1, f"expected the report's page, found {len(found.pages)} frames"
    page, sandbox = found.pages[0]
    assert page.lstrip().lower().startswith("<!doctype html>") and "</html>" in page and "nDCG@10" in page, "the frame holds no report"
    assert sandbox == "allow-scripts", f"the frame's sandbox is {sandbox!r}"
    assert found.cells > 60, f"expected the tables, found {found.cells} cells"
    assert "Artefact('artefact':" in text and "black-box" in text, "the artefact is not shown"
    print(f"{sys.argv[1]}: a page of {len(page)} characters and {found.cells} cells of tables", file=sys.stderr)


main()
