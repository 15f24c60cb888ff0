#!/usr/bin/env bash
# Tests the vidtwin filter through an ffmpeg that has it.
#
#   filters/test.sh FFMPEG      with vtfilter on the PATH, and libvidtwin.so.1 where the loader looks
set -Eeuo pipefail
trap 'echo "$0: line $LINENO failed" >&2' ERR
ffmpeg=$(realpath "$1")
root=$(realpath "$(dirname "$0")/..")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
nano=$folder/nano tiny=$folder/tiny  # options and filters are split at blanks
ln -s "$root/models/vidtwin-nano" "$nano"
ln -s "$root/Tests/Fixtures/goldens/tiny" "$tiny"
unset VIDTWIN_MODEL
fail() { echo "filter: $*" >&2; exit 1; }
say() { echo "- $*"; }
run() { "$ffmpeg" -v error -nostdin -y "$@"; }
# Times, durations and sizes of the frames that ffmpeg writes; with the pixels' sums as the last column.
frames() { run "$@" -fps_mode passthrough -enc_time_base 1:1000 -f framemd5 - | sed '/^#/d'; }
times() { cut -d , -f 1-5; }
# refused TEXT ARGUMENTS...: ends with another status than 0, and says the text.
refused() {
  local text=$1; shift
  local status=0
  "$ffmpeg" -v error -nostdin -y "$@" > out 2> err || status=$?
  # FFmpeg 7 ends with its error's low byte; 128 and a few more are signals.
  [ "$status" != 0 ] && { [ "$status" -lt 124 ] || [ "$status" -gt 159 ]; } || { cat err >&2; fail "status $status for $*"; }
  grep -qF -- "$text" err || { cat err >&2; fail "no \"$text\" said for $*"; }
}
filter="vidtwin=model=$nano:precision=f32"
raw="-f rawvideo -pix_fmt rgb24 -s 224x224 -r 25"
sized="-f rawvideo -s 224x224 --pix-fmt rgb24 -r 25 --model $nano --precision f32 -q"

run -f lavfi -i testsrc2=s=224x224:r=25:d=1.48 -pix_fmt rgb24 -f rawvideo a.rgb
run -f lavfi -i mandelbrot=s=224x224:r=25 -frames:v 37 -pix_fmt rgb24 -f rawvideo b.rgb
[ "$(stat -c %s a.rgb)" = $((37 * 224 * 224 * 3)) ]
# shellcheck disable=SC2086
vtfilter reconstruct $sized < a.rgb > expected.rgb
# shellcheck disable=SC2086
same() {  # same EXPECTED ARGUMENTS...: the pixels that ffmpeg writes
  local expected=$1; shift
  run "$@" -f rawvideo out.rgb
  cmp "$expected" out.rgb || fail "other pixels than $expected: $*"
}

say "37 frames at a constant rate: times as in the input, pixels as vtfilter's"
# shellcheck disable=SC2086
{
  frames $raw -i a.rgb | times > before
  frames $raw -i a.rgb -vf "$filter" > after
  [ "$(wc -l < after)" = 37 ]
  diff before <(times < after) || fail "times changed"
  same expected.rgb $raw -i a.rgb -vf "$filter"
  same expected.rgb $raw -i a.rgb -vf "$filter:threads=3"
  "$ffmpeg" -v verbose -nostdin $raw -i a.rgb -frames:v 1 -vf "$filter:threads=3" -f null - 2>&1 |
    grep -q ', 3 threads' || fail "threads=3 is not heard"
}

say "37 frames at a variable rate: times and durations as in the input, pixels as before"
# shellcheck disable=SC2086
run $raw -i a.rgb -vf 'settb=1/1000,setpts=40*N+7*mod(N\,5)+100' -fps_mode passthrough \
  -enc_time_base 1:1000 -c:v rawvideo variable.nut
frames -i variable.nut | times > before
[ "$(cut -d , -f 3 before | sort -u | wc -l)" = 37 ]
frames -i variable.nut -vf "$filter" > after
diff before <(times < after) || fail "times changed"
same expected.rgb -i variable.nut -vf "$filter" -fps_mode passthrough -enc_time_base 1:1000

say "what belongs to a frame stays with it"
run -i variable.nut -vf "select=gte(scene\\,0),metadata=print:file=before" -enc_time_base 1:1000 -f null -
run -i variable.nut -vf "select=gte(scene\\,0),$filter,metadata=print:file=after" -enc_time_base 1:1000 -f null -
[ "$(grep -c scene_score after)" = 37 ]
diff before after || fail "metadata of frames changed"

say "options: overlap, part, seed, config and checkpoint, as vtfilter's"
# shellcheck disable=SC2086
{
  vtfilter reconstruct $sized --overlap 4 < a.rgb > overlap.rgb
  same overlap.rgb $raw -i a.rgb -vf "$filter:overlap=4"
  vtfilter reconstruct $sized --overlap 15 --frames 20 < a.rgb > overlap.rgb
  same overlap.rgb $raw -i a.rgb -vf "trim=end_frame=20,$filter:overlap=15"
  vtfilter reconstruct $sized --part structure < a.rgb > part.rgb
  same part.rgb $raw -i a.rgb -vf "$filter:part=structure"
  vtfilter reconstruct $sized --sample --seed 5 < a.rgb > seed.rgb
  same seed.rgb $raw -i a.rgb -vf "$filter:seed=5"
  same expected.rgb $raw -i a.rgb \
    -vf "vidtwin=config=$nano/config.yaml:checkpoint=$nano/model.safetensors:precision=f32"
  cmp -s seed.rgb expected.rgb && fail "sampled pixels are the mean's"
  for precision in bf16 int8; do
    [ "$(frames $raw -i a.rgb -vf "vidtwin=model=$nano:precision=$precision" | wc -l)" = 37 ]
  done
}

say "frames that lie upside down in memory; floats"
# shellcheck disable=SC2086
{
  run $raw -i a.rgb -vf vflip -f rawvideo flipped.rgb
  vtfilter reconstruct $sized < flipped.rgb > flipped-expected.rgb
  same flipped-expected.rgb $raw -i a.rgb -vf "vflip,$filter"
  run $raw -i a.rgb -vf "format=gbrpf32le,$filter,format=gbrpf32le" -f rawvideo floats.f32
  [ "$(stat -c %s floats.f32)" = $((37 * 224 * 224 * 3 * 4)) ]
  run -f rawvideo -pix_fmt gbrpf32le -s 224x224 -r 25 -i floats.f32 -pix_fmt rgb24 -f rawvideo floats.rgb
  off=$({ cmp -l floats.rgb expected.rgb || true; } | awk '
    function byte(octal) { return int(octal / 100) * 64 + int(octal / 10) % 10 * 8 + octal % 10 }
    { d = byte($2) - byte($3); if (d < -2 || d > 2) n++ } END { print n + 0 }')
  [ "$off" = 0 ] || fail "$off samples of the float path are off by more than 2"
  # 8-bit video stays in 8 bits
  same <(run $raw -i a.rgb -vf "format=yuv420p,format=rgb24,$filter" -f rawvideo -) \
    $raw -i a.rgb -vf "format=yuv420p,$filter"  -pix_fmt rgb24
}

say "early stop"
# shellcheck disable=SC2086
{
  frames $raw -i a.rgb -vf "$filter" | head -n 5 > before
  frames $raw -i a.rgb -vf "$filter" -frames:v 5 > after
  diff before after || fail "-frames:v 5 gives other frames"
  [ "$(frames -f lavfi -i testsrc2=s=224x224 -vf "$filter" -frames:v 5 | wc -l)" = 5 ]
}

say "no frame, one frame"
# shellcheck disable=SC2086
{
  [ "$(frames $raw -i a.rgb -vf "trim=end_frame=1,$filter" | wc -l)" = 1 ]
  [ "$(frames $raw -i a.rgb -vf "trim=start_frame=99,$filter" | wc -l)" = 0 ]
}

say "mode=cross: as vtfilter's, with the shorter input's length"
# shellcheck disable=SC2086
{
  run $raw -i a.rgb -c:v rawvideo a.nut
  run $raw -i b.rgb -c:v rawvideo b.nut
  for lengths in "37 37" "37 20" "20 37" "32 37" "37 32" "5 37" "37 5"; do
    read -r m n <<< "$lengths"
    run $raw -i a.rgb -frames:v "$m" -c:v rawvideo m.nut
    run $raw -i b.rgb -frames:v "$n" -c:v rawvideo n.nut
    vtfilter cross-reenact --structure m.nut --dynamics n.nut --model "$nano" --precision f32 -q \
      --output-format rawvideo --output-pix-fmt rgb24 > crossed.rgb
    count=$((m < n ? m : n))
    [ "$(stat -c %s crossed.rgb)" = $((count * 224 * 224 * 3)) ]
    same crossed.rgb -i m.nut -i n.nut -lavfi "[0:v][1:v]$filter:mode=cross"
  done
  frames -i variable.nut -i b.nut -lavfi "[0:v][1:v]$filter:mode=cross" > after
  diff <(frames -i variable.nut | times) <(times < after) || fail "times are not the structure's"
  [ "$(frames -i a.nut -i b.nut -lavfi "[0:v][1:v]$filter:mode=cross" -frames:v 5 | wc -l)" = 5 ]
}

say "errors end ffmpeg, in words"
# shellcheck disable=SC2086
{
  refused "no model /nonexistent/model" $raw -i a.rgb -vf vidtwin=model=/nonexistent/model -f null -
  refused "model.safetensors" $raw -i a.rgb -vf "vidtwin=config=$nano/config.yaml:checkpoint=$tiny/model.safetensors" -f null -
  refused "config alone" $raw -i a.rgb -vf "vidtwin=config=$nano/config.yaml" -f null -
  refused "overlap: expected 0 to 15 frames, found 16" $raw -i a.rgb -vf "$filter:overlap=16" -f null -
  refused "overlap" $raw -i a.rgb -vf "$filter:overlap=-1" -f null -
  refused "threads" $raw -i a.rgb -vf "$filter:threads=2000" -f null -
  refused "part" $raw -i a.rgb -vf "$filter:part=everything" -f null -
  refused "precision" $raw -i a.rgb -vf "vidtwin=precision=f16" -f null -
  refused "seed" $raw -i a.rgb -vf "$filter:seed=99999999999" -f null -
  refused "mode=cross has none" -i a.nut -i b.nut -lavfi "[0:v][1:v]$filter:mode=cross:overlap=2" -f null -
  refused "scale=224:224:force_original_aspect_ratio=increase,crop=224:224" \
    -f lavfi -i testsrc2=s=320x240:d=1 -vf "$filter" -f null -
  head -c $((224 * 224 * 12 * 3)) /dev/zero | tr '\0' '\377' > nan.f32
  refused "NaN" -f rawvideo -pix_fmt gbrpf32le -s 224x224 -r 25 -i nan.f32 -vf "$filter" -f null -
}
frames -f lavfi -i testsrc2=s=320x240:r=25:d=0.4 \
  -vf "scale=224:224:force_original_aspect_ratio=increase,crop=224:224,$filter" > after
[ "$(wc -l < after)" = 10 ]

if command -v valgrind > /dev/null; then
  say "valgrind: both modes, an early stop and an error, on a small model"
  check() {
    VIDTWIN_CPU=avx2 ONEDNN_MAX_CPU_ISA=AVX2 valgrind -q --error-exitcode=99 --leak-check=full \
      --show-leak-kinds=definite --errors-for-leak-kinds=definite "$ffmpeg" -v error -nostdin -y \
      -f lavfi -i testsrc2=s=64x64:r=25:d=1.48 -f lavfi -i testsrc=s=64x64:r=25:d=0.8 "$@" \
      -f null - > out 2>&1
  }
  small=vidtwin=model=$tiny:threads=2:precision=f32
  check -vf "$small" || { cat out >&2; fail "valgrind, reconstruct"; }
  check -lavfi "[0:v][1:v]$small:mode=cross" || { cat out >&2; fail "valgrind, cross"; }
  check -vf "$small:overlap=3" -frames:v 5 || { cat out >&2; fail "valgrind, early stop"; }
  status=0; check -vf "$small:overlap=16" || status=$?
  [ "$status" != 0 ] && [ "$status" != 99 ] || { cat out >&2; fail "valgrind, error"; }
else
  say "valgrind is not installed: NOT RUN"
fi
echo "the filter does what it should, with $("$ffmpeg" -version | head -n 1)"
