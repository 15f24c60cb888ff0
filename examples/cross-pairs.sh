#!/usr/bin/env bash
# Cross-reenacts pairs: each line of a file names the video of the structure and the one of the dynamics,
# separated by a tab, and after another one the output's name, where it is not to be made of theirs
# (STRUCTURE+DYNAMICS.mp4, without folders and endings). JOBS at a time; outputs that exist are skipped.
#
#   [JOBS=n] examples/cross-pairs.sh PAIRS_FILE OUT_FOLDER [vtfilter options]
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: $0 PAIRS_FILE OUT_FOLDER [vtfilter options]" >&2; exit 2; }
pairs=$1 out=$2
shift 2
stem() { local name=${1##*/}; printf %s "${name%.*}"; }
declare -A lines=()
jobs=() number=0
while IFS= read -r line || [ -n "$line" ]; do
  number=$((number + 1)) line=${line%$'\r'}
  [ -n "$line" ] || continue
  # A tab each: an empty field stays one.
  IFS=$'\x1f' read -r structure dynamics name rest <<< "${line//$'\t'/$'\x1f'}"
  [ -n "$structure" ] && [ -n "${dynamics:-}" ] && [ -z "${rest:-}" ] ||
    { echo "$pairs, line $number: expected two videos, and a name or none, with a tab between them" >&2; exit 2; }
  target=$out/${name:-$(stem "$structure")+$(stem "$dynamics").mp4}
  if [ "${lines[$target]:-}" ]; then
    printf '%s would be written twice, by lines %s and %s: give one a name of its own behind another tab\n' \
      "$target" "${lines[$target]}" $number >&2
    exit 2
  fi
  lines[$target]=$number
  [ -e "$target" ] || jobs+=("$structure" "$dynamics" "$target")
done < "$pairs"
[ ${#jobs[@]} -gt 0 ] || exit 0
printf '%s\0' "${jobs[@]}" | xargs -0 -n 3 -P "${JOBS:-1}" bash -c '
  options=("${@:1:$#-3}") structure=${*: -3:1} dynamics=${*: -2:1} target=${*: -1}
  mkdir -p "$(dirname "$target")" &&
    vtfilter cross-reenact --structure "$structure" --dynamics "$dynamics" -o "$target" "${options[@]}" ||
    { printf "failed: %s + %s\n" "$structure" "$dynamics" >&2; exit 1; }' cross "$@" || exit 1
