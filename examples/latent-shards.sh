#!/usr/bin/env bash
# Turns a set of videos into WebDataset shards of latents: one tar a video, then SHARD_SIZE of them
# (default 100) joined into OUT_FOLDER/shard-000000.tar and so on. JOBS at a time; resumable.
#
#   [JOBS=n] [SHARD_SIZE=n] examples/latent-shards.sh IN_FOLDER OUT_FOLDER [vtfilter options]
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: $0 IN_FOLDER OUT_FOLDER [vtfilter options]" >&2; exit 2; }
. "$(dirname "$0")/batch.sh"
in=$1 out=$2
shift 2
mkdir -p "$out/videos"
number=0
while IFS= read -r video; do
  # Two videos may have one name, in different folders: a number keeps their samples apart.
  name=$(printf '%06d_%s' "$number" "$(basename "${video%.*}")")
  number=$((number + 1))
  [ -e "$out/videos/$name.tar" ] && continue
  batch_run "${JOBS:-1}" "$video" \
    vtfilter encode -i "$video" -o "$out/videos/$name.tar" --name "$name" "$@"
done < <(batch_videos "$in")
status=0
batch_finish || status=1
# Tar streams can be joined as they are; the shards are made anew, in the order of the videos.
shard=0
mapfile -t tars < <(find "$out/videos" -name '*.tar' | sort)
for ((first = 0; first < ${#tars[@]}; first += ${SHARD_SIZE:-100})); do
  target=$(printf '%s/shard-%06d.tar' "$out" "$shard")
  for tar in "${tars[@]:first:${SHARD_SIZE:-100}}"; do head -c -1024 "$tar"; done > "$target.tmp"
  head -c 1024 /dev/zero >> "$target.tmp"
  mv "$target.tmp" "$target"
  shard=$((shard + 1))
done
exit $status
