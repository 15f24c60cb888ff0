#!/usr/bin/env bash
# Cross-reenacts pairs: each line of a file names the video of the structure and the one of the
# dynamics, separated by a tab, and after another one the output's name, if it is not to be made of theirs.
# JOBS at a time; outputs that exist are skipped.
#
#   [JOBS=n] examples/cross-pairs.sh PAIRS_FILE OUT_FOLDER [vtfilter options]
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: $0 PAIRS_FILE OUT_FOLDER [vtfilter options]" >&2; exit 2; }
. "$(dirname "$0")/batch.sh"
pairs=$1 out=$2
shift 2
mkdir -p "$out"
while IFS=$'\t' read -r structure dynamics name; do
  [ -n "$structure" ] || continue
  target="$out/${name:-$(basename "${structure%.*}")+$(basename "${dynamics%.*}").mp4}"
  batch_target "$target"
  [ -e "$target" ] && continue
  batch_run "${JOBS:-1}" "$structure + $dynamics" vtfilter cross-reenact \
    --structure "$structure" --dynamics "$dynamics" -o "$target" "$@"
done < "$pairs"
batch_finish
