#!/usr/bin/env bash
# Installs the static program with its completions, man pages and sample, and the C interface, below PREFIX (default: /usr/local).
#
#   Scripts/install.sh [PREFIX]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

prefix=${1:-/usr/local}
for file in mafin libMafinC.so; do [ -f ".build/static/$file" ] || die "there is no .build/static/$file; run 'make static' first"; done
mkdir -p "$prefix"/bin "$prefix"/lib "$prefix"/include "$prefix"/share/mafin || die "$prefix cannot be written; set PREFIX"
install -m 755 .build/static/mafin "$prefix/bin/mafin"
install -m 644 .build/static/libMafinC.so "$prefix/lib/libMafinC.so"
install -m 644 Sources/CMafin/include/mafin.h "$prefix/include/mafin.h"
Scripts/manual.sh "$prefix/bin/mafin" "$prefix/share"
rm -rf "$prefix/share/mafin/handbook"
cp -R Samples/handbook "$prefix/share/mafin/handbook"
say "installed mafin, its completions and man pages, and libMafinC.so with mafin.h below $prefix"
