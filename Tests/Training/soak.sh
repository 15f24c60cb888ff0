#!/usr/bin/env bash
# Long runs: thousands of batches with their checkpoints in flat memory; a clock that jumps for hours, back
# too; a run that goes on in another folder.
#
#   Tests/Training/soak.sh VTFILTER [BATCHES]      a third of them with validations and pictures
set -Eeuo pipefail
trap 'echo "$0: line $LINENO failed" >&2' ERR
here=$(realpath "$(dirname "$0")") vtfilter=$(realpath "$1") batches=${2:-10000}
golden=$here/../Fixtures/goldens/training/causal
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir videos
for i in 1 2 3; do cp "$here/../Fixtures/media/city.mp4" "videos/$i.mp4"; done
# A job in the background is this shell's, and its number the program's.
train() {
  exec "$vtfilter" train -b "$golden/config.yaml" --data-dir videos --val-data-dir videos \
    model.params.ckpt_path="$golden/initial.safetensors" data.params.batch_size=1 \
    model.params.loss_config.params.perceptual_weight=0 model.params.ema_decay=0.99 "$@"
}
memory() { awk '/^RssAnon/ { print $2 }' "/proc/$1/status" 2> /dev/null || true; }
# Lines without what the clock and the machine say.
lines() { sed -E 's/"train\/(clips_per_second|wait_for_data|peak_memory)": [^,]*, //g' "$1"; }

# Tensors alone: the folder of the videos is in the header.
weights() { tail -c +$(($(od -An -t u8 -N 8 "$1") + 9)) "$1"; }

# flat NAME BATCHES KB SETTINGS...: memory after a tenth of the batches, by thirds of the time. What validations
# and films leave to the allocator comes and goes, so means are compared.
flat() {
  local name=$1 count=$2 limit=$3 start=$SECONDS process done_batches now
  shift 3
  train --logdir "$name" --steps "$count" -q --progress "$name.progress" lightning.trainer.log_every_n_steps=20 \
    lightning.modelcheckpoint.params.every_n_train_steps=200 "$@" &
  process=$!
  while kill -0 $process 2> /dev/null; do
    done_batches=$(grep -oE '^batch=[0-9]+' "$name.progress" 2> /dev/null | tail -n 1 | cut -d = -f 2 || true)
    now=$(memory $process)
    [ -z "$now" ] || [ "${done_batches:-0}" -le $((count / 10)) ] || echo "$now" >> "$name.memory"
    sleep 0.5
  done
  wait $process
  [ "$(grep -oE '"batch": [0-9]+' "$name"/*/metrics.jsonl | tail -n 1)" = "\"batch\": $((count - 1))" ]
  awk -v limit="$limit" -v what="$name: $count batches in $((SECONDS - start)) s" '
    { kB[NR] = $1 }
    END {
      if (NR < 6) { print what ": only " NR " samples" > "/dev/stderr"; exit 1 }
      third = int(NR / 3)
      for (i = 1; i <= third; i++) { first += kB[i] / third; last += kB[NR - third + i] / third }
      printf "%s, memory %.0f kB, later %.0f kB (%d samples)\n", what, first, last, NR
      if (last - first > limit) { print what ": grows" > "/dev/stderr"; exit 1 }
    }' "$name.memory"
}
# Checkpoints alone, and with validations, pages, films and pictures.
flat plain "$batches" 2048 data.params.validation=null
flat shown $((batches / 3)) 4096 lightning.trainer.val_check_interval=20 \
  lightning.callbacks.image_logger.params.batch_frequency=40

# A clock that runs backwards by an hour every other time it is asked: every number is as without it.
cat > clock.c << 'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
#include <sys/time.h>
static long jump(void) { static long asked; return asked++ % 2 ? -3600 * asked : 1800; }
int clock_gettime(clockid_t id, struct timespec *t) {
    int (*next)(clockid_t, struct timespec *) =
        (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int status = next(id, t);
    if (id == CLOCK_REALTIME) t->tv_sec += jump();
    return status;
}
time_t time(time_t *out) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (out) *out = t.tv_sec;
    return t.tv_sec;
}
int gettimeofday(struct timeval *t, void *zone) {
    (void)zone;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    t->tv_sec = now.tv_sec;
    t->tv_usec = now.tv_nsec / 1000;
    return 0;
}
C
cc -O1 -shared -fPIC clock.c -o clock.so -ldl
short=(--steps 60 -q lightning.trainer.val_check_interval=10 lightning.trainer.log_every_n_steps=1)
(train --logdir steady "${short[@]}")
(LD_PRELOAD=$PWD/clock.so train --logdir jumping "${short[@]}" --progress jumping.progress)
cmp <(lines steady/*/metrics.jsonl) <(lines jumping/*/metrics.jsonl)
cmp steady/*/model.safetensors jumping/*/model.safetensors
! grep -E '^(eta|elapsed|clips_per_second)=-' jumping.progress
! grep -E '"train/(clips_per_second|wait_for_data)": -' jumping/*/metrics.jsonl
# What was stopped goes on.
cut() {  # cut LOGDIR: a run that is stopped somewhere
  LD_PRELOAD=$PWD/clock.so train --logdir "$1" "${short[@]}" --progress "$1.progress" &
  process=$!
  until grep -qE '^batch=[0-9]' "$1.progress" 2> /dev/null; do sleep 0.02; done
  kill -TERM $process
  wait $process || [ $? = 143 ]
}
cut stopped
(LD_PRELOAD=$PWD/clock.so train --logdir stopped "${short[@]}")
[ "$(ls stopped | wc -l)" = 1 ]
cmp <(lines steady/*/metrics.jsonl) <(lines stopped/*/metrics.jsonl)
echo "a clock that jumps by hours: the same run, stopped and gone on with, too"

# A run that was moved goes on where it is, from another folder, with its videos elsewhere.
cut moved
mkdir -p far/away elsewhere
mv moved/* "far/away/a run"
mv videos elsewhere/films
(cd elsewhere && "$vtfilter" train --resume "../far/away/a run" --data-dir films --val-data-dir films -q)
[ ! -e moved/checkpoints ] && [ "$(ls far/away | wc -l)" = 1 ]
cmp <(lines steady/*/metrics.jsonl) <(lines "far/away/a run/metrics.jsonl")
cmp <(weights steady/*/model.safetensors) <(weights "far/away/a run/model.safetensors")
echo "a run in another folder, with its videos in another: the same batches"
