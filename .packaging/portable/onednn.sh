#!/usr/bin/env bash
# Builds of oneDNN what libvidtwin uses, static and without threads of its own, in FOLDER/include and
# FOLDER/lib/libdnnl.a: from Debian's source package, once. Takes half an hour on two cores.
#
#   .packaging/portable/onednn.sh FOLDER
#
# VIDTWIN_ONEDNN_SUITE names another suite of Debian than trixie (3.7). Exit status 75: no source, cmake or
# ninja to be had.
set -Eeuo pipefail
trap 'echo "$0: line $LINENO failed" >&2' ERR
here=$(realpath "$(dirname "$0")")
folder=$(realpath -m "$1")
suite=${VIDTWIN_ONEDNN_SUITE:-trixie}
mkdir -p "$folder/lib"
exec 9> "$folder/lock" && flock 9
settings=(
  -DCMAKE_BUILD_TYPE=Release -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DONEDNN_LIBRARY_TYPE=STATIC
  -DONEDNN_CPU_RUNTIME=SEQ -DONEDNN_GPU_RUNTIME=NONE -DONEDNN_BUILD_GRAPH=OFF -DONEDNN_BUILD_DOC=OFF
  -DONEDNN_BUILD_EXAMPLES=OFF -DONEDNN_BUILD_TESTS=OFF -DONEDNN_ENABLE_WORKLOAD=INFERENCE
  '-DONEDNN_ENABLE_PRIMITIVE=INNER_PRODUCT;MATMUL;REORDER' -DONEDNN_ENABLE_JIT_PROFILING=OFF
  -DONEDNN_ENABLE_ITT_TASKS=OFF -DONEDNN_VERBOSE=OFF -DONEDNN_ARCH_OPT_FLAGS=
)
# Its kernels know the file that they are from: without the folder in which it lies.
flags="-ffunction-sections -fdata-sections -fvisibility=hidden -fvisibility-inlines-hidden '-ffile-prefix-map=FOLDER=.'"
wanted="$suite ${settings[*]} $flags"
if [ "$(cat "$folder/made" 2> /dev/null)" = "$wanted" ]; then exit 0; fi

command -v cmake > /dev/null && command -v ninja > /dev/null || exit 75
# Of Debian's changes, later fixes of the same version: the others are for other machines and its tests.
bash "$here/source.sh" onednn "$folder" "$suite" 'upstream-*' || exit $?
echo "oneDNN of Debian $suite, in $folder: half an hour" >&2
export CFLAGS=${flags/FOLDER/$folder/tree} CXXFLAGS=${flags/FOLDER/$folder/tree}
cmake -S "$folder/tree" -B "$folder/build" -G Ninja "${settings[@]}" \
  > "$folder/log" 2>&1 && ninja -j "$(nproc)" -C "$folder/build" >> "$folder/log" 2>&1 || { tail -n 30 "$folder/log" >&2; exit 1; }
rm -rf "$folder/include"
cp -r "$folder/tree/include" "$folder/include"
cp "$folder"/build/include/oneapi/dnnl/*.h "$folder/include/oneapi/dnnl/"
cp "$(find "$folder/build" -name libdnnl.a)" "$folder/lib/libdnnl.a"
echo "$wanted" > "$folder/made"
rm -rf "$folder/build"
