# What the batch scripts share: jobs in parallel, finished outputs skipped, failures at the end.
# Sourced, not run. Needs bash 5.1.

# batch_run JOBS NAME COMMAND...: starts a command in the background once fewer than JOBS run.
batch_running=0
batch_folder=$(mktemp -d)
trap 'rm -rf "$batch_folder"' EXIT
batch_run() {
  local jobs=$1 name=$2
  shift 2
  while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n || true; done
  batch_running=$((batch_running + 1))
  { "$@" < /dev/null || printf '%s\n' "$name" > "$batch_folder/failed.$batch_running"; } &
}

# batch_finish: waits for all jobs, lists the failed ones, and fails if there were any.
batch_finish() {
  wait
  local failed
  failed=$(cat "$batch_folder"/failed.* 2> /dev/null || true)
  [ -z "$failed" ] && return 0
  sed 's/^/failed: /' <<< "$failed" >&2
  return 1
}

# batch_target FILE: fails where an earlier output of this run has the name.
declare -A batch_targets=()
batch_target() {
  if [ "${batch_targets[$1]:-}" ]; then
    printf '%s would be written twice\n' "$1" >&2
    exit 2
  fi
  batch_targets[$1]=1
}

# batch_videos FOLDER: the videos of a folder, in order, a zero after each.
batch_videos() {
  find "$1" -type f \( -iname '*.mp4' -o -iname '*.mkv' -o -iname '*.mov' -o -iname '*.webm' \
    -o -iname '*.avi' -o -iname '*.y4m' -o -iname '*.nut' \) -print0 | sort -z
}
