#!/usr/bin/env bash
# Installs a wheel as users do, and runs the tests with it: those of the C interface, then in a fresh environment of each Python 3.9 to 3.13
# that is here; with --bare in minimal roots of Debian with python3 and nothing else (root, debootstrap).
#
#   python/wheel/check.sh WHEEL            VTFILTER: what to compare with; TORCH: a site-packages with torch
#   python/wheel/check.sh --bare WHEEL
set -Eeuo pipefail
trap 'echo "$0: line $LINENO failed" >&2' ERR
bare=
if [ "$1" = --bare ]; then bare=1; shift; fi
wheel=$(realpath "$1")
checkout=$(realpath "$(dirname "$0")/../..")
folder=$(mktemp -d)
trap 'rm -rf --one-file-system "$folder"' EXIT
unset VIDTWIN_LIBRARY VIDTWIN_MODEL PYTHONPATH
export VIDTWIN_TESTS_ROUNDING=1  # the oneDNN inside is not vtfilter's
# What the tests read, apart from the package's own source.
mkdir -p "$folder/tests/python" "$folder/tests/Tests/Fixtures/goldens" "$folder/tests/Tests/Fixtures/media"
cp -r "$checkout/python/tests" "$folder/tests/python/"
cp -r "$checkout"/Tests/Fixtures/goldens/{tiny,nonsquare} "$folder/tests/Tests/Fixtures/goldens/"
cp "$checkout/Tests/Fixtures/media/bunny.mp4" "$folder/tests/Tests/Fixtures/media/"
fail() { echo "wheel: $*" >&2; exit 1; }
# The last lines, and what was skipped and why.
run() {
  "$@" -W ignore -X faulthandler -m unittest discover -v -s python/tests -t python > "$folder/log" 2>&1 ||
    { tail -n 40 "$folder/log" >&2; fail "tests failed"; }
  grep -oE "skipped '.*'" "$folder/log" | sort | uniq -c || true
  tail -n 3 "$folder/log" | tr '\n' ' '
  echo
}

if [ -z "$bare" ]; then
  # The library itself, as C sees it.
  prefix=$folder/prefix
  mkdir -p "$prefix/lib/pkgconfig" "$prefix/include"
  (cd "$folder" && python3 -m zipfile -e "$wheel" wheel)
  if grep -rlF "$checkout" "$folder/wheel"; then fail "these name the folder in which they were built"; fi
  cp "$folder/wheel/vidtwin/lib/libvidtwin.so.1" "$prefix/lib/" && ln -s libvidtwin.so.1 "$prefix/lib/libvidtwin.so"
  [ ! -e "$folder/wheel/vidtwin.libs" ] || cp -r "$folder/wheel/vidtwin.libs" "$folder/"
  cp -r "$folder/wheel/vidtwin/share" "$prefix/share"
  cp "$checkout/Sources/CVidTwin/include/vidtwin.h" "$prefix/include/"
  printf '%s\n' 'prefix=${pcfiledir}/../..' 'Name: vidtwin' 'Description: from a wheel' 'Version: 0' \
    'Libs: -L${prefix}/lib -lvidtwin' 'Cflags: -I${prefix}/include' > "$prefix/lib/pkgconfig/vidtwin.pc"
  bash "$checkout/Tests/CABI/run.sh" "$prefix" > "$folder/log" 2>&1 || { tail -n 20 "$folder/log" >&2; fail "the C tests failed"; }
  echo "wheel: $(tail -n 1 "$folder/log")"
  tried=0
  for version in ${PYTHONS:-3.9 3.10 3.11 3.12 3.13}; do
    python=
    for each in "python$version" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python; do
      if "$each" -c 'import ctypes, venv' 2> /dev/null; then python=$each; fi
    done
    [ -n "$python" ] || { echo "wheel: no Python $version here: NOT TESTED with it"; continue; }
    "$python" -m venv "$folder/$version"
    "$folder/$version/bin/python" -m pip install --quiet "$wheel"
    if [ -n "${TORCH:-}" ] && [ "$(basename "$(dirname "$TORCH")")" = "python$version" ]; then
      echo "$TORCH" > "$(echo "$folder/$version"/lib/python*/site-packages)/torch.pth"
    fi
    (cd "$folder/tests" && run timeout 600 "$folder/$version/bin/python")
    (cd / && "$folder/$version/bin/vtfilter" --version > /dev/null 2>&1) && found="starts vtfilter" ||
      found="finds no vtfilter"
    echo "wheel: Python $("$folder/$version/bin/python" -c 'import sys, numpy; print(sys.version.split()[0], "numpy", numpy.__version__)'), the command $found"
    tried=$((tried + 1))
  done
  [ $tried -gt 0 ] || fail "no Python to try it with"
  exit 0
fi

skip() { echo "wheel in a minimal root: $*: NOT TESTED"; exit 0; }
[ "$(id -u)" = 0 ] || skip "only root can make a root"
unshare --mount true 2> /dev/null || skip "no mounts can be made here"
for suite in bullseye bookworm; do
  root=$folder/$suite
  bash "$checkout/.ci/minimal-root" "$root" "$suite" python3 > "$folder/log" || {
    [ $? = 75 ] || fail "no minimal Debian $suite could be made"
    echo "wheel: Debian $suite cannot be had: NOT TESTED there"
    continue
  }
  version=$(chroot "$root" python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  # No pip there: a wheel is an archive of what is to be importable.
  python3 -m pip download --quiet --only-binary :all: --python-version "$version" -d "$folder/numpy-$version" numpy
  mkdir "$root/site"
  for each in "$wheel" "$folder/numpy-$version"/*.whl; do python3 -m zipfile -e "$each" "$root/site"; done
  cp -r "$folder/tests" "$root/tests"
  cat > "$folder/there" << 'THERE'
mount -t proc proc "$1/proc" && mount -t tmpfs tmpfs "$1/dev/shm" || exit 1
root=$1; shift; cd /
exec chroot "$root" env -i HOME=/root PATH=/usr/bin:/bin PYTHONPATH=/site sh -c 'cd /tests && exec python3 "$@"' - "$@"
THERE
  run timeout 600 unshare --mount --propagation private --pid --fork bash "$folder/there" "$root"
  echo "wheel: in a minimal Debian $suite, Python $version, $(chroot "$root" ldd --version | sed -n 1p)"
done
