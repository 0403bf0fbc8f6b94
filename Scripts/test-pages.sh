#!/usr/bin/env bash
# Opens the report's pages in headless Chromium and checks console, requests, widths, accessibility (axe-core) and printing. Not part of
# `make test`, because it needs a browser. apt installs Chromium if there is none. Python's playwright and axe-core go to .cache/pages.
#
#   CHROMIUM       a Chromium or Chrome to use
#   Scripts/test-pages.sh [PAGE.html …]    further pages to check, beside those that the tests write
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

given=()
for page in "$@"; do given+=("$(cd "$OLDPWD" && realpath "$page")"); done
source Scripts/browser.sh

build=(-c release -Xswiftc -enable-testing --scratch-path .build-test)
pages="$PWD/.build-test/pages"
rm -rf "$pages"
say "writing the pages"
# Without --skip-build `swift test` would compile everything again, with other flags.
MAFIN_PAGES="$pages" swift test --skip-build --disable-xctest "${build[@]}" --filter PageTests/pagesForABrowser >&2
for page in "${given[@]}"; do cp "$page" "$pages/"; done
say "opening them in $chromium"
exec "$python" Tools/check_pages.py "$pages" "$chromium"
