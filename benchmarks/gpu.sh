#!/usr/bin/env bash
# Everything that needs a card, in one call of under ten minutes: the extra, the tests marked gpu,
# compute-sanitizer where it is installed, and the benchmark, which writes docs/results/gpu.md.
#   benchmarks/gpu.sh                     in .venv, made by `make develop` if it is missing
#   PYTHON=/path/to/python benchmarks/gpu.sh
set -uo pipefail
cd "$(dirname "$0")/.."
if ! command -v nvidia-smi >/dev/null 2>&1 || ! nvidia-smi -L >/dev/null 2>&1; then
  echo "no card: nvidia-smi shows none" >&2
  exit 2
fi
nvidia-smi -L

if [ -z "${PYTHON:-}" ]; then
  PYTHON=.venv/bin/python
  [ -x "$PYTHON" ] || make develop || exit 1
fi
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
driver=$(nvidia-smi | sed -n 's/.*CUDA Version: \([0-9]*\)\..*/\1/p' | head -n 1)
extra=cuda$([ "${driver:-12}" -ge 13 ] && echo 13 || echo 12)
if ! "$PYTHON" -c 'import sys; from htmrun.backends.cuda.cards import lacking; sys.exit(lacking() is not None)'; then
  echo "installing the extra $extra"
  timeout 150 "$PYTHON" -m pip install --quiet --editable ".[$extra]" || exit 1
fi

failed=0
step() {
  echo "== $1"
  shift
  "$@" || { failed=1; echo "FAILED ($?): $*" >&2; }
}
step "tests that need a card" timeout 200 "$PYTHON" -m pytest -m gpu -q -p no:cacheprovider tests
if command -v compute-sanitizer >/dev/null 2>&1; then
  for tool in memcheck racecheck synccheck initcheck; do
    step "compute-sanitizer $tool" timeout 45 compute-sanitizer --tool "$tool" \
      --error-exitcode 3 "$PYTHON" -m tests.card_tour
  done
else
  echo "== compute-sanitizer is not installed: left out"
fi
step "benchmark" timeout 200 "$PYTHON" benchmarks/cuda.py --write --minutes 2.5
exit $failed
