#!/usr/bin/env bash
# Print the first file that an environment has lost since it was installed:  tools/missing.sh VENV [all]
# Without `all` only bin/ and the outermost files of each package are looked for: a tenth of a second.
# `tools/missing.sh VENV record` writes the list of files that this compares with.
set -euo pipefail
export LC_ALL=C
venv=$1 list=$1/.files

files() {
    find "$venv/bin" "$venv"/lib/python*/site-packages "$@" \
        -name __pycache__ -prune -o ! -type d -printf '%P\n' 2>/dev/null | sort
}

case ${2:-} in
    record) files >"$list" ;;
    all) [ ! -f "$list" ] || files | comm -13 - "$list" | sed -n 1p ;;
    # A name of the list has at most one slash within two levels.
    *) [ ! -f "$list" ] || files -maxdepth 2 | comm -13 - <(grep -v '/.*/' "$list") | sed -n 1p ;;
esac
"$venv/bin/python" -S -E -c '' 2>/dev/null || echo "bin/python, which does not start"
