#!/usr/bin/env bash
# Writes shell completions and man pages of a built program into a folder, in the places below PREFIX/share where shells and man look.
#
#   Scripts/manual.sh PROGRAM FOLDER
set -euo pipefail
program=$(realpath "${1:?usage: Scripts/manual.sh PROGRAM FOLDER}")
share=$(realpath -m "${2:?usage: Scripts/manual.sh PROGRAM FOLDER}")
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

mkdir -p "$share"/bash-completion/completions "$share"/zsh/site-functions "$share"/fish/vendor_completions.d "$share"/man/man1
"$program" --generate-completion-script bash >"$share/bash-completion/completions/mafin"
"$program" --generate-completion-script zsh >"$share/zsh/site-functions/_mafin"
"$program" --generate-completion-script fish >"$share/fish/vendor_completions.d/mafin.fish"
"$program" --experimental-dump-help | python3 Scripts/man_pages.py "$share/man/man1"
