#!/usr/bin/env bash
# Makes vidtwin-nano anew: material, clips, training, packing, figures. Everything that is finished is left as it
# is, and a training that was stopped goes on.
#
#   models/vidtwin-nano/recipe.sh WORK [BATCHES]
#
# WORK needs 3 GB; the network is asked for Debian's and Python's packages that CARD.md names. Needs
# vtfilter (make build), ffmpeg, python3 with numpy, Pillow and safetensors.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
work=$(realpath -m "$1")
batches=${2:-1500}
vtfilter=${VTFILTER:-$here/../../.build/release/vtfilter}
vtfilter=$(command -v "$vtfilter")
mkdir -p "$work"
cd "$work"

[ -e DATA/train ] || python3 "$here/material/fetch_natural.py" "$here/material/manifest.tsv" DATA train
[ -e DATA/photo ] || python3 "$here/material/fetch_photos.py" DATA/photo
[ -e CLIPS/train.csv ] || python3 "$here/material/make_clips.py" DATA CLIPS
"$vtfilter" prepare --data-dir CLIPS -o looked-through.csv -y

run=$(ls -d logs/*_nano 2>/dev/null | tail -1 || true)
if [ -n "$run" ]; then
  "$vtfilter" train --resume "$run" --steps "$batches"
else
  "$vtfilter" train -b "$here/training.yaml" --name nano --steps "$batches"
  run=$(ls -d logs/*_nano | tail -1)
fi

mkdir -p vidtwin-nano
cp "$here/config.yaml" "$here/CARD.md" vidtwin-nano/
python3 "$here/pack.py" "$run/model.safetensors" vidtwin-nano/model.safetensors

# The card's tables: held-back clips, and the example clips, which no training saw.
measure() { "$vtfilter" evaluate -q -y --model "$work/vidtwin-nano" "$@" > /dev/null; }
for precision in f32 bf16 int8; do
  measure --precision $precision --data-dir CLIPS --meta CLIPS/validation.csv --sample-fps 15 --frames 16 \
    --json validation.$precision.json
  measure --precision $precision --data-dir "$here/../../Tests/Fixtures/media" --frames 64 --json examples.$precision.json
done
python3 "$here/card.py" vidtwin-nano/CARD.md .
sed -n '/<!-- figures -->/,/<!-- .figures -->/p' vidtwin-nano/CARD.md
