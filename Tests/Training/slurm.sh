#!/usr/bin/env bash
# Training that srun starts, in a cluster of this machine: it is the run that mpirun starts, to the bit, by
# Open MPI (pmix) and by MPICH (pmi2), those that `make mpi` has a plug-in for; a signal to its step saves.
#
#   Tests/Training/slurm.sh VTFILTER REPOSITORY
set -Eeuo pipefail
trap 'echo "$0: line $LINENO failed" >&2' ERR
vtfilter=$(realpath "$1") root=$(realpath "$2")
if [ -z "${SLURM_CONF:-}" ]; then
  exec bash "$root/Tests/Sets/slurm.sh" 2 bash "$0" "$vtfilter" "$root"
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir videos
for i in 1 2 3 4; do
  ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=64x64:r=25:d=3 -ss 0.$i -frames:v 30 videos/$i.mp4
done
train=("$vtfilter" train -b "$root/configs/vidtwin/vidtwin_small_training.yaml" --data-dir videos --threads 1
  data.params.validation=null data.params.batch_size=1 lightning.trainer.log_every_n_steps=1 --no-tensorboard)
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
# All that a batch's line says but for the clock's and the machine's.
lines() {
  python3 - "$1"/*/metrics.jsonl << 'P'
import json, sys
for line in open(sys.argv[1]):
    kept = {k: v for k, v in json.loads(line).items()
            if k not in ("train/clips_per_second", "train/wait_for_data", "train/peak_memory")}
    print(json.dumps(kept, sort_keys=True))
P
}
tried=0
for way in "pmix openmpi" "pmi2 mpich"; do
  read -r interface mpi <<< "$way"
  [ -e "$root/.build-library/stage/lib/libvidtwin-mpi.$mpi.so" ] && command -v mpirun.$mpi > /dev/null || continue
  srun -Q --mpi=$interface -n 2 --kill-on-bad-exit "${train[@]}" -q --logdir $interface --steps 4
  env -u SLURM_CONF mpirun.$mpi -n 2 "${train[@]}" -q --logdir $mpi --steps 4
  [ "$(lines $interface | wc -l)" = 4 ]
  cmp <(lines $interface) <(lines $mpi)
  cmp $interface/*/model.safetensors $mpi/*/model.safetensors

  srun -Q --mpi=$interface -J stopped-$mpi -n 2 --kill-on-bad-exit "${train[@]}" --logdir stopped-$mpi --steps 100000 \
    > words 2>&1 & run=$!
  until grep -q '"batch": 1,' stopped-$mpi/*/metrics.jsonl 2> /dev/null; do
    kill -0 $run 2> /dev/null || { cat words >&2; exit 1; }
    sleep 0.2
  done
  scancel --signal=TERM "$(squeue -h -o %i.0 -n stopped-$mpi)"
  wait $run && exit 1 || [ $? = 143 ]
  grep -q 'stopped after batch' words && [ -s stopped-$mpi/*/checkpoints/last.ckpt ]
  echo "srun --mpi=$interface: the run of mpirun.$mpi to the bit; a signal saves"
  tried=$((tried + 1))
done
[ $tried -gt 0 ] || { echo "no MPI that there is a plug-in for (make mpi)" >&2; exit 1; }
# Without one of these, processes cannot find each other, which is said.
srun -Q --mpi=none -n 2 "${train[@]}" -q --logdir none --steps 1 2> words && exit 1 || [ $? = 1 ]
grep -q 'mpi=pmix' words
echo "training under srun: $tried ways"
