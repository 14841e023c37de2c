#!/usr/bin/env bash
# Make the virtual environment VENV hold exactly what requirements.lock pins:  tools/setup.sh PYTHON VENV
# The copy of the lock inside it is the mark of a finished installation, so an interrupted one starts over.
set -euo pipefail
python=$1 venv=$2

refuse() {
    printf 'splitdeconv: %s\n' "$1" >&2
    printf '  %s\n' "${@:2}" >&2
    exit 1
}

machine=$(uname -sm)
[ "$machine" = "Linux x86_64" ] || refuse "requirements.lock is for Linux on x86-64; this is $machine." \
    "environment.yml describes the same environment for conda; see CONTRIBUTING.md."
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') || refuse "$python does not start." \
    "Install Python 3.11, 3.12 or 3.13, or name one:  make setup PYTHON=/path/to/python3"
case $version in
    3.11 | 3.12 | 3.13) ;;
    *) refuse "Python 3.11 to 3.13 is needed; $python is $version." \
        "Name another one:  make setup PYTHON=python3.12" ;;
esac
"$python" -c 'import venv, ensurepip' 2>/dev/null || refuse "$python cannot make virtual environments (venv or ensurepip is missing)." \
    "Debian and Ubuntu keep them in a package of their own:  apt install python$version-venv"

mark=$venv/requirements.lock
if cmp -s requirements.lock "$mark" && [ -x "$venv/bin/python$version" ] &&
    [ -z "$(tools/missing.sh "$venv" all)" ]; then
    touch "$mark"
    exit 0
fi

echo "Installing the packages of requirements.lock into $venv (Python $version); this takes a few minutes."
rm -f "$mark" "$venv/.files"
"$python" -m venv --clear "$venv"
PIP_USER=0 "$venv/bin/python" -m pip install --disable-pip-version-check --require-hashes -r requirements.lock ||
    refuse "the packages were not installed; pip says why above." "Put it right and run the same command again."
tools/missing.sh "$venv" record
cp requirements.lock "$mark.part"
mv "$mark.part" "$mark"
