#!/usr/bin/env bash
# Reconstructs every video of a folder, with its sound, JOBS at a time (default 1), into the same folders
# below another: a/x.mp4 becomes a/x.mp4, a/x.mov becomes a/x.mov.mp4. Outputs that exist are skipped, so a run
# that was interrupted goes on where it stopped; failures are said, and files that are no videos counted.
# Links to folders are not followed. For latents of a set, and videos of them: vtfilter encode --data-dir and
# decode -o FOLDER/, which load the model once.
#
#   [JOBS=n] examples/reconstruct-folder.sh IN_FOLDER OUT_FOLDER [vtfilter options]
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: $0 IN_FOLDER OUT_FOLDER [vtfilter options]" >&2; exit 2; }
[ -d "$1" ] || { echo "$1: expected a folder" >&2; exit 2; }
in=$(realpath "$1") out=$(realpath -m "$2")
shift 2
case $out/ in "$in"/*) echo "$out: expected a folder that is not in $in, whose videos are read" >&2; exit 2 ;; esac
endings='3g2|3gp|asf|avi|divx|dv|f4v|flv|m1v|m2t|m2ts|m2v|m4v|mkv|mov|mp4|mpe?g|mts|mxf|nut|ogv|qt|rm|rmvb|ts|vob|webm|wmv|wtv|y4m'
declare -A sources=()
jobs=() there=0 others=0
while IFS= read -r -d '' video; do
  if ! [[ ${video,,} =~ \.($endings)$ ]]; then others=$((others + 1)); continue; fi
  case $video in *.mp4) target=$video ;; *) target=$video.mp4 ;; esac
  if [ "${sources[$target]:-}" ]; then
    printf '%s would be written twice: of %s and of %s\n' "$out/$target" "${sources[$target]}" "$video" >&2
    exit 2
  fi
  sources[$target]=$video
  if [ -e "$out/$target" ]; then there=$((there + 1)); continue; fi
  jobs+=("$in/$video" "$out/$target")
done < <(find "$in/" -xtype f -printf '%P\0' | LC_ALL=C sort -z)
echo "${#sources[@]} videos, $there of them done; $others other files" >&2
[ ${#jobs[@]} -gt 0 ] || exit 0
printf '%s\0' "${jobs[@]}" | xargs -0 -n 2 -P "${JOBS:-1}" bash -c '
  options=("${@:1:$#-2}") video=${*: -2:1} target=${*: -1}
  mkdir -p "$(dirname "$target")" && vtfilter reconstruct -i "$video" -o "$target" "${options[@]}" ||
    { printf "failed: %s\n" "$video" >&2; exit 1; }' reconstruct "$@" || exit 1
