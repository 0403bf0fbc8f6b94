# Sourced by the scripts that open pages. Finds Chromium (CHROMIUM, else an installed one, else installs it with apt) and makes a Python with
# playwright and axe-core in .cache/pages. Sets `chromium` and `python`.

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

python=$(python_with pages playwright==1.65.2 axe-playwright-python==0.1.8)
