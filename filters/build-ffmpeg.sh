#!/usr/bin/env bash
# Builds a minimal ffmpeg with the vidtwin filter from Debian's source, in a cache outside the
# project, and prints the program's path.
#
#   filters/build-ffmpeg.sh [PREFIX]      where libvidtwin is; without it where pkg-config finds it
#
# VIDTWIN_FFMPEG_SUITE names another Debian suite than the machine's (trixie, sid: newer FFmpegs).
# Exit status 75: the source cannot be had (no apt, no source entry, no network).
set -euo pipefail
here=$(realpath "$(dirname "$0")")
suite=${VIDTWIN_FFMPEG_SUITE:-}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/vidtwin/ffmpeg${suite:+-$suite}
mkdir -p "$cache"
exec 9> "$cache/lock" && flock 9
if [ $# -gt 0 ]; then
  # By a name of the cache's: configure splits flags at blanks, and one name means one build.
  ln -sfn "$(realpath "$1")" "$cache/prefix"
  export PKG_CONFIG_PATH=$cache/prefix/lib/pkgconfig
fi
say() { echo "$@" >&2; }

# Debian's own mirror, as the machine is configured, with its source packages; nothing of the
# machine's configuration is changed.
fetch() {
  command -v apt-get > /dev/null || return 75
  local apt=$cache/apt file
  rm -rf "$apt/parts" && mkdir -p "$apt/parts" "$apt/lists/partial" "$apt/archives/partial"
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
    [ -f "$file" ] || continue
    case $file in
      *.sources)
        grep -q '^Signed-By:.*/debian-archive-keyring' "$file" || continue
        sed -E "s/^Types:.*/Types: deb-src/; ${suite:+s/^Suites:.*/Suites: $suite/}" "$file" \
          > "$apt/parts/$(basename "$file")" ;;
      *.list)
        sed -nE "s/^deb (\[[^]]*\] )?([^ ]*\/debian\/?) ([^ ]*) /deb-src \1\2 ${suite:-\\3} /p" "$file" \
          > "$apt/parts/$(basename "$file")" ;;
    esac
  done
  [ "$suite" ] && sed -i '/^# /d' "$apt"/parts/*
  # A suite is in the main archive only, so that of security updates is left out.
  if [ "$suite" ]; then
    awk -v RS= -v ORS='\n\n' '!/security/' "$apt/parts/debian.sources" > "$apt/one" 2> /dev/null &&
      mv "$apt/one" "$apt/parts/debian.sources"
  fi
  local options=(-qq -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$apt/parts"
    -o "Dir::State::Lists=$apt/lists" -o "Dir::Cache=$apt" -o APT::Sandbox::User= -o Acquire::Retries=2)
  apt-get "${options[@]}" update >&2 || return 75
  (cd "$cache" && rm -f ffmpeg_* && apt-get "${options[@]}" source --download-only ffmpeg >&2) ||
    return 75
  rm -rf "$cache/tree" && mkdir "$cache/tree"
  tar -C "$cache/tree" --strip-components 1 -xf \
    "$(find "$cache" -maxdepth 1 -name 'ffmpeg_*.orig.tar.*' ! -name '*.asc')" || return 1
  touch "$cache/tree/.unpacked"
}

[ -f "$cache/tree/.unpacked" ] || fetch || exit 75
tree=$cache/tree
say "FFmpeg $(cat "$tree/RELEASE"), in $cache"
"$here/register.sh" "$tree"

# What the tests need, and nothing else.
settings="--disable-everything --disable-autodetect --disable-doc --disable-network --disable-ffplay
  --disable-ffprobe --disable-debug --enable-libvidtwin
  --enable-protocol=file,pipe --enable-demuxer=rawvideo,nut,matroska,mov
  --enable-muxer=rawvideo,nut,framemd5,null --enable-encoder=rawvideo,wrapped_avframe
  --enable-decoder=rawvideo,h264,wrapped_avframe --enable-parser=h264 --enable-swscale
  --enable-filter=vidtwin,scale,crop,format,null,setpts,select,testsrc,testsrc2,mandelbrot,trim,vflip,metadata,buffer,buffersink,fps,settb
  --enable-indev=lavfi"
pc=$(pkg-config --cflags --libs --modversion vidtwin)
pc+=" $(cksum < "$(pkg-config --variable=includedir vidtwin)/vidtwin.h")"
if [ "$(cat "$tree/.settings" 2> /dev/null)" != "$settings $pc" ]; then
  rm -f "$tree/.settings"  # whoever is interrupted here leaves none
  # shellcheck disable=SC2086
  (cd "$tree" && ./configure $settings > configure.log 2>&1) ||
    { tail -n 20 "$tree/configure.log" >&2; exit 1; }
  echo "$settings $pc" > "$tree/.settings"
fi
make -C "$tree" -j "$(nproc)" ffmpeg > "$tree/make.log" 2>&1 || { tail -n 30 "$tree/make.log" >&2; exit 1; }
if grep -A 3 'vf_vidtwin.c:.*warning' "$tree/make.log" >&2; then say "warnings in vf_vidtwin.c"; exit 1; fi
echo "$tree/ffmpeg"
