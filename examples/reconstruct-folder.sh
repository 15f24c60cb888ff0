#!/usr/bin/env bash
# Reconstructs every video of a folder. Outputs that exist are skipped, so a run that was
# interrupted goes on where it stopped; failures are listed at the end.
#
#   examples/reconstruct-folder.sh IN_FOLDER OUT_FOLDER [vtfilter options]
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: $0 IN_FOLDER OUT_FOLDER [vtfilter options]" >&2; exit 2; }
in=$1 out=$2
shift 2
mkdir -p "$out"
failed=()
while IFS= read -r -d '' file; do
  target="$out/$(basename "${file%.*}").mp4"
  [ -e "$target" ] && continue
  vtfilter reconstruct -i "$file" -o "$target" "$@" < /dev/null || failed+=("$file")
done < <(find "$in" -maxdepth 1 -type f \( -iname '*.mp4' -o -iname '*.mkv' -o -iname '*.mov' \
  -o -iname '*.webm' -o -iname '*.avi' \) -print0 | sort -z)
if [ ${#failed[@]} -gt 0 ]; then
  printf 'failed: %s\n' "${failed[@]}" >&2
  exit 1
fi
