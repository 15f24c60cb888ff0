#!/usr/bin/env bash
# Builds the tarball for many systems, .build-dist/vidtwin-VERSION-linux-x86_64.tar.xz: vtfilter and libvidtwin
# with what they need, libav beside them (ffmpeg.sh), asking for as old a glibc as they can. One commit gives
# the same bytes on the same system.
#
#   .packaging/dist/build.sh      SWIFT names the compiler
set -Eeuo pipefail
trap 'echo "$0: line $LINENO failed" >&2' ERR
here=$(realpath "$(dirname "$0")")
root=$(realpath "$here/../..")
work=$root/.build-dist
swift=${SWIFT:-swift}
[ "$(uname -m)" = x86_64 ] || { echo "expected x86_64, found $(uname -m)" >&2; exit 1; }
version=$(sed -n 's/.*version: StaticString = "\(.*\)"/\1/p' "$root/Sources/VidTwin/Version.swift")
read -r major minor < <(sed -n 's/^.define VIDTWIN_API_M[AJINOR]* //p' "$root/Sources/CVidTwin/include/vidtwin.h" | paste -sd ' ')
mkdir -p "$work"
cd "$root"

. "$root/.packaging/portable/setup.sh"
portable_setup "$work"
for part in onednn libav; do
  status=0
  if [ $part = onednn ]; then portable_onednn "$work"; else bash "$here/ffmpeg.sh" "$work"; fi || status=$?
  [ $status != 75 ] || echo "the source of $part cannot be had" >&2
  [ $status = 0 ] || exit $status
done

# Linked again each time, whatever was changed outside the package.
rm -f "$work/build/release/libvidtwin.so" "$work/build/release/vtfilter"
build=("$swift" build -c release --scratch-path "$work/build" -Xswiftc -static-stdlib "${swift_flags[@]}" -Xlinker --gc-sections)
printf '{ global: vidtwin_*; local: *; };\n' > "$work/exports.map"
"${build[@]}" --product vidtwin -Xlinker "--version-script=$work/exports.map" \
  -Xlinker "-soname=libvidtwin.so.$major" -Xlinker -Bsymbolic -Xlinker -z -Xlinker nodelete
"${build[@]}" --product vtfilter "${program_flags[@]}" -Xlinker -rpath -Xlinker '$ORIGIN/../lib'

name=vidtwin-$version
stage=$work/stage/$name
rm -rf "$work/stage"
install -d "$stage"/{bin,include,lib/pkgconfig,share/vidtwin/licenses,share/man/man1,share/fish/vendor_completions.d} \
  "$stage"/share/{bash-completion/completions,zsh/site-functions}
strip -o "$stage/bin/vtfilter" "$work/build/release/vtfilter"
library=libvidtwin.so.$major.$minor
strip --strip-unneeded -o "$stage/lib/$library" "$work/build/release/libvidtwin.so"
ln -s "$library" "$stage/lib/libvidtwin.so.$major"
ln -s "libvidtwin.so.$major" "$stage/lib/libvidtwin.so"
# Of libav, what vtfilter is linked with: one file a library, called by its name for the loader.
for each in "$work"/libav/lib/lib*.so.*; do
  soname=$(objdump -p "$each" | sed -n 's/^ *SONAME *//p')
  [ "$(basename "$each")" != "$soname" ] || strip --strip-unneeded -o "$stage/lib/$soname" "$(realpath "$each")"
done
cp Sources/CVidTwin/include/vidtwin.h "$stage/include/"
printf '%s\n' 'prefix=${pcfiledir}/../..' 'libdir=${prefix}/lib' 'includedir=${prefix}/include' '' \
  'Name: vidtwin' 'Description: VidTwin video autoencoder' "Version: $version" \
  'Libs: -L${libdir} -lvidtwin' 'Cflags: -I${includedir}' > "$stage/lib/pkgconfig/vidtwin.pc"
cp -R configs models "$stage/share/vidtwin/"

manual=$work/manual
"$swift" build -c release --scratch-path "$work/tools" --product generate-manual \
  --package-path "$work/build/checkouts/swift-argument-parser"
rm -rf "$manual" && mkdir "$manual"
SOURCE="$version" bash docs/man-pages.sh "$work/tools/release/generate-manual" "$stage/bin/vtfilter" "$manual"
cp "$manual"/*.1 "$stage/share/man/man1/"
complete() { "$stage/bin/vtfilter" --generate-completion-script "$1" > "$stage/share/$2"; }
complete bash bash-completion/completions/vtfilter
complete zsh zsh/site-functions/_vtfilter
complete fish fish/vendor_completions.d/vtfilter.fish

# Terms of all that is inside; of libav, how it was built and from which source, as its licence wants it said.
cp LICENSE "$stage/"
licenses=$stage/share/vidtwin/licenses
portable_licenses "$work" "$licenses"
for package in libvpx-dev libwebp-dev; do cp "/usr/share/doc/$package/copyright" "$licenses/$package.txt"; done
# Swift's Foundation has ICU in it; Debian's is there for libxml2, which Swift needs.
icu=$(find /usr/share/doc/libicu*/copyright | head -n 1)
[ -n "$icu" ] || { echo "expected the terms of ICU in /usr/share/doc/libicu*, found none: libxml2 brings them" >&2; exit 1; }
cp "$icu" "$licenses/icu.txt"
for each in swift-argument-parser swift-log swift-protobuf; do
  cp "$work/build/checkouts/$each/LICENSE.txt" "$licenses/$each.txt"
done
cp "$work/dav1d/tree/COPYING" "$licenses/dav1d.txt"
cp "$work/ffmpeg/tree/COPYING.LGPLv2.1" "$licenses/ffmpeg-LGPL-2.1.txt"
source() { sed -n 's/^Version: //p' "$(find "$work/$1" -maxdepth 1 -name "$1_*.dsc")" | head -n 1; }
cat > "$licenses/README" << TEXT
vidtwin is under the MIT licence (LICENSE); libvidtwin and vtfilter have these linked into them: oneDNN, libyaml,
libdeflate, zlib, libcrypto of OpenSSL, libstdc++, Swift's libraries; vtfilter also swift-argument-parser, swift-log,
swift-protobuf, and ICU, which is in Swift's Foundation. Their terms are in the files beside this one.

lib/libav*.so.*, libsw*.so.* are FFmpeg's libraries under the LGPL 2.1 or later (ffmpeg-LGPL-2.1.txt), with dav1d,
libvpx, libwebp and zlib linked into libavcodec and libavformat. vtfilter loads them from lib: others of the same
names may be put in their place; without them it takes the system's, where their major versions are the same.

Their source is Debian's source package ffmpeg $(source ffmpeg), with the changes that are in it, which Debian keeps
(https://snapshot.debian.org/package/ffmpeg/); dav1d is $(source dav1d) of Debian. The scripts that build them are
.packaging/dist and .packaging/portable of vidtwin's source. FFmpeg was configured by

$(cat "$work/libav/configure-line")

where portable/flags and portable/lib are what those scripts make for the linker.
TEXT

# Names in order, nobody's, with the time of the commit: the same bytes from the same files.
time=$(git log -1 --format=%ct 2> /dev/null || echo 0)
find "$stage" -type d -exec chmod 755 {} +
find "$stage" -type f -exec chmod 644 {} +
chmod 755 "$stage/bin/vtfilter" "$stage"/lib/*.so.*
archive=$work/$name-linux-x86_64.tar.xz
tar -C "$work/stage" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$time" --format=gnu -cf - "$name" |
  xz -9e -T1 > "$archive.part"
mv "$archive.part" "$archive"
size() { echo $(($(du -sb --apparent-size "$@" | awk '{ n += $1 } END { print n }') / 100000)) | sed 's/.$/.&/'; }
echo "$archive, $(size "$archive") MB; unpacked $(size "$stage") MB, of which libav $(size "$stage"/lib/libav* "$stage"/lib/libsw*) MB"
