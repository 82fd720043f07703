#!/usr/bin/env bash
# Install the MONAI Label server and this project into a virtual environment of their own.
#
#   scripts/install_label.sh [VENV] [PROJECT]
#
# VENV is the folder of the environment (.venv-label), PROJECT what to install beside the server: a checkout (this one) or
# a wheel. PYTHON names the interpreter (python3.11). Everything comes from the package registry that pip is set up for.
#
# monailabel 0.8.5 is installed without its requirements (--no-deps, which pip knows neither in an extra nor in a
# requirements file), since two of them cannot be together with this project's: see docs/annotation.md.
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
venv="${1:-.venv-label}"
project="${2:-$root}"
python="${PYTHON:-$(command -v python3.11 || command -v python3)}"

"$python" -m venv "$venv"
pip=("$venv/bin/python" -m pip --disable-pip-version-check install --quiet
     -c "$root/constraints.txt" -c "$root/constraints-label.txt")
"${pip[@]}" setuptools wheel
# torch first and pinned: asked for by another package, pip would take the newest build
"${pip[@]}" torch
"${pip[@]}" --no-deps monailabel
"${pip[@]}" -r "$root/requirements-label.txt"
if [ -d "$project" ]; then
  "${pip[@]}" --no-build-isolation -e "$project[dicom]"
else
  "${pip[@]}" "$project[dicom]"
fi
"$venv/bin/python" - <<'PY'
import monai_tbkd.label.server  # the server with its guard can be imported

print("monailabel and monai_tbkd can be imported together.")
PY
