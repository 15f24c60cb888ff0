#!/usr/bin/env bash
# Builds of oneDNN what libvidtwin uses, static and without threads of its own, in FOLDER/include and
# FOLDER/lib/libdnnl.a: from Debian's source package, once. Takes half an hour on two cores.
#
#   python/wheel/onednn.sh FOLDER
#
# VIDTWIN_ONEDNN_SUITE names another suite of Debian than trixie (3.7). Exit status 75: no source, cmake or
# ninja to be had.
set -Eeuo pipefail
trap 'echo "$0: line $LINENO failed" >&2' ERR
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
wanted="$suite ${settings[*]}"
if [ "$(cat "$folder/made" 2> /dev/null)" = "$wanted" ]; then exit 0; fi

# Debian's own mirror, as the machine is configured, with its source packages; nothing of the machine's
# configuration is changed.
fetch() {
  command -v apt-get > /dev/null && command -v cmake > /dev/null && command -v ninja > /dev/null || return 75
  local apt=$folder/apt file
  rm -rf "$apt" && mkdir -p "$apt/parts" "$apt/lists/partial" "$apt/archives/partial"
  for file in /etc/apt/sources.list.d/*.sources; do
    grep -qs '^Signed-By:.*/debian-archive-keyring' "$file" || continue
    # The suite is in the main archive only: the paragraph of security updates is left out.
    sed -E "/^#/d; s/^Types:.*/Types: deb-src/; s/^Suites:.*/Suites: $suite/" "$file" |
      awk -v RS= -v ORS='\n\n' '!/security/' > "$apt/parts/$(basename "$file")"
  done
  local options=(-qq -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$apt/parts"
    -o "Dir::State::Lists=$apt/lists" -o "Dir::Cache=$apt" -o APT::Sandbox::User= -o Acquire::Retries=2)
  apt-get "${options[@]}" update >&2 || return 75
  (cd "$folder" && rm -f onednn_* && apt-get "${options[@]}" source --download-only onednn >&2) || return 75
  rm -rf "$folder/tree" "$folder/build" && mkdir "$folder/tree"
  tar -C "$folder/tree" --strip-components 1 -xf \
    "$(find "$folder" -maxdepth 1 -name 'onednn_*.orig.tar.*' ! -name '*.asc')"
  # Debian's changes are for other machines and its tests, but for later fixes of the same version.
  tar -C "$folder/tree" -xf "$(find "$folder" -maxdepth 1 -name 'onednn_*.debian.tar.*')"
  for file in "$folder"/tree/debian/patches/upstream-*.patch; do
    [ ! -e "$file" ] || patch -s -d "$folder/tree" -p1 < "$file"
  done
  touch "$folder/tree/.unpacked"
}

[ -e "$folder/tree/.unpacked" ] || fetch || exit 75
echo "oneDNN of Debian $suite, in $folder: half an hour" >&2
export CXXFLAGS="-ffunction-sections -fdata-sections -fvisibility=hidden -fvisibility-inlines-hidden"
CFLAGS=$CXXFLAGS cmake -S "$folder/tree" -B "$folder/build" -G Ninja "${settings[@]}" \
  > "$folder/log" 2>&1 && ninja -C "$folder/build" >> "$folder/log" 2>&1 || { tail -n 30 "$folder/log" >&2; exit 1; }
rm -rf "$folder/include"
cp -r "$folder/tree/include" "$folder/include"
cp "$folder"/build/include/oneapi/dnnl/*.h "$folder/include/oneapi/dnnl/"
cp "$(find "$folder/build" -name libdnnl.a)" "$folder/lib/libdnnl.a"
echo "$wanted" > "$folder/made"
rm -rf "$folder/build"
