#!/usr/bin/env bash
# Every check, in the order of what it costs; `make test` and CI run exactly this. `deploy/test.sh unit` runs one step.
# Chaos mostly waits, so it goes on beside the other levels of tests; what it said is shown when they are through.
set -uo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"

static=(format lint types imports schemas)
levels=(unit contract integration e2e chaos)
steps=("${static[@]}" "${levels[@]}")
case "${1:-}" in
  "") ;;
  long)
    steps=(integration e2e chaos)
    export VIDARE_LONG=on VIDARE_TEST_TIPS="${VIDARE_TEST_TIPS:-20000}"
    export VIDARE_CHAOS_RECORDS="${VIDARE_CHAOS_RECORDS:-3000}" VIDARE_CHAOS_HOP_FAULTS="${VIDARE_CHAOS_HOP_FAULTS:-30}"
    export VIDARE_CHAOS_TIPS="${VIDARE_CHAOS_TIPS:-20000}" VIDARE_CHAOS_FAULTS="${VIDARE_CHAOS_FAULTS:-300}"
    ;;
  *) steps=("$@") ;;
esac

# One level of tests. Under `long` every test has time, else each is bounded by pyproject's time-out.
level() {
  if [ -n "${VIDARE_LONG:-}" ]; then
    pytest -q --timeout 7200 "tests/$1"
  else
    pytest -q -m "not long" "tests/$1"
  fi
}

run() {
  case "$1" in
    format) ruff format --check . ;;
    lint) ruff check . ;;
    types) mypy ;;
    imports) lint-imports --no-logo ;;
    schemas) python -m services.cli.commands.schemas --check ;;
    unit | contract | integration | e2e | chaos) level "$1" ;;
    *) printf 'no step %s; steps: %s %s\n' "$1" "${static[*]}" "${levels[*]}" >&2; return 2 ;;
  esac
}

failed=()
count=0
beside=
for step in "${steps[@]}"; do
  if [ "$step" = unit ] && [[ " ${steps[*]} " == *" chaos "* ]]; then
    said=$(mktemp)
    set -m  # a process group of its own, so that whoever stops this stops it too, with its broker
    (began=$SECONDS; run chaos; code=$?; printf '      chaos: %d s\n' $((SECONDS - began)); exit $code) >"$said" 2>&1 &
    beside=$!
    set +m
    trap 'kill -INT -- "-$beside" 2>/dev/null && wait "$beside"; rm -f "$said"' EXIT
  fi
  count=$((count + 1))
  printf '\n[%d/%d] %s\n' "$count" "${#steps[@]}" "$step"
  if [ "$step" = chaos ] && [ -n "$beside" ]; then
    wait "$beside" || failed+=(chaos)
    cat "$said"
    continue
  fi
  began=$SECONDS
  run "$step" || failed+=("$step")
  printf '      %s: %d s\n' "$step" $((SECONDS - began))
done

if [ ${#failed[@]} -gt 0 ]; then
  printf '\nFAILED: %s\n' "${failed[*]}"
  exit 1
fi
printf '\nall %d steps passed in %d s\n' "$count" "$SECONDS"
