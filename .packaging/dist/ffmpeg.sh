#!/usr/bin/env bash
# Builds of FFmpeg, from Debian's source package, what README and docs name, as shared libraries under the
# LGPL: FOLDER/libav/{include,lib}. With decoders and encoders of others that are not GPL: dav1d, built from its
# source too, libvpx and libwebp. Ten minutes on two cores, once.
#
#   .packaging/dist/ffmpeg.sh FOLDER      where portable_setup has been
#
# Exit status 75: no source to be had.
set -Eeuo pipefail
trap 'echo "$0: line $LINENO failed" >&2' ERR
here=$(realpath "$(dirname "$0")")
folder=$(realpath -m "$1")
lib=$folder/lib
. "$here/../portable/setup.sh"
list() { local IFS=,; echo "$*"; }

demuxers=(aac ac3 aiff apng asf av1 avi dts dv eac3 ffmetadata flac flv gif h263 h264 hevc image2 image2pipe
  image_bmp_pipe image_j2k_pipe image_jpeg_pipe image_pam_pipe image_pbm_pipe image_pgm_pipe image_pgmyuv_pipe
  image_png_pipe image_ppm_pipe image_tiff_pipe image_webp_pipe ivf m4v matroska mjpeg mov mp3 mpegps mpegts mpegvideo mxf nut obu ogg rawvideo
  vc1 w64 wav yuv4mpegpipe)
decoders=(apng bmp cinepak dnxhd dvvideo ffv1 ffvhuff flv gif h263 h263i h263p h264 hevc huffyuv
  jpeg2000 libdav1d mjpeg mjpegb mpeg1video mpeg2video mpeg4 mpegvideo msmpeg4v1 msmpeg4v2 msmpeg4v3 pam pbm pgm ppm
  png prores qtrle rawvideo svq1 svq3 theora tiff utvideo v210 v308 v410 vc1 vp6 vp6f vp8 vp9 webp wmv1
  wmv2 wmv3 wrapped_avframe
  aac aac_latm ac3 alac amrnb amrwb dca eac3 flac mp1float mp2float mp3float opus truehd vorbis wmalossless wmapro
  wmav1 wmav2 'adpcm_*' 'pcm_*')
encoders=(apng bmp dnxhd dvvideo ffv1 ffvhuff flv gif h263 h263p huffyuv libvpx_vp8 libvpx_vp9 libwebp ljpeg
  mjpeg mpeg1video mpeg2video mpeg4 msmpeg4v2 msmpeg4v3 pgm png ppm prores prores_ks qtrle rawvideo tiff utvideo
  v210 wmv1 wmv2 wrapped_avframe
  aac ac3 alac eac3 flac mp2 opus pcm_f32le pcm_s16be pcm_s16le pcm_s24le pcm_s32le wmav1 wmav2)
muxers=(apng asf avi dv ffmetadata flv framemd5 gif h263 h264 hevc image2 image2pipe ipod ivf m4v matroska mjpeg
  mov mp4 mpeg1system mpeg1video mpeg2video mpeg2vob mpegts mxf nut obu ogg ogv psp rawvideo tg2 tgp webm webp
  yuv4mpegpipe)
filters=(abuffer abuffersink aformat anull aresample buffer buffersink bwdif crop format hflip null pad scale
  transpose vflip)
settings="--enable-shared --disable-static --disable-everything --disable-autodetect --disable-programs
  --disable-doc --disable-network --disable-avdevice --disable-debug --enable-runtime-cpudetect
  --enable-libdav1d --enable-libvpx --enable-libwebp --enable-zlib
  --enable-protocol=file,pipe --enable-demuxer=$(list "${demuxers[@]}") --enable-decoder=$(list "${decoders[@]}")
  --enable-encoder=$(list "${encoders[@]}") --enable-muxer=$(list "${muxers[@]}") --enable-parsers --enable-bsfs
  --enable-filter=$(list "${filters[@]}") --extra-cflags=@portable/cflags --extra-ldflags=@portable/flags --prefix=/usr"
wanted="$settings $(cat "$folder"/glibc.o "$folder"/old-*.so.* | cksum)"
[ "$(cat "$folder/libav/made" 2> /dev/null)" != "$wanted" ] || exit 0

for package in dav1d ffmpeg; do
  mkdir -p "$folder/$package"
  bash "$here/../portable/source.sh" "$package" "$folder/$package" || exit $?
done
rm -rf "$folder/libav" && mkdir "$folder/libav"
log=$folder/libav.log
run() { "$@" >> "$log" 2>&1 || { tail -n 30 "$log" >&2; echo "$1 failed" >&2; exit 1; }; }
: > "$log"
echo "FFmpeg $(cat "$folder/ffmpeg/tree/RELEASE"), in $folder: ten minutes" >&2

if [ ! -e "$folder/dav1d/done" ]; then
  rm -rf "$folder/dav1d/build"
  run meson setup --buildtype release --default-library static --libdir lib --prefix "$folder/dav1d/installed" \
    -Denable_tools=false -Denable_tests=false "$folder/dav1d/build" "$folder/dav1d/tree"
  run meson install -C "$folder/dav1d/build"
  touch "$folder/dav1d/done"
fi
ln -sf "$folder/dav1d/installed/lib/libdav1d.a" "$lib/libdav1d.a"
portable_static "$lib" vpx webp webpmux
while read -r name library; do
  printf '%s\n' "Name: $name" 'Description: static' "Version: $(PKG_CONFIG_PATH=$folder/dav1d/installed/lib/pkgconfig pkg-config --modversion "$name")" \
    "Libs: -L$lib -l$library -lm" "Cflags: -I$folder/dav1d/installed/include" > "$lib/pkgconfig/$name.pc"
done <<< $'dav1d dav1d\nvpx vpx\nlibwebp webp\nlibwebpmux webpmux'

# By a name inside the tree, so that FFmpeg's configuration, which the libraries carry, says no folder.
tree=$folder/ffmpeg/tree
ln -sfn "$folder" "$tree/portable"
# The libraries find each other. They read what strangers send: hardened as Debian's are.
echo -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 > "$folder/cflags"
{
  echo '-Wl,-rpath,$ORIGIN' -Wl,-z,relro -Wl,-z,now -Lportable/lib
  echo -Wl,--no-as-needed portable/glibc.o portable/old-libpthread.so.0 portable/old-libdl.so.2
  nm "$folder/glibc.o" | sed -n 's/.* T __wrap_/-Wl,--wrap=/p'
} > "$folder/flags"
cd "$tree"
# shellcheck disable=SC2086
PKG_CONFIG_LIBDIR=$lib/pkgconfig PKG_CONFIG_PATH='' run ./configure $settings
find "$tree" -name 'lib*.so*' -delete  # linked again with what is in those flags
run make -j "$(nproc)"
run make install DESTDIR="$folder/libav/root"
mv "$folder/libav/root/usr/include" "$folder/libav/root/usr/lib" "$folder/libav/"
rm -rf "$folder/libav/root" "$folder/libav/lib/pkgconfig"
for name in libavfilter libavformat libavcodec libavutil libswscale; do
  version=$(sed -n "s/^Version: //p" "$tree/$name/$name.pc")
  printf '%s\n' "Name: $name" 'Description: of the tarball' "Version: $version" \
    "Libs: -L$folder/libav/lib -l${name#lib}" "Cflags: -I$folder/libav/include" > "$lib/pkgconfig/$name.pc"
done
echo ./configure $settings > "$folder/libav/configure-line"
echo "$wanted" > "$folder/libav/made"
