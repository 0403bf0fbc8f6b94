#!/usr/bin/env bash
# Runs the kernels of instruction sets that this machine lacks, with those instructions in C (immintrin.h): their tiles, strides, masks and
# edges are tested, their instructions are not. With clang for arm64, its C library and qemu-user, NEON's kernels run under QEMU too.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
kernels=$here/../../Sources/CMafinKernels
clang=${CLANG:-clang}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sources=(cpu gemm_epilogue gemm_bfloat16 gemm_bfloat16_avx512 gemm_bfloat16_amx gemm_int8 gemm_int8_avx2 gemm_int8_avx_vnni
    gemm_int8_avx512 gemm_int8_amx gemm_neon byte_bounds kernel_check thread_memory)
files=("${sources[@]/%/.c}")

echo "== x86-64 with emulated instructions"
"$clang" -O2 -Wno-psabi -DMAFIN_EMULATED -I "$here" -I "$kernels/include" -I "$kernels" -o "$work/emulated" "$here/main.c" \
    "${files[@]/#/$kernels/}" -lm -lpthread
"$work/emulated"

if command -v qemu-aarch64 > /dev/null && [ -d /usr/aarch64-linux-gnu/include ]; then
    echo "== arm64 under QEMU"
    for file in "${files[@]/#/$kernels/}" "$here/main.c"; do
        "$clang" --target=aarch64-linux-gnu -O2 -I /usr/aarch64-linux-gnu/include -I "$kernels/include" -I "$kernels" -c "$file" \
            -o "$work/$(basename "$file" .c).o"
    done
    aarch64-linux-gnu-gcc "$work"/*.o -o "$work/arm" -lm -lpthread
    qemu-aarch64 -L /usr/aarch64-linux-gnu -cpu max "$work/arm"
fi
