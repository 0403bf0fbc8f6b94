#!/usr/bin/env bash
# Calls the C interface with random bytes (Tools/fuzz/fuzz_mafin.c): with libFuzzer for some seconds, then under valgrind. Every buffer ends at a
# page that may not be touched.
#
#   Scripts/fuzz-c.sh LIBRARY TOY [SECONDS] [RUNS]
#
#   LIBRARY   .build/static/libMafinC.so or .build/release/libMafinC.so
#   TOY       a folder with ART and INDEX, as the tests write them: MAFIN_TOY_FOLDER=TOY make test ARGS="--filter MafinCTests"
#   SECONDS   of libFuzzer (default: 60)
#   RUNS      under valgrind (default: 300; 0 skips it)
set -euo pipefail
library=$(realpath "${1:?usage: Scripts/fuzz-c.sh LIBRARY TOY [SECONDS] [RUNS]}")
toy=$(realpath "${2:?usage: Scripts/fuzz-c.sh LIBRARY TOY [SECONDS] [RUNS]}")
seconds=${3:-60}
runs=${4:-300}
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

clang=$(dirname "$(realpath "$(command -v swiftc)")")/clang
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Damaged files are tried on a copy.
cp -R "$toy/ART" "$toy/INDEX" "$work"
export MAFIN_TOY_FOLDER="$work" MAFIN_FUZZ_FILES=1
flags=(-std=gnu11 -g -O1 -Wall -Wextra -Werror -I Sources/CMafin/include Tools/fuzz/fuzz_mafin.c "$library" "-Wl,-rpath,$(dirname "$library")")

"$clang" -fsanitize=fuzzer -DWITH_LIBFUZZER "${flags[@]}" -o "$work/fuzz"
say "libFuzzer for $seconds s"
mkdir "$work/found"
if ! (cd "$work/found" && ../fuzz -max_len=512 -len_control=0 -timeout=60 -rss_limit_mb=4096 -max_total_time="$seconds" -print_final_stats=1) \
    >"$work/log" 2>&1; then
    tail -n 40 "$work/log" >&2
    mkdir -p .build/fuzz && cp "$work"/found/* .build/fuzz/ 2>/dev/null || true
    die "the fuzzer found a fault; its input is in .build/fuzz"
fi
grep "number_of_executed_units" "$work/log"

"$clang" "${flags[@]}" -o "$work/random"
"$work/random" 20000 7
[ "$runs" -gt 0 ] || exit 0
command -v valgrind >/dev/null || apt_install valgrind
say "$runs runs under valgrind"
# AVX2 is the most that valgrind knows; the kernels find that out from the processor that it shows them. Threads of libdispatch live on.
valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite \
    --suppressions=Tools/fuzz/valgrind.supp "$work/random" "$runs" 3
say "no fault found"
