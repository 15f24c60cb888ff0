#!/usr/bin/env bash
# Reconstructs an example clip and shows input and reconstruction side by side.
#
#   examples/demo.sh [CLIP [FOLDER]]
#
# Needs vtfilter and ffmpeg on the PATH. What VIDTWIN_MODEL names is used, else the bundled model.
set -euo pipefail
clip=${1:-$(dirname "$0")/../Tests/Fixtures/media/bunny.mp4}
folder=${2:-demo}
mkdir -p "$folder"

# The picture that the model sees: short side to 224, then the centre; time and sound are kept.
ffmpeg -v error -y -i "$clip" \
  -vf "scale=224:224:force_original_aspect_ratio=increase:flags=bicubic,crop=224:224" \
  -fps_mode passthrough -c:v rawvideo -pix_fmt rgb24 -c:a copy "$folder/input.nut"

# The pipeline of the README.
cat "$folder/input.nut" | vtfilter reconstruct | cat > "$folder/reconstruction.nut"

ffmpeg -v error -y -i "$folder/input.nut" -i "$folder/reconstruction.nut" \
  -filter_complex "[0:v][1:v]hstack,format=yuv420p[v]" -map "[v]" -map "1:a?" -fps_mode passthrough \
  -c:v libx264 -crf 18 -movflags +faststart "$folder/side-by-side.mp4"
psnr=$(ffmpeg -hide_banner -nostats -i "$folder/input.nut" -i "$folder/reconstruction.nut" \
  -lavfi "[0:v][1:v]psnr" -f null - 2>&1 | sed -n 's/.*PSNR.* average:\([0-9.]*\).*/\1/p')
rm "$folder/input.nut" "$folder/reconstruction.nut"
echo "input | reconstruction: $folder/side-by-side.mp4"
echo "PSNR $psnr dB over all frames of $(basename "$clip")"
