#!/usr/bin/env bash
# A checkpoint that becomes shorter while it is mapped: status 4 with its name, and no file is left.
#
#   Tests/Failures/shrink.sh VTFILTER
set -Eeuo pipefail
trap 'echo "$0: line $LINENO failed" >&2' ERR
here=$(realpath "$(dirname "$0")") vtfilter=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
${CC:-gcc} -std=gnu11 -O1 -Wall -Wextra -Werror -shared -fPIC "$here/shrink.c" -o "$folder/shrink.so" -ldl
export SWIFT_BACKTRACE=enable=no
cd "$folder"
mkdir work
ln -s "$here/../Fixtures/media/city.mp4" in.mp4
for command in "reconstruct -q -i in.mp4 -o work/out.mp4 --model model" \
  "convert model/model.safetensors --config model/config.yaml -o work/out.safetensors --precision bf16"; do
  rm -rf model && cp -r "$here/../Fixtures/goldens/tiny" model && chmod -R u+w model
  status=0
  # shellcheck disable=SC2086
  env LD_PRELOAD="$folder/shrink.so" timeout 60 "$vtfilter" $command 2> err || status=$?
  [ $status = 4 ] && grep -q 'model.safetensors: became shorter while it was read' err ||
    { echo "${command%% *}: status $status: $(head -c 300 err)" >&2; exit 1; }
  [ -z "$(ls -A work)" ] || { echo "${command%% *}: left $(ls -A work)" >&2; exit 1; }
done
echo "a checkpoint that becomes shorter: status 4, its name, no file left"
