# What links programs and libraries so that they ask for as old a glibc as they can, and for no other library:
# sourced by what packs them.
#
#   portable_setup FOLDER      makes FOLDER/lib, with static libraries alone, and FOLDER/flags for the linker
#   portable_onednn FOLDER     adds oneDNN to it; status 75 where its source cannot be had
#   portable_licenses FOLDER TO   copies terms of what is linked from FOLDER/lib
#
# swift_flags is what Swift is given then, for programs program_flags too; PKG_CONFIG_PATH is set.
portable=$(realpath "$(dirname "${BASH_SOURCE[0]}")")

portable_setup() {
  local work=$1 name library
  local lib=$work/lib
  # A folder that the linker looks into first, with static libraries alone: all are Debian's, but for oneDNN.
  # Swift names to the linker first what pkg-config says.
  mkdir -p "$lib/pkgconfig"
  while read -r name library; do
    printf '%s\n' "Name: $name" 'Description: static' "Version: $(pkg-config --modversion "$name")" \
      "Libs: -L$lib -l$library" > "$lib/pkgconfig/$name.pc"
  done <<< $'libcrypto crypto\nlibdeflate deflate\nyaml-0.1 yaml\nzlib z'
  export PKG_CONFIG_PATH=$lib/pkgconfig
  for name in crypto deflate yaml z stdc++; do portable_static "$lib" "$name"; done
  gcc -O2 -fPIC -fvisibility=hidden -Wall -Wextra -Werror -c "$portable/glibc.c" -o "$work/glibc.o"
  # What the linker sees of three libraries is what they had in old systems: functions that came to libc with
  # glibc 2.34, or under a newer version since 2.26. New systems have them under these names too. Swift names -lm
  # before all that can be said here.
  portable_old "$work" libpthread.so.0 libc.so.6 '^(pthread|sem)_' moved
  portable_old "$work" libdl.so.2 libc.so.6 '^dl' moved
  portable_old "$work" libm.so.6 libm.so.6 '^[a-z_]' all
  ln -sf "$work/old-libm.so.6" "$lib/libm.so"
  swift_flags=(-Xlinker "$work/glibc.o")
  while read -r name; do swift_flags+=(-Xlinker "--wrap=$name"); done < <(
    nm "$work/glibc.o" | sed -n 's/.* T __wrap_//p')
  swift_flags+=(-Xlinker "$work/old-libpthread.so.0" -Xlinker "$work/old-libdl.so.2")
  # For programs besides.
  gcc -O2 -fPIE -fvisibility=hidden -Wall -Wextra -Werror -c "$portable/start.c" -o "$work/start.o"
  program_flags=(-Xlinker "$work/start.o" -Xlinker --wrap=__libc_start_main)
}

# portable_static FOLDER NAME...: libNAME.a of the system, in FOLDER.
portable_static() {
  local lib=$1 name
  shift
  for name in "$@"; do
    ln -sf "$(gcc -print-file-name="lib$name.a")" "$lib/lib$name.a"
    [ -e "$lib/lib$name.a" ] || { echo "expected a static lib$name, found none" >&2; exit 1; }
  done
}

# portable_old FOLDER SONAME FROM PATTERN WHICH: a library to link with that has functions of the system's FROM at
# the newest version that each had in glibc 2.25; WHICH: all, or moved, those with a newer version.
portable_old() {
  local work=$1 soname=$2 from=$3 pattern=$4 which=$5
  nm -D --with-symbol-versions "$(gcc -print-file-name="$from")" |
    sed -nE 's/^[0-9a-f]+ [TWi] ([A-Za-z0-9_]+)@@?GLIBC_2\.([0-9.]+)$/\1 \2/p' |
    awk -v pattern="$pattern" -v which="$which" -v source="$work/old.c" -v map="$work/old.map" '
      function number(version,  part) { split(version, part, "."); return part[1] * 1000 + part[2] }
      $1 !~ pattern { next }
      number($2) > 25999 { newer[$1] = 1; next }
      !($1 in best) || number($2) > number(best[$1]) { best[$1] = $2 }
      END {
        for (name in best) if (which == "all" || name in newer) {
          print "void " name "(void) {}" > source
          of[best[name]] = of[best[name]] " " name ";"
        }
        for (version in of) print "GLIBC_2." version " { global:" of[version] " };" > map
      }'
  gcc -shared -nostdlib -fno-builtin -w "-Wl,-soname,$soname" "-Wl,--version-script=$work/old.map" \
    "$work/old.c" -o "$work/old-$soname"
}

# The wheel and the tarball share one, which is half an hour of compiling.
portable_onednn() {
  local work=$1 status=0
  local onednn; onednn=$(realpath -m "$portable/../../.build-wheel/onednn")
  bash "$portable/onednn.sh" "$onednn" || status=$?
  if [ $status != 0 ]; then
    rm -f "$work/lib/libdnnl.a" "$work/lib/libgomp.a"
    return $status
  fi
  ln -sf "$onednn/lib/libdnnl.a" "$work/lib/libdnnl.a" && rm -f "$work/lib/libgomp.a" &&
    gcc -O2 -fPIC -Wall -Wextra -Werror -c "$portable/no-openmp.c" -o "$work/no-openmp.o" &&
    ar rcs "$work/lib/libgomp.a" "$work/no-openmp.o" || return 1
  swift_flags+=(-Xcc "-I$onednn/include")
}

portable_licenses() {
  local lib=$1/lib to=$2 package file swift
  for package in libssl-dev libdeflate-dev libyaml-dev zlib1g-dev \
    "$(dpkg -S "$(realpath "$lib/libstdc++.a")" | cut -d: -f1)"; do
    cp "/usr/share/doc/$package/copyright" "$to/$package.txt"
  done
  swift=$(realpath "$(command -v "${SWIFT:-swift}")")
  find "${swift%/bin/*}/share/swift" -maxdepth 1 -name 'LICENSE*' -exec cp {} "$to/swift.txt" \;
  [ -e "$lib/libdnnl.a" ] || return 0
  for file in LICENSE THIRD-PARTY-PROGRAMS; do
    cp "$(dirname "$(realpath "$lib/libdnnl.a")")/../tree/$file" "$to/onednn-$file.txt"
  done
}
