#!/usr/bin/env bash
# Everything that needs a card, in one call of under ten minutes: the extra, every kernel against
# the reference, the tests marked gpu, the benchmark, which writes docs/results/gpu.md, and
# compute-sanitizer. A part that fails or runs out of its time is named and the rest goes on; what
# came of each is added to the page.
#   benchmarks/gpu.sh           in .venv; `make develop`, if it is missing, is not counted
#   benchmarks/gpu.sh --plan    what would run, and for how long at most; needs no card
#   PYTHON=/path/to/python SECONDS_IN_ALL=575 PAGE=docs/results/gpu.md benchmarks/gpu.sh
set -uo pipefail
cd "$(dirname "$0")/.."
in_all=${SECONDS_IN_ALL:-575}
page=${PAGE:-docs/results/gpu.md}
plan=0
[ "${1:-}" = "--plan" ] && plan=1
if [ $plan = 0 ] && ! nvidia-smi -L >/dev/null 2>&1; then
  echo "no card: nvidia-smi shows none" >&2
  exit 2
fi
if [ -z "${PYTHON:-}" ]; then
  PYTHON=.venv/bin/python
  [ $plan = 1 ] || [ -x "$PYTHON" ] || make develop || exit 1
fi
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"

begun=$SECONDS
failed=0
log=$(mktemp)
checks=$(mktemp)
trap 'rm -f "$log" "$checks"' EXIT

# step NAME MOST KEPT COMMAND...: run for MOST seconds at most, and leave KEPT to what comes later.
# {} in an argument becomes the seconds.
step() {
  local name=$1 most=$2 kept=$3 rest code began=$SECONDS seconds outcome
  shift 3
  rest=$((in_all - (SECONDS - begun) - kept))
  seconds=$((rest < most ? rest : most))
  if [ $plan = 1 ]; then
    echo "$name, at most $most s: ${*//\{\}/$most}"
    return 0
  fi
  echo "== $name (at most $seconds s)"
  if [ $seconds -lt 10 ]; then
    echo "no time left" | tee "$log"
    code=124
  else
    timeout -k 5 $((seconds + 10)) "${@//\{\}/$seconds}" 2>&1 | tee "$log"
    code=${PIPESTATUS[0]}
  fi
  case $code in
    0) outcome=passed ;;
    124 | 137) outcome="out of time" ;;
    *) outcome="FAILED, status $code" ;;
  esac
  [ "$code" = 0 ] || { failed=1; echo "$name: $outcome" >&2; }
  echo "| $name | $outcome | $((SECONDS - began)) | $(grep -v '^ *$' "$log" | tail -n 1 | tr '|' '/' | cut -c 1-160) |" >>"$checks"
  return "$code"
}

driver=$(nvidia-smi 2>/dev/null | sed -n 's/.*CUDA[^:]*Version: \([0-9]*\)\..*/\1/p' | head -n 1)
extra=cuda$([ "${driver:-12}" -ge 13 ] && echo 13 || echo 12)
lacking='import sys; from htmrun.backends.cuda.cards import lacking; sys.exit(lacking() is not None)'
if [ $plan = 1 ] || ! "$PYTHON" -c "$lacking"; then
  step "installing the extra $extra" 150 400 "$PYTHON" -m pip install --quiet --editable ".[$extra]"
  if [ $plan = 0 ] && ! "$PYTHON" -c "$lacking"; then
    "$PYTHON" -c 'from htmrun.backends.cuda.cards import lacking; print("cannot run: found no", lacking())' >&2
    exit 1
  fi
fi

step "all kernels against the reference" 60 400 "$PYTHON" -m tests.helpers.card_tour --seconds {}
# Most of the tests' time is the processor's: kernels are compiled, hashes compared.
workers=$(nproc)
[ "$workers" -le 12 ] || workers=12
"$PYTHON" -c 'import xdist' 2>/dev/null || workers=0
step "tests that need a card" 150 260 "$PYTHON" -m pytest -m gpu -q -p no:cacheprovider -n "$workers" tests
step "benchmark" 230 60 "$PYTHON" benchmarks/on_card.py --write --seconds {}

find_sanitizer() {
  local folder
  folder=$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])' 2>/dev/null)
  command -v compute-sanitizer ||
    ls /usr/local/cuda*/bin/compute-sanitizer "$folder"/nvidia/*/bin/compute-sanitizer 2>/dev/null | head -n 1
}
sanitizer=$(find_sanitizer)
if [ $plan = 1 ] || [ -z "$sanitizer" ]; then
  package=nvidia-cuda-sanitizer-api
  [ "$extra" = cuda13 ] || package=$package-cu12
  step "installing compute-sanitizer" 40 60 "$PYTHON" -m pip install --quiet "$package"
  sanitizer=$(find_sanitizer)
fi
# The package of CUDA 12 has it without the right to run, and its libraries in another folder.
options=()
if [ -n "$sanitizer" ]; then
  folder=$(dirname "$sanitizer")/..
  [ -x "$sanitizer" ] || chmod +x "$sanitizer" "$folder"/compute-sanitizer/* 2>/dev/null
  [ ! -e "$folder/lib/libsanitizer-collection.so" ] || options=(--injection-path "$folder/lib")
fi
later=3
for tool in memcheck racecheck synccheck initcheck; do
  step "compute-sanitizer $tool" 60 $((later * 15)) "${sanitizer:-compute-sanitizer}" "${options[@]}" \
    --tool "$tool" --error-exitcode 3 "$PYTHON" -m tests.helpers.card_tour --small --seconds {}
  later=$((later - 1))
done
[ $plan = 1 ] && exit 0

{
  echo
  echo "### Checks"
  echo
  echo "$(nvidia-smi -L | head -n 1 | sed 's/ (UUID.*//'), $(date +%Y-%m-%d)."
  echo
  echo "| part | outcome | seconds | its last line |"
  echo "| --- | --- | --- | --- |"
  cat "$checks"
} | tee -a "$page"
echo "$((SECONDS - begun)) s in all; figures are in $page"
exit $failed
