#!/usr/bin/env bash
# Tests the Python package with the packages that it adapts to, against the built program and shared library: types (mypy), every test of
# Python/tests, the notebook (executed, and rendered to .cache/notebook/notebook.html), and the lines of Documentation/how-do-i.md.
# The packages are installed into .cache/python-tests, once.
#
#   Scripts/test-python.sh [PYTEST-ARGUMENT…]      with arguments only the tests that they choose
#
#   MAFIN_PROGRAM        the program (default: .build-test/release/mafin)
#   MAFIN_LIBRARY        the shared library (default: .build-test/release/libMafinC.so)
#   MAFIN_WHEEL          a wheel: it is installed, and its package, program and library are tested in place of the built ones
#   MAFIN_SLOW_TESTS=1   run the slow tests too
#   MAFIN_PYTHON, TORCH_WHEEL   see Scripts/python-environment.sh
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

Scripts/fetch-model.sh
torch_python=$(Scripts/python-environment.sh)

# The environment shares torch and sentence-transformers with the one of `make test`, because they take a gigabyte.
environment="$cache/python-tests"
wanted=$(cat Python/tests/requirements*.txt "${MAFIN_WHEEL:-/dev/null}" | sha256sum)
if [ "$(cat "$environment/ready" 2>/dev/null)" != "$wanted $torch_python" ]; then
    say "installing the packages of the tests into .cache/python-tests"
    rm -rf "$environment"
    "${torch_python:-python3}" -m venv "$environment" >&2 || die "'python3 -m venv' does not work here"
    pip() { "$environment/bin/python" -m pip --disable-pip-version-check install --quiet "$@" </dev/null >&2; }
    if [ -n "$torch_python" ]; then
        shared=$("$torch_python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
        echo "$shared" >"$("$environment/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/shared.pth"
        pip -r Python/tests/requirements.txt -r Python/tests/requirements-torch.txt || die "pip could not install the packages of the tests"
    else
        say "without torch: the tests with sentence-transformers and MTEB will be skipped"
        pip -r Python/tests/requirements.txt || die "pip could not install the packages of the tests"
    fi
    # Only one class of it is used, and its own requirements are the clients of four vendors.
    pip --no-deps llama-index-finetuning==0.4.2 || die "pip could not install llama-index-finetuning"
    if [ -n "${MAFIN_WHEEL:-}" ]; then pip "$MAFIN_WHEEL" || die "pip could not install $MAFIN_WHEEL"; fi
    echo "$wanted $torch_python" >"$environment/ready"
fi
python="$environment/bin/python"

export MAFIN_MODELS="${MAFIN_MODELS:-$cache/models}"
options=()
if [ -n "${MAFIN_WHEEL:-}" ]; then
    unset MAFIN_PROGRAM MAFIN_LIBRARY
    # Not the sources of this checkout: what the wheel installed.
    options=(-o pythonpath=)
    MAFIN_PROGRAM=$(cd / && "$python" -c 'from mafin_embeddings.program import program_path; print(program_path())')
    MAFIN_LIBRARY=$(cd / && "$python" -c 'from mafin_embeddings.library import library_path; print(library_path())')
else
    MAFIN_PROGRAM=$(realpath "${MAFIN_PROGRAM:-.build-test/release/mafin}")
    MAFIN_LIBRARY=$(realpath "${MAFIN_LIBRARY:-.build-test/release/libMafinC.so}")
    export PYTHONPATH="$PWD/Python/src"
fi
export MAFIN_PROGRAM MAFIN_LIBRARY
for file in "$MAFIN_PROGRAM" "$MAFIN_LIBRARY"; do
    [ -f "$file" ] || die "there is no $file; build it with 'make test-build'"
done

say "tests of the Python package"
(cd Python && "$python" -m pytest -q "${options[@]}" "$@")
[ $# -eq 0 ] || exit 0

say "types"
(cd Python && "$python" -m mypy)

say "the notebook"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export MAFIN_CACHE="$work/cache"
mkdir -p "$cache/notebook"
cp Samples/notebook.ipynb "$work/"
ln -s "$PWD/Samples/handbook" "$work/handbook"
"$python" -m nbconvert --to html --execute "$work/notebook.ipynb" --output-dir "$cache/notebook" --log-level WARN >&2
"$python" Tools/check_notebook.py "$cache/notebook/notebook.html"

say "Documentation/how-do-i.md"
"$python" Tools/run_how_do_i.py Documentation/how-do-i.md "$work/how-do-i"
