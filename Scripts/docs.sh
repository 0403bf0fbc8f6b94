#!/usr/bin/env bash
# Makes the DocC pages of the library's products from the built modules. Every warning is an error, but for parameters without a line: those whose
# names say all need none here. It also checks that the lines of each article stand in
# Samples/SwiftClient, which Scripts/test-samples.sh compiles and runs. The pages go to .cache/docs/PRODUCT.
#
#   Scripts/docs.sh [PRODUCT…]      (default: all products)
#
#   MAFIN_BUILD   the folder of built modules (default: .build-test/release)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

products=("$@")
[ $# -gt 0 ] || products=(Mafin MafinEncoder MafinGeneration MafinImages MafinProviders MafinReport MafinRetrieval MafinText)
build=$(realpath "${MAFIN_BUILD:-.build-test/release}")
[ -d "$build/Modules" ] || die "there are no modules in $build; build them with 'make test-build'"
swift=$(dirname "$(realpath "$(command -v swift)")")
command -v docc >/dev/null || PATH="$swift:$PATH"
command -v docc >/dev/null || die "docc is not beside swift"

python3 Tools/check_articles.py "${products[@]}"

maps=()
while read -r map; do maps+=(-Xcc "-fmodule-map-file=$map"); done < <(module_maps "$build")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
faulty=()
for product in "${products[@]}"; do
    mkdir -p "$work/$product" "$cache/docs"
    swift symbolgraph-extract -module-name "$product" -I "$build/Modules" -target "$(uname -m)-unknown-linux-gnu" \
        -minimum-access-level public -skip-synthesized-members "${maps[@]}" -output-dir "$work/$product" \
        || die "$product: its interface cannot be read"
    # What a product takes from other modules is documented there.
    rm -f "$work/$product/$product@"*
    rm -rf "${cache:?}/docs/$product"
    docc convert "Sources/$product/$product.docc" --additional-symbol-graph-dir "$work/$product" --fallback-display-name "$product" \
        --fallback-bundle-identifier "mafin.$product" --diagnostics-file "$work/$product.json" --output-path "$cache/docs/$product" \
        >"$work/log" 2>&1 || { cat "$work/log" >&2; die "$product: docc failed"; }
    python3 Tools/check_articles.py --diagnostics "$work/$product.json" || faulty+=("$product")
    say "$product: $(find "$cache/docs/$product/data" -name '*.json' | wc -l) pages in .cache/docs/$product"
done
[ "${#faulty[@]}" -eq 0 ] || die "the documentation has faults: ${faulty[*]}"
