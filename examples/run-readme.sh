#!/usr/bin/env bash
# Runs the `sh` blocks of a Markdown file, one after the other, in a fresh folder that holds a clip
# named in.mp4. Blocks of another language (console, text, ...) are only shown. With a word, the blocks run that
# have it behind `sh`, and no others.
#
#   examples/run-readme.sh README.md [WORD]
set -euo pipefail
document=$(realpath "$1")
fence='```sh'${2:+ $2}
root=$(realpath "$(dirname "$0")/..")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp "$root/Tests/Fixtures/media/city.mp4" "$folder/in.mp4"
cat > "$folder/blocks.sh" << 'CHECK'
property() { # FILE ENTRIES
  ffprobe -v error -count_frames -select_streams v:0 -show_entries "$2" -of csv=p=0 "$1" | head -n 1 | tr -d ,
}
# Every video that the lines so far made has the clip's rate, its frames (or those that --frames asks
# for), and their duration.
checked() { # LINES
  local file frames rate seconds wanted
  while read -r file; do
    [ -s "$file" ] || continue
    rate=$(property "$file" stream=r_frame_rate)
    frames=$(property "$file" stream=nb_read_frames)
    seconds=$(property "$file" format=duration)
    wanted=$(sed -n "\\| ${file#./}|s/.*-frames\(:v\)\? \([0-9]*\) .*/\2/p" <<< "$1")
    wanted=${wanted:-$(property in.mp4 stream=nb_read_frames)}
    if [ "$rate" != "$(property in.mp4 stream=r_frame_rate)" ] || [ "$frames" != "$wanted" ] ||
      ! awk -v n="$frames" -v r="$rate" -v s="$seconds" \
        'BEGIN { split(r, q, "/"); d = s - n * q[2] / q[1]; exit !(d < 0.1 && d > -0.1) }'; then
      echo "$file: $frames frames, $rate frames/s, $seconds s; expected $wanted frames as in.mp4 has them" >&2
      exit 1
    fi
    videos=$((videos + 1))
  done < <(find . -newer made -regex '.*\.\(mp4\|mkv\|y4m\|nut\|mov\|avi\|ts\|webm\)')
  touch made
}
videos=0
touch -d @0 made
CHECK
awk -v fence="$fence" '$0 == fence { inside = 1; lines = ""; print "echo \"--- line " NR "\"" ; next }
     /^```/ { if (inside) print "checked \"$(cat <<'"'LINES'"'\n" lines "LINES\n)\""; inside = 0 }
     inside { print; lines = lines $0 "\n" }
     END { print "echo \"$videos videos have their rate, frames and duration\"" }' \
  "$document" >> "$folder/blocks.sh"
blocks=$(grep -c '^echo "--- line' "$folder/blocks.sh")
[ "$blocks" -gt 0 ] || { echo "no blocks $fence in $document" >&2; exit 1; }
(cd "$folder" && bash -euo pipefail blocks.sh < /dev/null)
echo "$blocks blocks of $(basename "$document") ran"
