#!/usr/bin/env bash
# SIGKILL at a random moment of everything that writes: the old file or the whole new one is there, and the
# next run leaves nothing but that. RANDOM_SEED makes the moments again.
#
#   Tests/Failures/kills.sh VTFILTER [KILLS]      of each writer
set -Eeuo pipefail
trap 'echo "$0: line $LINENO failed" >&2' ERR
here=$(realpath "$(dirname "$0")") vtfilter=$(realpath "$1") kills=${2:-100}
root=$(realpath "$here/../..")
RANDOM=${RANDOM_SEED:-$$}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir videos
cp "$root"/Tests/Fixtures/media/city.mp4 videos
ffmpeg -v error -i videos/city.mp4 -frames:v 48 -s 64x64 -c:v libx264 -threads 1 videos/small.mp4
rm videos/city.mp4
tiny=$root/Tests/Fixtures/goldens/tiny
cp -r "$tiny" model
# WRITER, its output, and its arguments.
writers=(
  "reconstruct out.mp4 --model model -i videos/small.mp4 -o work/out.mp4 -y"
  "encode out.tar --model model -i videos/small.mp4 -o work/out.tar -y"
  "convert out.safetensors model/model.safetensors --config model/config.yaml -o work/out.safetensors -y"
  "evaluate out.json --model model videos/small.mp4 --json work/out.json -y"
  "evaluate out.csv --model model videos/small.mp4 --csv work/out.csv -y"
  "prepare out.csv --data-dir videos -o work/out.csv -y"
)
clock() { date +%s%N; }
for writer in "${writers[@]}"; do
  read -r name output arguments <<< "$writer"
  # shellcheck disable=SC2086
  run() { "$vtfilter" $name -q $arguments > /dev/null 2> words; }
  rm -rf work && mkdir work
  start=$(clock)
  run || { cat words >&2; exit 1; }
  length=$((($(clock) - start) / 1000000))  # in ms
  cp "work/$output" reference
  old=0 new=0 left=0
  for ((kill = 0; kill < kills; kill++)); do
    echo old > "work/$output"
    # shellcheck disable=SC2086
    "$vtfilter" $name -q $arguments > /dev/null 2>&1 &
    process=$!
    milliseconds=$((RANDOM * (length + length / 5 + 2) / 32768))
    sleep "$((milliseconds / 1000)).$(printf %03d $((milliseconds % 1000)))"
    kill -9 $process 2> /dev/null || true
    wait $process 2> /dev/null || true
    if echo old | cmp -s - "work/$output"; then
      old=$((old + 1))
    elif cmp -s "work/$output" reference; then
      new=$((new + 1))
    else
      echo "$name, killed after $milliseconds ms: $output is neither the old file nor the whole new one" >&2
      exit 1
    fi
    [ "$(ls -A work | wc -l)" = 1 ] || left=$((left + 1))
  done
  run || { cat words >&2; exit 1; }
  cmp "work/$output" reference
  [ "$(ls -A work)" = "$output" ] || { echo "$name: the next run leaves $(ls -A work)" >&2; exit 1; }
  echo "$name to $output: $kills kills, $old times the old file, $new times the new one, $left temporary files, none after the next run"
done

# A run of training, that goes on after each kill to the checkpoint of one that nobody killed.
train() {
  "$vtfilter" train -b "$root/configs/vidtwin/vidtwin_small_training.yaml" --logdir "$1" --name run --steps 6 \
    --data-dir videos --seed 3 -q data.params.batch_size=1
}
start=$(clock)
train whole > /dev/null 2> words || { cat words >&2; exit 1; }
length=$((($(clock) - start) / 1000000))
killed=0
for ((kill = 0; kill < (kills + 3) / 4; kill++)); do
  rm -rf logs
  status=137 tries=0
  while [ $status = 137 ]; do
    resume=()
    for last in logs/*/checkpoints/last.ckpt; do [ -e "$last" ] && resume=(--resume "${last%/checkpoints/last.ckpt}"); done
    if [ ${#resume[@]} = 0 ]; then train logs > words 2>&1 & else "$vtfilter" train "${resume[@]}" -q > words 2>&1 & fi
    process=$! tries=$((tries + 1))
    milliseconds=$((RANDOM * length / 32768))
    if [ $tries -le 4 ]; then
      sleep "$((milliseconds / 1000)).$(printf %03d $((milliseconds % 1000)))"
      kill -9 $process 2> /dev/null && killed=$((killed + 1))
    fi
    status=0
    wait $process 2> /dev/null || status=$?
  done
  [ $status = 0 ] || { echo "train: status $status: $(head -c 500 words)" >&2; exit 1; }
  # A run that was killed before its first checkpoint stays beside the one that was begun anew.
  cmp whole/*/model.safetensors "${resume[1]:-$(ls -d logs/* | tail -n 1)}/model.safetensors"
  left=$(find logs -name '*.tmp' | wc -l)
  [ "$left" = 0 ] || { find logs -name '*.tmp' >&2; exit 1; }
done
echo "train: $killed kills, each run ended with the same weights, no temporary file left"
