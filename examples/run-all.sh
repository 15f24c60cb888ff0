#!/usr/bin/env bash
# Runs every example on the bundled clips and looks at what comes out.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
media=$(realpath "$here/../Tests/Fixtures/media")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# How many frames, where their rate and duration are those of a clip of these.
frames() {
  ffprobe -v error -count_frames -select_streams v:0 -of default=nw=1:nk=0 \
    -show_entries stream=nb_read_frames,r_frame_rate:format=duration "$1" |
    awk -F= '{ found[$1] = $2 }
      END {
        split(found["r_frame_rate"], rate, "/")
        n = found["nb_read_frames"]
        late = found["duration"] - n * rate[2] / rate[1]
        wrong = (rate[1] / rate[2] > 100 || late > 0.2 || late < -0.2)
        print (wrong ? "wrong times" : n)
      }'
}

bash "$here/demo.sh" "$media/bunny.mp4" "$folder/demo"
[ "$(frames "$folder/demo/side-by-side.mp4")" = 96 ]

bash "$here/reconstruct-folder.sh" "$media" "$folder/out" -q
[ "$(frames "$folder/out/city.mp4")" = 100 ] && [ "$(frames "$folder/out/bunny.mp4")" = 96 ]
before=$(stat -c %Y%i "$folder/out/city.mp4")
bash "$here/reconstruct-folder.sh" "$media" "$folder/out" -q  # finished outputs are skipped
[ "$before" = "$(stat -c %Y%i "$folder/out/city.mp4")" ]
[ -z "$(ls -A "$folder/out" | grep tmp)" ]
vtfilter encode -q --data-dir "$media" -o "$folder/latents/shard-%06d.tar"
[ "$(tar tf "$folder/latents/shard-000000.tar" | grep -c json)" = 13 ]
# With tarfile and with webdataset, which `make examples` installs.
python3 "$here/read_latents.py" "$folder/latents/shard-000000.tar" | tail -n 1 |
  grep -x "webdataset reads the same 13 samples"
# Videos of one name in two folders, and of one stem with two endings, are four.
mkdir -p "$folder/names/a" "$folder/names/b c"
for name in a/x.mp4 "b c/x.mp4" x.mov x.mp4; do
  ffmpeg -v error -f lavfi -i testsrc2=s=64x64:r=25:d=0.2 -pix_fmt yuv420p "$folder/names/$name"
done
JOBS=2 bash "$here/reconstruct-folder.sh" "$folder/names" "$folder/named" -q
[ "$(cd "$folder/named" && find . -type f | sort | tr '\n' ,)" = "./a/x.mp4,./b c/x.mp4,./x.mov.mp4,./x.mp4," ]
printf '%s\t%s\n%s\t%s\n' "$media/city.mp4" "$media/bunny.mp4" "$media/bunny.mp4" "$media/city.mp4" \
  > "$folder/pairs"
JOBS=2 bash "$here/cross-pairs.sh" "$folder/pairs" "$folder/crossed" -q
[ "$(frames "$folder/crossed/city+bunny.mp4")" = 96 ] && [ "$(frames "$folder/crossed/bunny+city.mp4")" = 96 ]
bash "$here/cross-pairs.sh" "$folder/pairs" "$folder/crossed" -q
# A last line without an end, and a name of its own.
printf '%s\t%s\tx/y.mp4' "$media/city.mp4" "$media/bunny.mp4" > "$folder/pairs"
bash "$here/cross-pairs.sh" "$folder/pairs" "$folder/crossed" -q --frames 20
[ "$(frames "$folder/crossed/x/y.mp4")" = 20 ]
printf 'a/x.mp4\ty.mp4\nb/x.mp4\ty.mp4\n' > "$folder/pairs"
if bash "$here/cross-pairs.sh" "$folder/pairs" "$folder/none" -q 2> "$folder/err"; then exit 1; fi
grep -q "x+y.mp4 would be written twice, by lines 1 and 2" "$folder/err"
printf 'a.mp4 b.mp4\n' > "$folder/pairs"
if bash "$here/cross-pairs.sh" "$folder/pairs" "$folder/none" 2> "$folder/err"; then exit 1; fi
grep -q "line 1: expected two videos" "$folder/err"
# Nothing is done where two would become one; an output among the inputs; a folder that is a link, with a slash.
touch "$folder/names/x.mov.mp4"
if bash "$here/reconstruct-folder.sh" "$folder/names" "$folder/none" -q 2> "$folder/err"; then exit 1; fi
grep -q "x.mov.mp4 would be written twice: of x.mov and of x.mov.mp4" "$folder/err" && [ ! -e "$folder/none" ]
rm "$folder/names/x.mov.mp4"
if bash "$here/reconstruct-folder.sh" "$folder/names" "$folder/names/out" -q 2> "$folder/err"; then exit 1; fi
ln -s names "$folder/link"; ln -s ../names/x.mov "$folder/names/z.TS"; echo words > "$folder/names/notes.txt"
(cd "$folder" && bash "$here/reconstruct-folder.sh" link/ linked -q --frames 3 2> err)
grep -qx "5 videos, 0 of them done; 1 other files" "$folder/err"
[ "$(cd "$folder/linked" && find . -type f | sort | tr '\n' ,)" = "./a/x.mp4,./b c/x.mp4,./x.mov.mp4,./x.mp4,./z.TS.mp4," ]
mkdir "$folder/broken" && echo "no video" > "$folder/broken/a.mp4"
if bash "$here/reconstruct-folder.sh" "$folder/broken" "$folder/none" -q 2> "$folder/err"; then
  echo "a broken video went unnoticed" >&2
  exit 1
fi
grep -q "failed: .*a.mp4" "$folder/err"
printf 'missing.mp4\t%s\n' "$media/city.mp4" > "$folder/pairs"
if bash "$here/cross-pairs.sh" "$folder/pairs" "$folder/crossed" -q 2> "$folder/err"; then exit 1; fi
grep -q "failed: missing.mp4" "$folder/err"
echo "all examples ran"
