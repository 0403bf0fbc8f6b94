#!/usr/bin/env bash
# Makes the wheel from the build that `make test` made, installs it with pip into a new environment, and uses program and package there. The
# wheel stays in .build-test/dist: it is linked from testable code, so it is not the one to publish (`make wheel`).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

[ "$(uname -s)" = Linux ] || { say "left out: the wheel is for Linux"; exit 0; }
Scripts/fetch-model.sh
need_pip
rm -rf .build-test/dist
wheel=$(realpath "$(Scripts/wheel.sh .build-test/release .build-test/dist)")
sample=$PWD/Samples/handbook
encoder=$(realpath "$cache/models/all-MiniLM-L6-v2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export MAFIN_CACHE="$work/cache"
SECONDS=0
python3 -m venv v || die "'python3 -m venv' does not work here"
v/bin/python -m pip --disable-pip-version-check install --quiet "$wheel" </dev/null >&2
v/bin/mafin --version
say "pip and the first line of the program took $SECONDS s"
v/bin/mafin train --data "$sample" --black-box "vectors:$sample/black-box" --encoder "$encoder" --output artefact --mode query --time 10s --quiet
v/bin/mafin evaluate artefact --data "$sample" --black-box "vectors:$sample/black-box" --quiet
v/bin/python - <<'PYTHON'
import numpy
from mafin_embeddings import Artefact
vectors = Artefact.load("artefact").encoder.encode(["who brings the soup report", "where do I park my bicycle"])
assert vectors.shape == (2, 384) and numpy.isfinite(vectors).all(), vectors
assert (abs(numpy.linalg.norm(vectors, axis=1) - 1) < 1e-3).all(), "rows of unit length were expected"
PYTHON
v/bin/python -m mafin_embeddings --version
test -s v/share/man/man1/mafin-train.1 || die "the wheel has no man page of mafin train"
say "the wheel works after $SECONDS s"
