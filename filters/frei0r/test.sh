#!/usr/bin/env bash
# Tests the frei0r plug-in through the ffmpeg on the PATH.
#
#   filters/frei0r/test.sh FOLDER      with vidtwin.so; vtfilter on the PATH
set -Eeuo pipefail
trap 'echo "$0: line $LINENO failed" >&2' ERR
FREI0R_PATH=$(realpath "$1")
export FREI0R_PATH
root=$(realpath "$(dirname "$0")/../..")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
nano=$folder/nano  # options and filters are split at blanks
ln -s "$root/models/vidtwin-nano" "$nano"
unset VIDTWIN_MODEL
fail() { echo "frei0r: $*" >&2; exit 1; }
run() { ffmpeg -v error -nostdin -y "$@"; }
raw="-f rawvideo -pix_fmt rgb24 -s 224x224 -r 25"
plugin="format=rgba,frei0r=vidtwin:$nano|all|f32"
size=$((224 * 224 * 3))
run -f lavfi -i testsrc2=s=224x224:r=25:d=1.48 -pix_fmt rgb24 -f rawvideo in.rgb
# shellcheck disable=SC2086
{
  vtfilter reconstruct -q -f rawvideo -s 224x224 --pix-fmt rgb24 -r 25 --model "$nano" --precision f32 \
    < in.rgb > expected.rgb

  echo "- the same frames, 16 later; black before them"
  run $raw -i in.rgb -vf "$plugin" -pix_fmt rgb24 -f rawvideo out.rgb
  [ "$(stat -c %s out.rgb)" = $((37 * size)) ] || fail "not as many frames as in"
  cmp <(head -c $((16 * size)) out.rgb) <(head -c $((16 * size)) /dev/zero)
  cmp <(tail -c +$((16 * size + 1)) out.rgb) <(head -c $((21 * size)) expected.rgb)

  echo "- the recipe that gets the last ones back"
  run $raw -i in.rgb -vf "tpad=stop=16:stop_mode=clone,$plugin,trim=start_frame=16,setpts=PTS-STARTPTS" \
    -pix_fmt rgb24 -f rawvideo all.rgb
  cmp all.rgb expected.rgb

  echo "- parameters"
  vtfilter reconstruct -q -f rawvideo -s 224x224 --pix-fmt rgb24 -r 25 --model "$nano" --precision f32 \
    --part structure --overlap 5 < in.rgb > expected.rgb
  run $raw -i in.rgb -vf "tpad=stop=16:stop_mode=clone,format=rgba,frei0r=vidtwin:$nano|structure|f32|1|5,trim=start_frame=16" \
    -pix_fmt rgb24 -f rawvideo all.rgb
  # From frame 33 on, the stream's end is another one: there a clip of repeated frames fades in.
  [ "$(stat -c %s all.rgb)" = $((37 * size)) ]
  cmp -n $((33 * size)) all.rgb expected.rgb
  run $raw -i in.rgb -vf "format=rgba,frei0r=vidtwin" -pix_fmt rgb24 -f rawvideo out.rgb  # the bundled model
  cmp -s <(tail -c $size out.rgb) <(head -c $size /dev/zero) && fail "the last frame is black"

  echo "- errors: said once, and every frame magenta"
  magenta() {  # magenta TEXT FILTER
    ffmpeg -v error -nostdin -y $raw -i in.rgb -vf "$2" -frames:v 3 -pix_fmt rgb24 -f rawvideo bad.rgb 2> err
    [ "$(grep -cF -- "$1" err)" = 1 ] || { cat err >&2; fail "\"$1\" was to be said once"; }
    [ "$(od -An -v -tx1 -w3 bad.rgb | sort -u)" = " ff 00 ff" ] || fail "not magenta"
  }
  magenta "no model /nonexistent/model" "format=rgba,frei0r=vidtwin:/nonexistent/model"
  magenta "part: expected all" "format=rgba,frei0r=vidtwin:$nano|half"
  magenta "precision: expected auto" "format=rgba,frei0r=vidtwin:$nano|all|f16"
  magenta "threads: expected" "format=rgba,frei0r=vidtwin:$nano|all|f32|-1"
  magenta 'threads: expected a whole number, found "two"' "format=rgba,frei0r=vidtwin:$nano|all|f32|two"
  magenta 'overlap: expected a whole number, found "4.5"' "format=rgba,frei0r=vidtwin:$nano|all|f32|1|4.5"
  magenta 'overlap: expected a whole number' "format=rgba,frei0r=vidtwin:$nano|all|f32|1|99999999999999999999"
  magenta "overlap: expected 0 to 15" "format=rgba,frei0r=vidtwin:$nano|all|f32|0|16"
  magenta "224x224" "scale=320:240,format=rgba,frei0r=vidtwin:$nano,scale=224:224:flags=neighbor"
}

# hosted FILE: 37 frames of rgb24, 16 black ones and then 21 of overlap 4, threads 2, structure alone.
vtfilter reconstruct -q -f rawvideo -s 224x224 --pix-fmt rgb24 -r 25 --model "$nano" --precision f32 \
  --part structure --overlap 4 < in.rgb > expected.rgb
hosted() {
  [ "$(stat -c %s "$1")" = $((37 * size)) ] || fail "$1: not as many frames as in"
  cmp <(head -c $((16 * size)) "$1") <(head -c $((16 * size)) /dev/zero)
  cmp <(tail -c +$((16 * size + 1)) "$1") <(head -c $((21 * size)) expected.rgb)
}
export GST_REGISTRY=$folder/registry
if gst-inspect-1.0 frei0r-filter-vidtwin > inspected 2> /dev/null; then
  echo "- in GStreamer, all parameters"
  grep -A 2 '^  threads ' inspected | grep -q 'String. Default: "0"' || fail "GStreamer's threads is no text"
  gst-launch-1.0 -q filesrc location=in.rgb ! rawvideoparse format=rgb width=224 height=224 framerate=25/1 ! \
    videoconvert ! frei0r-filter-vidtwin model="$nano" part=structure precision=f32 threads=2 overlap=4 ! \
    videoconvert ! video/x-raw,format=RGB ! filesink location=gstreamer.rgb
  hosted gstreamer.rgb
else
  echo "- no GStreamer with frei0r here: NOT TESTED in it"
fi
if command -v melt > /dev/null; then
  echo "- in MLT, all parameters; threads by its number"
  # shellcheck disable=SC2086
  run $raw -i in.rgb -c:v ffv1 -pix_fmt bgr0 in.mkv
  printf '%s\n' description=model frame_rate_num=25 frame_rate_den=1 width=224 height=224 progressive=1 \
    sample_aspect_num=1 sample_aspect_den=1 display_aspect_num=1 display_aspect_den=1 colorspace=601 > profile
  melt -profile profile in.mkv -filter frei0r.vidtwin model="$nano" part=structure precision=f32 3=2 overlap=4 \
    -consumer avformat:melt.rgb real_time=-1 f=rawvideo vcodec=rawvideo pix_fmt=rgb24 mlt_image_format=rgb an=1 \
    > melt.log 2>&1 || { cat melt.log >&2; fail "melt failed"; }
  hosted melt.rgb
else
  echo "- no melt here: NOT TESTED in MLT"
fi
nm -D --defined-only "$FREI0R_PATH/vidtwin.so" | grep -q ' T f0r_update$'
readelf -d "$FREI0R_PATH/vidtwin.so" | grep -q NODELETE || fail "not linked with -z nodelete"
echo "the frei0r plug-in does what it should, with $(ffmpeg -version | head -n 1)"
