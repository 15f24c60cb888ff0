#!/usr/bin/env bash
# Builds and runs the programs that embed VidTwin: in C, in Swift, in Python; all give the frames that
# vtfilter gives.
#
#   examples/run-embedding.sh PREFIX SCRATCH    where libvidtwin is, and where Swift builds
set -Eeuo pipefail
trap 'echo "$0: line $LINENO failed" >&2' ERR
here=$(realpath "$(dirname "$0")")
scratch=$(realpath -m "$2")
clip=$here/../Tests/Fixtures/media/bunny.mp4
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
ln -s "$(realpath "$1")" "$folder/prefix"
ln -s "$(realpath "$here/../models/vidtwin-nano")" "$folder/nano"
prefix=$folder/prefix nano=$folder/nano  # flags and options are split at blanks
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig LD_LIBRARY_PATH=$prefix/lib
cd "$folder"
to_raw="-frames:v 37 -vf scale=224:224 -pix_fmt rgb24 -f rawvideo"
# shellcheck disable=SC2086
ffmpeg -v error -i "$clip" $to_raw in.rgb
raw="-q --model $nano -f rawvideo -s 224x224 --pix-fmt rgb24 -r 25"

# C: y4m through the shell's pipes, like any other program.
# shellcheck disable=SC2046
cc -std=c99 -O2 -Wall -Wextra -Werror "$here/reconstruct.c" $(pkg-config --cflags --libs vidtwin) -o reconstruct
ffmpeg -v error -i "$clip" -frames:v 37 -vf scale=224:224 -pix_fmt yuv444p -f yuv4mpegpipe - > in.y4m
./reconstruct < in.y4m > out.y4m
vtfilter reconstruct -q --model "$nano" < in.y4m > expected.y4m
[ "$(stat -c %s out.y4m)" = "$(stat -c %s in.y4m)" ] || { echo "C: other frames out than in" >&2; exit 1; }
psnr=$(ffmpeg -i out.y4m -i expected.y4m -lavfi psnr -f null - 2>&1 | sed -n 's/.*average:\([0-9.]*\).*/\1/p')
awk "BEGIN { exit !($psnr > 35) }" || { echo "C: $psnr dB beside vtfilter" >&2; exit 1; }
if ./reconstruct /nonexistent < in.y4m 2> err; then echo "C: no model, no error" >&2; exit 1; fi
grep -q /nonexistent err
echo "C: 37 frames, $psnr dB beside vtfilter (two conversions of colour)"

# Python
# shellcheck disable=SC2086
vtfilter reconstruct $raw < in.rgb > expected.rgb
python3 - <<'P'
import numpy as np
np.save("in.npy", np.fromfile("in.rgb", np.uint8).reshape(-1, 224, 224, 3))
P
python3 "$here/reconstruct_numpy.py" in.npy out.npy
python3 - <<'P'
import numpy as np
expected = np.fromfile("expected.rgb", np.uint8).reshape(-1, 224, 224, 3)
assert len(expected) == 37 and np.array_equal(np.load("out.npy"), expected)
print("Python: 37 frames, the bytes of vtfilter")
P

# Swift
swift build -c release --package-path "$here/swift" --scratch-path "$scratch" > build.log 2>&1 ||
  { cat build.log >&2; exit 1; }
"$scratch/release/ReconstructRaw" "$nano" < in.rgb > out.rgb
# shellcheck disable=SC2086
vtfilter reconstruct $raw --precision f32 < in.rgb > expected.rgb
cmp out.rgb expected.rgb
echo "Swift: 37 frames, the bytes of vtfilter"
