#!/usr/bin/env bash
# Builds a program in release mode: .build/release/PROGRAM. Before the first build it says how long that takes.
#
#   Scripts/build.sh PROGRAM      mafin, or mafin-demo: the demo alone, without its network parts
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

program=${1:?usage: Scripts/build.sh PROGRAM}
case $program in
mafin-demo) what="the demo, without network parts: about 6 min" ;;
*) what="$program: about 20 min" ;;
esac

[ -x ".build/release/$program" ] || say "building $what on two cores, once"
exec swift build -c release --product "$program"
