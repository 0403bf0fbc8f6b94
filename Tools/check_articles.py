"""Checks that every block of Swift in the products' articles stands, but for white space, in Samples/SwiftClient, which is compiled and run.

    python Tools/check_articles.py PRODUCT…
    python Tools/check_articles.py --diagnostics FILE       prints docc's warnings, and fails if there is one that counts

MafinProviders is left out: the sample would need its network packages. A parameter without a line does not count.
"""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LEFT_OUT = {"MafinProviders"}


def squeezed(text):
    return "".join(text.split())


def diagnostics(file):
    """Prints the warnings and errors of docc that count. Returns 1 if there is one."""
    counted = [
        one
        for one in json.loads(file.read_text())["diagnostics"]
        if one["severity"] in ("warning", "error") and not (one["summary"].startswith("Parameter ") and "missing documentation" in one["summary"])
    ]
    for one in counted:
        place = one.get("range", {}).get("start", {}).get("line", 0)
        print(f"{one.get('source', '')}:{place}: {one['severity']}: {one['summary']}", file=sys.stderr)
    return 1 if counted else 0


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if sys.argv[1] == "--diagnostics":
        sys.exit(diagnostics(pathlib.Path(sys.argv[2])))
    sample = squeezed("".join(file.read_text() for file in sorted((ROOT / "Samples/SwiftClient/Sources").rglob("*.swift"))))
    for product in sys.argv[1:]:
        article = ROOT / f"Sources/{product}/{product}.docc/{product}.md"
        blocks = re.findall(r"^```swift\n(.*?)^```$", article.read_text(), re.MULTILINE | re.DOTALL)
        if not blocks:
            sys.exit(f"error: {article}: there is no block of Swift")
        for block in blocks if product not in LEFT_OUT else []:
            if squeezed(block) not in sample:
                sys.exit(f"error: {article}: this block is not in Samples/SwiftClient:\n{block}")


main()
