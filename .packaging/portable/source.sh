#!/usr/bin/env bash
# A source package of Debian's, from the machine's own mirror, unpacked with Debian's changes to it, fixes of
# security among them; nothing of the machine's configuration is changed.
#
#   .packaging/portable/source.sh PACKAGE FOLDER [SUITE [PATCHES]]
#
# in FOLDER/tree. SUITE, if not the machine's; PATCHES: a pattern of the names of the changes to make, if not all.
# Exit status 75: it cannot be had (no apt, no network).
set -Eeuo pipefail
trap 'echo "$0: line $LINENO failed" >&2' ERR
package=$1 folder=$(realpath -m "$2") suite=${3:-} patches=${4:-*}
[ ! -e "$folder/tree/.unpacked" ] || exit 0
command -v apt-get > /dev/null || exit 75
apt=$folder/apt
rm -rf "$apt" "$folder/tree" && mkdir -p "$apt/parts" "$apt/lists/partial" "$apt/archives/partial"
for file in /etc/apt/sources.list.d/*.sources; do
  grep -qs '^Signed-By:.*/debian-archive-keyring' "$file" || continue
  # A suite is in the main archive only: the paragraph of security updates is left out then.
  sed -E "/^#/d; s/^Types:.*/Types: deb-src/; ${suite:+s/^Suites:.*/Suites: $suite/}" "$file" |
    awk -v RS= -v ORS='\n\n' -v all="${suite:-1}" 'all == 1 || !/security/' > "$apt/parts/$(basename "$file")"
done
options=(-qq -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$apt/parts"
  -o "Dir::State::Lists=$apt/lists" -o "Dir::Cache=$apt" -o APT::Sandbox::User= -o Acquire::Retries=2)
apt-get "${options[@]}" update >&2 || exit 75
(cd "$folder" && rm -f "${package}"_* && apt-get "${options[@]}" source --download-only "$package" >&2) || exit 75
mkdir "$folder/tree"
tar -C "$folder/tree" --strip-components 1 -xf \
  "$(find "$folder" -maxdepth 1 -name "${package}_*.orig.tar.*" ! -name '*.asc')"
tar -C "$folder/tree" -xf "$(find "$folder" -maxdepth 1 -name "${package}_*.debian.tar.*")"
while read -r name _; do
  # shellcheck disable=SC2053
  [[ -z $name || $name == \#* || $name != $patches ]] || patch -s -d "$folder/tree" -p1 < "$folder/tree/debian/patches/$name"
done < <(cat "$folder/tree/debian/patches/series" 2> /dev/null || true)
touch "$folder/tree/.unpacked"
