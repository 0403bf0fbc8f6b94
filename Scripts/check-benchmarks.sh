#!/usr/bin/env bash
# Checks that the benchmarks compile, against the modules that `make test` built: in seconds, where building them would compile mafin again.
#
#   MAFIN_BUILD   the folder of built modules (default: .build-test/release)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

build=$(realpath "${MAFIN_BUILD:-.build-test/release}")
[ -d "$build/Modules" ] || die "there are no modules in $build; build them with 'make test-build'"

flags=(-I "$build/Modules" -swift-version 6 -package-name mafin-benchmarks)
while read -r map; do flags+=(-Xcc "-fmodule-map-file=$map"); done < <(module_maps "$build")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# CPeak has no map of its own; SwiftPM makes one.
printf 'module CPeak { umbrella "%s" export * }\n' "$PWD/Benchmarks/Sources/CPeak/include" >"$work/CPeak.modulemap"
flags+=(-Xcc "-fmodule-map-file=$work/CPeak.modulemap" -I "$work")
swiftc -emit-module -module-name BenchSupport -parse-as-library "${flags[@]}" -emit-module-path "$work/BenchSupport.swiftmodule" \
    Benchmarks/Sources/BenchSupport/*.swift
for folder in Benchmarks/Sources/Bench*/; do
    name=$(basename "$folder")
    [ "$name" != BenchSupport ] || continue
    swiftc -typecheck -module-name "$name" -parse-as-library "${flags[@]}" "$folder"*.swift || die "$name does not compile"
    say "$name compiles"
done
