#!/usr/bin/env bash
# Makes the man pages: those that swift-argument-parser's generator makes of the program's help, called
# vtfilter-encode as `man vtfilter encode` looks for them, with EXAMPLES and the exit statuses under
# headings of their own. `vtfilter.encode`, which pages were called before, leads to them.
#
#   [SOURCE=version] docs/man-pages.sh GENERATE-MANUAL VTFILTER FOLDER
set -euo pipefail
generator=$1 program=$2 folder=$3
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
"$generator" --multi-page --output-directory "$made" "$program"
# One list for all of them, as the program's own help says it.
statuses=$(sed -n 's/^Exit status: //p' "$made/vtfilter.1")
[ -n "$statuses" ] || { echo "man pages: the help does not say the exit statuses" >&2; exit 1; }
rm -rf "$folder" && mkdir -p "$folder"
for page in "$made"/*.1; do
  name=$(basename "$page" .1)
  awk -v statuses="$statuses" -v source="${SOURCE:-}" '
    /^\.Dt / { sub(/VTFILTER\./, "VTFILTER-"); print; next }
    # A name without blanks is what whatis and apropos find.
    /^\.Nm "vtfilter / { name = $0; sub(/vtfilter /, "vtfilter-"); gsub(/"/, ""); print; next }
    /^\.Nd "[^"]*"$/ { gsub(/"/, "") }
    /^\.Nm$/ && name { print name; next }
    /^\.Os/ { print ".Os vtfilter " source; next }
    /^\.Xr / { sub(/vtfilter\./, "vtfilter-"); print; next }
    /^\.Sh DESCRIPTION/ { described = 1 }
    /^\.Sh "EXIT STATUS"/ {
      if (examples != "") print ".Sh EXAMPLES\n.Bd -literal\n" examples ".Ed"
      print ".Sh \"EXIT STATUS\"\n" statuses
      next
    }
    /^\.Ex / || /^Exit status: / { next }
    # From the heading to the options.
    described && /^Examples:$/ { inside = 1; next }
    inside && /^\./ { inside = 0 }
    inside { sub(/^  /, ""); examples = examples $0 "\n"; next }
    described && /^$/ { empty = 1; next }
    empty { if ($0 !~ /^\./) print ".Pp"; empty = 0 }
    { print }
  ' "$page" > "$folder/${name/./-}.1"
  [ "$name" = vtfilter ] || echo ".so man1/${name/./-}.1" > "$folder/$name.1"
done
