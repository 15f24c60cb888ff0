#!/usr/bin/env bash
# Limits on address space, from what the program starts with to what training needs: it ends with a status and
# words, and leaves no unfinished file. (For reconstruct, MemoryLimitTests does it.)
#
# Limits that end it wrongly may be a few kilobytes wide: each run takes others, one at random from each step.
#
#   Tests/Failures/limits.sh VTFILTER [STEP]      STEP: megabytes from one limit to the next
set -Eeuo pipefail
trap 'echo "$0: line $LINENO failed" >&2' ERR
here=$(realpath "$(dirname "$0")") vtfilter=$(realpath "$1") step=${2:-20}
root=$(realpath "$here/../..")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export SWIFT_BACKTRACE=enable=no
cd "$folder"
mkdir videos
cp "$here/../Fixtures/media/city.mp4" videos
train() {
  "$vtfilter" train -q -b "$root/configs/vidtwin/vidtwin_nano_training.yaml" --data-dir videos --steps 2 \
    --no-test model.params.ckpt_path="$root/models/vidtwin-nano/model.safetensors"
}
declare -A outcomes=()
bad=0 enough=0
for ((limit = 300; limit <= 3000 && enough < 3; limit += step)); do
  rm -rf logs
  status=0 kilobytes=$((limit * 1000 + SRANDOM % (step * 1000)))
  (ulimit -v $kilobytes; train) 2> words || status=$?
  left=$(find . -name '*tmp*' | wc -l)
  case $status in
    0) enough=$((enough + 1)) ;;
    1 | 3 | 4) [ -s words ] || status="$status without words" ;;
    127) continue ;;  # the loader of libraries found no room
  esac
  if [[ ! $status =~ ^[0134]$ ]] || [ "$left" != 0 ] || grep -q 'Fatal error' words; then
    echo "train with $kilobytes kB: status $status, $left files left: $(head -c 300 words)" >&2
    bad=$((bad + 1))
  fi
  outcomes[$status]=$((${outcomes[$status]:-0} + 1))
done
report="train with 300 to $limit MB of address space:"
for status in "${!outcomes[@]}"; do report+=" status $status ${outcomes[$status]} times,"; done
echo "${report%,}"
[ $bad = 0 ] && [ "$enough" -gt 0 ] && [ "${outcomes[1]:-0}" -gt 0 ]
