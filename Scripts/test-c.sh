#!/usr/bin/env bash
# Checks the shared library of the C interface as a program in C uses it: the samples in Samples/C are compiled against it and run; the static
# library, which has of ICU's data only the table of the DNS, gives the same vectors as the one that SwiftPM links; and a short run of the fuzzer.
#
#   Scripts/test-c.sh LIBRARY TOY [OTHER-LIBRARY]
#
#   LIBRARY   the library, such as .build/static/libMafinC.so
#   TOY       a folder with ART and INDEX; if it is not there, the tests of .build-test write it
set -euo pipefail
usage="usage: Scripts/test-c.sh LIBRARY TOY [OTHER-LIBRARY]"
library=$(realpath "${1:?$usage}")
toy=$(realpath -m "${2:?$usage}")
other=${3:+$(realpath "$3")}
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

Scripts/fetch-model.sh
if [ ! -d "$toy/INDEX" ]; then
    MAFIN_TOY_FOLDER="$toy" swift test --skip-build --disable-xctest -c release -Xswiftc -enable-testing --scratch-path .build-test \
        --filter InterfaceTests/aModelSaysWhatItIs >&2
fi
clang=$(dirname "$(realpath "$(command -v swiftc)")")/clang
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for sample in search encode; do
    "$clang" -std=c11 -D_GNU_SOURCE -Wall -Wextra -pedantic -Werror -I Sources/CMafin/include "Samples/C/$sample.c" "$library" \
        "-Wl,-rpath,$(dirname "$library")" -o "$work/$sample"
done

say "Samples/C/search"
"$work/search" "$toy/ART" "$toy/INDEX" "w5 w9" >"$work/found"
[ "$(grep -c '^[1-5]\. ' "$work/found")" = 5 ] || die "expected five results, found: $(cat "$work/found")"

# Accents in both normal forms, scripts without spaces, marks, full-width letters, emoji, letters that change their length in lower case.
cat >"$work/texts" <<'TEXTS'
how do statins work
Café crème brûlée à la carte, Ångström, naïve ÉCOLE
Café crème brûlée (decomposed), Ångström
日本語のテキスト、中文文本，한국어 텍스트
Ｆｕｌｌ　ｗｉｄｔｈ ﬁ ﬂ ½ № ™ ǆ ß ſ
मानक हिन्दी ไทย العربية עברית
😀 👩‍👩‍👧 🇩🇪 ‽ … “quotes” – dashes
İstanbul ıI ΑΣ ας
TEXTS
model="$cache/models/all-MiniLM-L6-v2"
say "Samples/C/encode"
"$work/encode" "$model" document <"$work/texts" >"$work/vectors"
[ "$(wc -l <"$work/vectors")" = 8 ] || die "expected eight vectors, found $(wc -l <"$work/vectors")"
if [ -n "$other" ]; then
    LD_PRELOAD=$other "$work/encode" "$model" document <"$work/texts" >"$work/others"
    cmp "$work/vectors" "$work/others" || die "$library and $other give different vectors"
fi
python=$(Scripts/python-environment.sh)
if [ -n "$python" ]; then
    "$python" - "$model" "$work" <<'PYTHON'
import sys

import numpy
from sentence_transformers import SentenceTransformer

model, work = sys.argv[1:]
texts = open(f"{work}/texts", encoding="utf-8").read().splitlines()
expected = SentenceTransformer(model, device="cpu").encode(texts, normalize_embeddings=True)
found = numpy.loadtxt(f"{work}/vectors", dtype=numpy.float32)
furthest = numpy.abs(found - expected).max()
print(f"furthest from sentence-transformers: {furthest:.1e}")
sys.exit(0 if furthest < 2e-5 else "error: the vectors are not those of sentence-transformers")
PYTHON
fi
Scripts/fuzz-c.sh "$library" "$toy" "${MAFIN_FUZZ_SECONDS:-10}" "${MAFIN_VALGRIND_RUNS:-0}"
say "the C interface works"
