#!/usr/bin/env bash
# Runs every example on the bundled clips and looks at what comes out.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
media=$(realpath "$here/../Tests/Fixtures/media")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
frames() {
  ffprobe -v error -count_packets -select_streams v -show_entries stream=nb_read_packets \
    -of csv=p=0 "$1"
}

bash "$here/demo.sh" "$media/bunny.mp4" "$folder/demo"
[ "$(frames "$folder/demo/side-by-side.mp4")" = 96 ]

bash "$here/reconstruct-folder.sh" "$media" "$folder/out" -q
[ "$(frames "$folder/out/city.mp4")" = 100 ] && [ "$(frames "$folder/out/bunny.mp4")" = 96 ]
before=$(stat -c %Y%i "$folder/out/city.mp4")
bash "$here/reconstruct-folder.sh" "$media" "$folder/out" -q  # finished outputs are skipped
[ "$before" = "$(stat -c %Y%i "$folder/out/city.mp4")" ]
mkdir "$folder/broken" && echo "no video" > "$folder/broken/a.mp4"
if bash "$here/reconstruct-folder.sh" "$folder/broken" "$folder/none" -q 2> "$folder/err"; then
  echo "a broken video went unnoticed" >&2
  exit 1
fi
grep -q "failed: .*a.mp4" "$folder/err"
echo "all examples ran"
