#!/usr/bin/env bash
# What docs/TRAINING.md promises, in a short form: a small model from scratch overfits one clip, and
# fine-tuning the bundled model raises its PSNR on the example clips.
#
#   Tests/Training/learns.sh REPOSITORY
set -euo pipefail
root=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir one videos
cp "$root/Tests/Fixtures/media/city.mp4" one
cp "$root"/Tests/Fixtures/media/*.mp4 videos

vtfilter train -b "$root/configs/vidtwin/vidtwin_small_training.yaml" --logdir scratch \
  --data-dir one --val-data-dir one --steps 600 lightning.trainer.val_check_interval=600 -q
reached=$(sed -n 's/.*"val\/psnr": \([0-9.]*\).*/\1/p' scratch/*/metrics.jsonl | tail -1)
echo "from scratch, one clip, 600 batches: $reached dB"
awk -v p="$reached" 'BEGIN { exit !(p > 26) }'

mean() { vtfilter evaluate --data-dir videos --frames 64 --model "$1" 2>&1 | awk '/mean over videos/ { print $5 }'; }
before=$(mean "$root/models/vidtwin-nano")
vtfilter train -b "$root/configs/vidtwin/vidtwin_nano_training.yaml" --logdir tuned --data-dir videos \
  --steps 150 model.params.ckpt_path="$root/models/vidtwin-nano/model.safetensors" -q
after=$(mean tuned/*/)
echo "vidtwin-nano on the example clips: $before dB, after 150 batches $after dB"
awk -v a="$before" -v b="$after" 'BEGIN { exit !(b > a + 0.02) }'
