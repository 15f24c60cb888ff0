#!/usr/bin/env bash
# Tests the filter in graphs as programs make them, with the libraries of an FFmpeg that was built for it.
#
#   filters/graphs.sh FFMPEG-TREE PREFIX [valgrind]      with libvidtwin.so.1 where the loader looks
set -Eeuo pipefail
trap 'echo "$0: line $LINENO failed" >&2' ERR
tree=$(realpath "$1") how=${3:-}
here=$(realpath "$(dirname "$0")")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
ln -s "$(realpath "$2")" "$folder/prefix"
ln -s "$here/../Tests/Fixtures/goldens/tiny" "$folder/tiny"
prefix=$folder/prefix model=$folder/tiny  # flags and filters are split at blanks
libraries=()
for name in avfilter swscale avformat avcodec swresample avutil; do
  [ -e "$tree/lib$name/lib$name.a" ] && libraries+=("$tree/lib$name/lib$name.a")
done
# shellcheck disable=SC2046
${CC:-gcc} -std=gnu11 -O1 -g -Wall -Wextra -Werror "$here/graphs_test.c" -o "$folder/graphs_test" -I"$tree" \
  "${libraries[@]}" $(PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config --libs vidtwin) -lm -pthread
if [ "$how" != valgrind ]; then
  "$folder/graphs_test" "$model"
  exit
fi
# Baseline loops: valgrind knows no AVX-512. What OpenMP and oneDNN keep for the process is reachable.
VIDTWIN_CPU=avx2 ONEDNN_MAX_CPU_ISA=AVX2 valgrind -q --error-exitcode=9 --leak-check=full \
  --show-leak-kinds=definite --errors-for-leak-kinds=definite "$folder/graphs_test" "$model" short
echo "graphs: nothing found by valgrind"
