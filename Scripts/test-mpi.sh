#!/usr/bin/env bash
# Trains on several processes with every MPI that is installed, and compares with one process: `make test-mpi`.
#
#   Scripts/test-mpi.sh [MAFIN]     the built program (default: .build-test/release/mafin)
#
# The losses of every step and the figures on dev must agree to 1e-5 with 1, 2, 3 and 4 processes, in each mode, and for an encoder whose
# layers are summed during the backward pass. A run whose rank is killed must be resumable with another number of processes, and give the
# losses of a run that was not interrupted.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

mafin=$(realpath "${1:-.build-test/release/mafin}")
[ -x "$mafin" ] || die "there is no $mafin; build it with 'make test-build'"
command -v mpirun.openmpi >/dev/null || command -v mpirun.mpich >/dev/null || apt_install openmpi-bin mpich

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 Tools/make_encoder_folder.py mean "$work/model"
python3 Tools/make_encoder_folder.py mean "$work/wide" 8
python3 Tools/compare_mpi_runs.py --mafin "$mafin" --folder "$work"
