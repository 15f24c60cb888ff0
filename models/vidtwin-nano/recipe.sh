#!/usr/bin/env bash
# Makes vidtwin-nano anew: material, clips, training, packing. Everything that is finished is left as it
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
cp "$here/config.yaml" vidtwin-nano/
python3 "$here/pack.py" "$run/model.safetensors" vidtwin-nano/model.safetensors
"$vtfilter" evaluate --model "$work/vidtwin-nano" --data-dir CLIPS --meta CLIPS/validation.csv --sample-fps 15
