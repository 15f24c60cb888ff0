#!/usr/bin/env bash
# A set of videos that several processes share, by whatever starts them: the shards together hold what one
# process writes, every video once, and --merge gives the bytes of its stats.json.
#
#   Tests/Sets/spread.sh VTFILTER REPOSITORY ENGINE...    engines: parallel mpirun xargs slurm
set -Eeuo pipefail
trap 'echo "$0: line $LINENO failed" >&2' ERR
vtfilter=$(realpath "$1") root=$(realpath "$2")
here=$(realpath "$(dirname "$0")")
shift 2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
PATH=$(dirname "$vtfilter"):$PATH
export MODEL=$root/Tests/Fixtures/goldens/tiny VIDTWIN_MODEL=$root/Tests/Fixtures/goldens/tiny

# 16 videos in two folders, one that is cut, and two in a tar.
mkdir -p "videos/a b" videos/c
for i in $(seq 8); do
  ffmpeg -nostdin -v error -f lavfi -i "testsrc2=s=64x64:r=25:d=3" -ss "0.$i" -frames:v $((10 + 7 * i)) "videos/a b/$i.mp4"
  ffmpeg -nostdin -v error -f lavfi -i "testsrc=s=96x64:r=30:d=3" -ss "0.$i" -frames:v $((5 + 9 * i)) "videos/c/$i.mkv"
done
head -c 2000 "videos/c/8.mkv" > videos/cut.mkv
tar cf videos/more.tar -C "videos/a b" 1.mp4 2.mp4

# One process, for comparison.
vtfilter encode -q --threads 1 --data-dir videos -o one/ 2> /dev/null && exit 1
[ "$(wc -l < one/failed.csv)" = 2 ]
samples() { for shard in "$1"/*.tar; do tar tf "$shard"; done; }
# The bytes of all samples, whatever shard they are in.
contents() { mkdir "$1.files"; for shard in "$1"/*.tar; do tar xf "$shard" -C "$1.files"; done; (cd "$1.files" && sha256sum ./*); }
contents one > one.sums
check() { # NAME PROCESSES
  vtfilter encode --merge -q -o "$1/"
  [ "$(ls "$1"/videos-*-of-"$2".jsonl | wc -l)" = "$2" ] || { echo "$1: not $2 parts" >&2; exit 1; }
  [ -z "$(samples "$1" | sort | uniq -d)" ] || { echo "$1: samples are there twice" >&2; exit 1; }
  contents "$1" | cmp - one.sums
  cmp "$1/stats.json" one/stats.json
  cmp "$1/failed.csv" one/failed.csv
  echo "$1: $2 processes, $(samples "$1" | grep -c '[.]json$') clips in $(ls "$1"/*.tar | wc -l) shards: those of one process"
}

for engine in "$@"; do
  # A part whose video is cut ends with status 3, which is what its engine reports.
  case $engine in
    parallel)
      seq 5 | parallel --will-cite -j 2 vtfilter encode -q --threads 1 --data-dir videos -o parallel/ --shard {}/5 \
        2> words && exit 1 || [ $? = 1 ]  # jobs that failed
      check parallel 5
      # Killed and started again, by the job log; the lock keeps out whoever is too many.
      seq 3 | parallel --will-cite -j 3 --joblog log vtfilter encode -q --threads 1 --data-dir videos \
        -o resumed/ --shard-size 2 --shard {}/3 & engine=$!
      sleep 0.3; kill -9 $engine; wait $engine 2> /dev/null || true
      while pgrep -f "o resumed/ --shard-size" > /dev/null; do sleep 0.1; done
      seq 3 | parallel --will-cite -j 3 vtfilter encode -q --threads 1 --data-dir videos -o resumed/ --shard-size 2 \
        --shard {}/3 --resume 2> words || true
      check resumed 3
      ;;
    xargs)
      seq 4 | xargs -P 2 -I {} vtfilter encode -q --threads 1 --data-dir videos -o xargs/ --shard {}/4 2> words || [ $? = 123 ]
      check xargs 4
      ;;
    mpirun)
      export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 \
        OMPI_MCA_hwloc_base_binding_policy=none
      for mpi in openmpi mpich; do
        command -v "mpirun.$mpi" > /dev/null || continue
        # Open MPI ends all where one fails, unless it is told that each is by itself (and then ends with 0).
        options=(); [ $mpi = mpich ] || options=(--mca orte_abort_on_non_zero_status 0)
        "mpirun.$mpi" "${options[@]}" -n 3 vtfilter encode -q --threads 1 --data-dir videos -o $mpi/ --shard auto \
          > words 2>&1 || true
        check $mpi 3
      done
      ;;
    slurm)
      bash "$here/slurm.sh" 4 bash -Eeuo pipefail "$here/slurm-jobs.sh"
      check array 3; check srun 3; check both 4; check mpirun-in-array 4
      ;;
    *) echo "unknown engine $engine" >&2; exit 2 ;;
  esac
done
