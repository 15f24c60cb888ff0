#!/usr/bin/env bash
# Adds the vidtwin filter to an FFmpeg source tree (5.1 to 9); running it again changes nothing.
#
#   filters/register.sh FFMPEG_SOURCE
set -euo pipefail
[ $# = 1 ] && [ -f "$1/libavfilter/allfilters.c" ] || {
  echo "usage: register.sh FFMPEG_SOURCE, a folder with libavfilter/allfilters.c" >&2
  exit 2
}
tree=$1
here=$(realpath "$(dirname "$0")")

# insert FILE ANCHOR TEXT: puts TEXT before the first line that matches ANCHOR, once.
insert() {
  local file=$tree/$1 anchor=$2 text=$3 line
  if grep -qxF -- "$text" "$file"; then return; fi
  line=$(grep -nE -m 1 -- "$anchor" "$file" | cut -d : -f 1) || true
  [ -n "$line" ] || { echo "$file: no line like /$anchor/: not an FFmpeg that is known here" >&2; exit 1; }
  { head -n $((line - 1)) "$file"; printf '%s\n' "$text"; tail -n +"$line" "$file"; } > "$file.vidtwin"
  cat "$file.vidtwin" > "$file"  # keeps the file's mode
  rm "$file.vidtwin"
}

cmp -s "$here/vf_vidtwin.c" "$tree/libavfilter/vf_vidtwin.c" ||
  cp "$here/vf_vidtwin.c" "$tree/libavfilter/vf_vidtwin.c"
insert configure '^  --enable-libvmaf ' \
  '  --enable-libvidtwin      enable vidtwin filter via libvidtwin [no]'
insert configure '^    libvmaf$' '    libvidtwin'
insert configure '^vidstabdetect_filter_deps=' 'vidtwin_filter_deps="libvidtwin"'
insert configure '^enabled libvmaf ' \
  'enabled libvidtwin        && require_pkg_config libvidtwin "vidtwin >= 0.1.0" vidtwin.h vidtwin_api_version'
insert libavfilter/Makefile '^OBJS-\$\(CONFIG_VIGNETTE_FILTER\)' \
  'OBJS-$(CONFIG_VIDTWIN_FILTER)                += vf_vidtwin.o'
type=$(sed -nE 's/^extern (const .*) ff_vf_vignette;/\1/p' "$tree/libavfilter/allfilters.c")
insert libavfilter/allfilters.c '^extern const .* ff_vf_vignette;' "extern $type ff_vf_vidtwin;"
