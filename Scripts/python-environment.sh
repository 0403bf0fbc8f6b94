#!/usr/bin/env bash
# Prints the path of a Python that has sentence-transformers and peft, for the tests that load our exports in it. The Python is made
# once, in .cache/venv. If that would download gigabytes, the script prints nothing and gives the reason on stderr.
#
#   MAFIN_PYTHON   a Python that has both already
#   TORCH_WHEEL    a wheel of a CPU build of torch
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if [ -n "${MAFIN_PYTHON:-}" ]; then
    "$MAFIN_PYTHON" -c 'import peft, sentence_transformers' || die "MAFIN_PYTHON=$MAFIN_PYTHON lacks sentence-transformers or peft"
    echo "$MAFIN_PYTHON"
    exit 0
fi

venv="$cache/venv"
python="$venv/bin/python"
if [ -f "$venv/ready" ] && "$python" -c "import peft" 2>/dev/null; then
    echo "$python"
    exit 0
fi

skip() {
    rm -rf "$venv"
    say "the tests that load our exports in Python will be skipped: $*"
    exit 0
}

install() { "$python" -m pip --disable-pip-version-check install --quiet "$@" </dev/null >&2; }

command -v python3 >/dev/null || skip "there is no python3"
mkdir -p "$cache"
rm -rf "$venv"
python3 -m venv "$venv" >/dev/null 2>&1 || skip "'python3 -m venv' does not work here"

# PyPI's torch is a small CPU build on macOS. On Linux it brings several gigabytes of CUDA, so there only a CPU wheel is
# used: the one that TORCH_WHEEL names, or one that this machine's pip finds without an index.
if [ -n "${TORCH_WHEEL:-}" ]; then
    install "$TORCH_WHEEL" || die "cannot install TORCH_WHEEL=$TORCH_WHEEL"
elif [ "$(uname -s)" = Darwin ]; then
    install torch || skip "torch could not be installed"
else
    # Its dependencies are installed later from the index, with sentence-transformers.
    install --no-index --no-deps torch 2>/dev/null \
        || skip "no CPU wheel of torch is at hand (name one with TORCH_WHEEL, or a Python that has it with MAFIN_PYTHON)"
fi

say "installing sentence-transformers and peft into .cache/venv"
"$python" -c 'from importlib.metadata import version; print("torch==" + version("torch"))' >"$venv/constraints.txt"
install --constraint "$venv/constraints.txt" sentence-transformers peft || skip "sentence-transformers and peft could not be installed"
touch "$venv/ready"
echo "$python"
