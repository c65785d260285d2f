#!/bin/sh
# Runs a pinned uv on .venv. It lies in a folder of it that goes again: once all is installed, nobody
# needs its 37 MiB.
set -eu
version=0.13.9
folder=$(mktemp -d .venv/uv-XXXXXX)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
.venv/bin/python -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$version"
"$folder/bin/uv" "$@"
