#!/usr/bin/env bash
# Runs the `sh` blocks of a Markdown file, one after the other, in a fresh folder that holds a clip
# named in.mp4. Blocks of another language (console, text, ...) are only shown.
#
#   examples/run-readme.sh README.md
set -euo pipefail
document=$(realpath "$1")
root=$(realpath "$(dirname "$0")/..")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp "$root/Tests/Fixtures/media/city.mp4" "$folder/in.mp4"
awk '/^```sh$/ { inside = 1; print "echo \"--- line " NR "\"" ; next }
     /^```/ { inside = 0 }
     inside { print }' "$document" > "$folder/blocks.sh"
blocks=$(grep -c '^echo "--- line' "$folder/blocks.sh")
[ "$blocks" -gt 0 ] || { echo "no sh blocks in $document" >&2; exit 1; }
(cd "$folder" && bash -euo pipefail blocks.sh < /dev/null)
echo "$blocks blocks of $(basename "$document") ran"
