#!/usr/bin/env bash
# Checks the sources against .swift-format; with --fix, rewrites them.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

action=(lint --strict)
[ "${1:-}" = --fix ] && action=(--in-place)

paths=(Package.swift Sources Tests Samples/SwiftClient)
[ -d Benchmarks ] && paths+=(Benchmarks)
exec swift format "${action[@]}" --recursive --parallel "${paths[@]}"
