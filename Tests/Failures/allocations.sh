#!/usr/bin/env bash
# Each request for memory, and for a thread, fails in turn while vtfilter reconstructs a clip, and while
# a program does with the C library: every outcome is a status with words, and nothing is left but the
# old output or a whole new one.
#
#   Tests/Failures/allocations.sh VTFILTER PREFIX [RUNS]      RUNS: of about so many requests, spread evenly
set -Eeuo pipefail
trap 'echo "$0: line $LINENO failed" >&2' ERR
here=$(realpath "$(dirname "$0")") vtfilter=$(realpath "$1") runs=${3:-1000000}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
ln -s "$(realpath "$2")" "$folder/prefix"
prefix=$folder/prefix  # flags of pkg-config are split at blanks
${CC:-gcc} -std=gnu11 -O1 -Wall -Wextra -Werror -shared -fPIC "$here/fail.c" -o "$folder/fail.so" -ldl
export SWIFT_BACKTRACE=enable=no
unset VIDTWIN_MODEL
mkdir "$folder/work"
cd "$folder/work"
ffmpeg -v error -i "$here/../Fixtures/media/city.mp4" -f lavfi -i sine=duration=0.8 -t 0.8 \
  -c:v libx264 -threads 1 -c:a mp2 ../in.mp4
# Not aac: that encoder of FFmpeg 5.1 does not look whether it got memory for its predictor.
vtfilter() {
  timeout 60 env LD_PRELOAD="$folder/fail.so" "$vtfilter" reconstruct -q -y --threads 2 \
    --acodec ac3 -i ../in.mp4 -o out.mp4
}
FAIL_COUNT=$folder/count vtfilter
read -r requests threads < ../count
cp out.mp4 ../old.mp4
# Packets of video and of sound; 0 where that cannot be read.
packets() {
  local found
  found=$(ffprobe -v error -count_packets -show_entries stream=nb_read_packets -of csv=p=0 "$1" 2> /dev/null) || true
  found=$(grep -Eo '[0-9]+' <<< "$found") || true
  echo ${found:-0}
}
whole=$(packets ../old.mp4)
[[ $whole =~ ^20\ [0-9]+$ ]]
declare -A outcomes
bad=0
attempt() {  # attempt WHAT NUMBER, with its variable set
  local status=0
  cp ../old.mp4 out.mp4
  vtfilter 2> ../words || status=$?
  local left=$(ls -A | grep -vcx out.mp4 || true)
  case $status in
    0) [ "$(packets out.mp4)" = "$whole" ] || status='0 without all packets' ;;
    # Frames that came before a fault while reading are written; any other one leaves the old file.
    1 | 3 | 4)
      [ -s ../words ] || status="$status without words"
      cmp -s out.mp4 ../old.mp4 || [[ $(packets out.mp4) =~ ^[1-9] ]] || status="$status and a file that is not whole" ;;
  esac
  if [[ ! $status =~ ^[0134]$ ]] || [ "$left" != 0 ] || grep -q 'Fatal error' ../words; then
    echo "$1 $2: status $status, $left files left: $(head -c 300 ../words)" >&2
    bad=$((bad + 1))
    find . -type f ! -name out.mp4 -delete
  fi
  outcomes[$status]=$((${outcomes[$status]:-0} + 1))
}
step=$(((requests + runs - 1) / runs))
for ((n = 1; n <= requests; n += step)); do FAIL_AT=$n attempt request "$n"; done
for ((n = 1; n <= threads; n++)); do FAIL_THREAD=$n attempt thread "$n"; done
report="vtfilter: of $requests requests of a page or more, every ${step}th, and $threads threads, each failed once:"
for status in "${!outcomes[@]}"; do report+=" status $status ${outcomes[$status]} times,"; done
echo "${report%,}"
[ $bad = 0 ] && [ "${outcomes[1]:-0}" -gt 0 ]

# shellcheck disable=SC2046
${CC:-gcc} -std=gnu11 -O1 -g -Wall -Wextra -Werror "$here/library_test.c" -o ../library_test \
  $(PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config --cflags --libs vidtwin) "-Wl,-rpath,$prefix/lib"
model=$here/../Fixtures/goldens/tiny
FAIL_COUNT=$folder/count LD_PRELOAD=$folder/fail.so ../library_test "$model"
read -r requests threads < ../count
step=$(((requests + runs - 1) / runs)) refused=0
for ((n = 1; n <= requests; n += step)); do
  status=0
  FAIL_AT=$n LD_PRELOAD=$folder/fail.so ../library_test "$model" 2> ../words || status=$?
  [ $status -le 1 ] || { echo "library, request $n: $status: $(head -c 300 ../words)" >&2; exit 1; }
  refused=$((refused + status))
done
[ $refused -gt 0 ]
echo "library: of $requests requests, every ${step}th failed once: $refused times a status, then again and well"
