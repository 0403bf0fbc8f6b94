#!/usr/bin/env bash
# Opens the report's pages in headless Chromium: console, requests, widths, accessibility (axe-core), print. Not part of
# `make test`, for the browser's sake. Chromium comes from apt where there is none, Python's playwright and axe-core go to .cache/pages.
#
#   CHROMIUM       a Chromium or Chrome to use
#   Scripts/test-pages.sh [PAGE.html …]    pages to check beside those that the tests write
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

given=()
for page in "$@"; do given+=("$(cd "$OLDPWD" && realpath "$page")"); done

find_chromium() {
    local name
    for name in chromium chromium-browser google-chrome google-chrome-stable; do command -v "$name" && return; done
    for name in "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" /Applications/Chromium.app/Contents/MacOS/Chromium; do
        [ -x "$name" ] && echo "$name" && return
    done
    return 1
}

chromium=${CHROMIUM:-$(find_chromium || true)}
if [ -z "$chromium" ] && command -v apt-get >/dev/null; then
    apt_install chromium fonts-liberation fonts-noto-core
    chromium=$(find_chromium || true)
fi
[ -n "$chromium" ] || die "there is no Chromium; install one, or name it with CHROMIUM"

python="$cache/pages/bin/python"
if [ ! -f "$cache/pages/ready" ]; then
    say "installing playwright and axe-core into .cache/pages"
    rm -rf "$cache/pages"
    python3 -m venv "$cache/pages"
    "$python" -m pip --disable-pip-version-check install --quiet playwright==1.65.2 axe-playwright-python==0.1.8 </dev/null >&2 \
        || die "playwright could not be installed"
    touch "$cache/pages/ready"
fi

build=(-c release -Xswiftc -enable-testing --scratch-path .build-test)
pages="$PWD/.build-test/pages"
rm -rf "$pages"
say "writing the pages"
MAFIN_PAGES="$pages" swift test --disable-xctest "${build[@]}" --filter PageTests/pagesForABrowser >&2
for page in "${given[@]}"; do cp "$page" "$pages/"; done
say "opening them in $chromium"
exec "$python" Tools/check_pages.py "$pages" "$chromium"
