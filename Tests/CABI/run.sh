#!/usr/bin/env bash
# Tests the installed C library: the header by itself, its symbols, and programs against it.
#
#   Tests/CABI/run.sh PREFIX      the folder with include/vidtwin.h and lib/libvidtwin.so
set -Eeuo pipefail
trap 'echo "$0: line $LINENO failed" >&2' ERR
here=$(realpath "$(dirname "$0")")
model=$(realpath "$here/../Fixtures/goldens/tiny")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
ln -s "$(realpath "$1")" "$folder/prefix"
prefix=$folder/prefix  # flags of pkg-config are split at blanks
cc=${CC:-gcc} cxx=${CXX:-g++}
header=$prefix/include/vidtwin.h
library=$prefix/lib/libvidtwin.so.1
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
unset VIDTWIN_MODEL
fail() { echo "C interface: $*" >&2; exit 1; }

echo "the header alone, as C99, C11 and C++"
for standard in c99 c11; do
  $cc -std=$standard -pedantic -Wall -Wextra -Werror -x c -fsyntax-only "$header"
done
for standard in c++11 c++20; do
  $cxx -std=$standard -pedantic -Wall -Wextra -Werror -x c++ -fsyntax-only "$header"
done

echo "symbols"
# What the header declares: a name before a parenthesis, outside comments.
$cc -fpreprocessed -dD -E -P "$header" | tr '\n' ' ' | grep -oE '[ *]vidtwin_[a-z_]+\(' |
  tr -d ' *(' | sort -u > "$folder/declared"
nm -D --defined-only --extern-only "$library" | awk '{ print $3 }' | sort > "$folder/exported"
diff "$folder/declared" "$folder/exported" || fail "the library exports (>) other functions than the header declares (<)"
[ "$(wc -l < "$folder/declared")" -ge 19 ] || fail "the header's functions were not found"
needed=$(ldd "$library")
if grep -iE 'swift|foundation|libav|libsw(scale|resample)|not found' <<< "$needed"; then
  fail "the library needs these"
fi
readelf -d "$library" > "$folder/dynamic"
grep -q 'SONAME.*\[libvidtwin.so.1\]' "$folder/dynamic" || fail "no soname libvidtwin.so.1"
grep -q NODELETE "$folder/dynamic" || fail "not linked with -z nodelete"

echo "programs"
for test in "$here"/*_test.c; do
  name=$(basename "$test" .c)
  # shellcheck disable=SC2046
  $cc -std=gnu11 -O1 -g -Wall -Wextra -Werror "$test" -o "$folder/$name" \
    $(pkg-config --cflags --libs vidtwin) "-Wl,-rpath,$prefix/lib" -lm -ldl -pthread
done
"$folder/stream_test" "$model"
"$folder/nonsense_test" "$model"
"$folder/threads_test" "$model"
"$folder/abandon_test" "$model"
"$folder/floats_test" "$model"
"$folder/fork_test" "$model"
"$folder/memory_test" "$model"
python3 "$here/fork_test.py" "$library" "$model"
"$folder/load_test" "$library" "$model"

echo "a model that needs more memory than there is"
mkdir "$folder/huge"
sed -E 's/- 64$/- 2048/; s/- 16$/- 2/; s/^( *)hidden_size: .*/\1hidden_size: 4\n\1mlp_ratio: 64/; s/num_heads: .*/num_heads: 1/; s/encoder_hidden_size: .*/encoder_hidden_size: 4/' \
  "$model/config.yaml" > "$folder/huge/config.yaml"
cp "$model/model.safetensors" "$folder/huge"
if "$folder/abandon_test" "$folder/huge" 2> "$folder/err"; then fail "it was taken"; fi
grep -q 'no memory' "$folder/err" || { cat "$folder/err" >&2; fail "another message was expected"; }

echo "the bundled model, beside the library and by its name"
cat > "$folder/bundled.c" <<'C'
#include "check.h"
int main(void) {
    vidtwin_model *model = NULL;
    EXPECT(VIDTWIN_OK, vidtwin_model_open(&model, NULL, MESSAGE));
    vidtwin_model_info info = info_of(model);
    printf("%dx%d, %d frames, %lld weights\n", info.width, info.height, info.clip_frames,
           (long long)info.weights);
    vidtwin_model_close(&model);
    return 0;
}
C
# shellcheck disable=SC2046
$cc -I"$here" "$folder/bundled.c" -o "$folder/bundled" $(pkg-config --cflags --libs vidtwin) \
  "-Wl,-rpath,$prefix/lib"
(cd / && "$folder/bundled")
if VIDTWIN_MODEL=/nonexistent "$folder/bundled" 2> "$folder/err"; then fail "VIDTWIN_MODEL is not heard"; fi
grep -q /nonexistent "$folder/err" || fail "the message does not name the model"

if command -v valgrind > /dev/null; then
  echo "abandoned sessions under valgrind"
  # Baseline loops: valgrind knows no AVX-512. What OpenMP and oneDNN keep for the process is
  # reachable, not lost.
  VIDTWIN_CPU=avx2 ONEDNN_MAX_CPU_ISA=AVX2 valgrind -q --error-exitcode=9 --leak-check=full \
    --show-leak-kinds=definite --errors-for-leak-kinds=definite "$folder/abandon_test" "$model" 2 ||
    fail "valgrind found errors"
else
  echo "no valgrind here: abandoned sessions are NOT TESTED under it"
fi
echo "the C interface is as the header says"
