#!/usr/bin/env bash
# Many clips through one process, whose memory stays as it is after the first ones; then 8 processes at
# once, which give the same bytes.
#
#   Tests/Failures/soak.sh VTFILTER [CLIPS]
set -Eeuo pipefail
trap 'echo "$0: line $LINENO failed" >&2' ERR
here=$(realpath "$(dirname "$0")") vtfilter=$(realpath "$1") clips=${2:-2000}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
model=$(realpath "$here/../Fixtures/goldens/tiny")
frames() { ffmpeg -v error -f lavfi -i "testsrc2=size=32x32:rate=25" -frames:v "$1" -f yuv4mpegpipe -pix_fmt yuv444p -; }
reconstruct() { "$vtfilter" reconstruct -q --model "$model" --fit stretch "$@"; }
memory() { awk '/^RssAnon/ { print $2 }' "/proc/$1/status" 2> /dev/null || true; }

per_clip=$("$vtfilter" info --model "$model" 2>&1 | grep -oE '[0-9]+ frames' | head -n 1 | grep -oE '[0-9]+')
mkfifo in
frames $((clips * per_clip)) > in &
"$vtfilter" reconstruct -q --model "$model" --fit stretch < in --progress progress > out.y4m.part 2> words &
process=$!
(while kill -0 $process 2> /dev/null; do sleep 0.05; done) &
first=0 most=0 samples=0
while kill -0 $process 2> /dev/null; do
  done_frames=$(grep -oE '^frame=[0-9]+' progress 2> /dev/null | tail -n 1 | cut -d = -f 2 || true)
  now=$(memory $process)
  if [ -n "$now" ] && [ "${done_frames:-0}" -gt $((clips * per_clip / 10)) ]; then
    [ $first != 0 ] || first=$now
    [ "$now" -le $most ] || most=$now
    samples=$((samples + 1))
  fi
  sleep 0.03
done
wait $process || { cat words >&2; exit 1; }
written=$(grep -ac '^FRAME' out.y4m.part || true)
[ $samples -ge 5 ] && [ $((most - first)) -lt 4096 ] ||
  { echo "soak: $first kB after a tenth, $most kB at most, $samples samples" >&2; exit 1; }
echo "soak: $clips clips, $first kB after a tenth of them, at most $((most - first)) kB more later ($samples samples)"
rm out.y4m.part

frames $((10 * per_clip)) > short.y4m
reconstruct -i short.y4m -o alone.y4m
for i in 1 2 3 4 5 6 7 8; do reconstruct -i short.y4m -o "$i.y4m" & processes[i]=$!; done
for i in 1 2 3 4 5 6 7 8; do
  wait "${processes[i]}"
  cmp alone.y4m "$i.y4m"
done
echo "8 processes at once: the same bytes"
