#!/usr/bin/env bash
# Reconstructs every video of a folder, JOBS at a time (default 1), into the same folders below another:
# a/x.mp4 becomes a/x.mp4, a/x.mov becomes a/x.mov.mp4. Outputs that exist are skipped, so a run that was
# interrupted goes on where it stopped; failures are listed at the end.
#
#   [JOBS=n] examples/reconstruct-folder.sh IN_FOLDER OUT_FOLDER [vtfilter options]
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: $0 IN_FOLDER OUT_FOLDER [vtfilter options]" >&2; exit 2; }
. "$(dirname "$0")/batch.sh"
in=$1 out=$2
shift 2
mkdir -p "$out"
while IFS= read -r -d '' video; do
  target=$out/${video#"$in"/}
  case $target in *.mp4) ;; *) target+=.mp4 ;; esac
  batch_target "$target"
  [ -e "$target" ] && continue
  mkdir -p "$(dirname "$target")"
  batch_run "${JOBS:-1}" "$video" vtfilter reconstruct -i "$video" -o "$target" "$@"
done < <(batch_videos "$in")
batch_finish
