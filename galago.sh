#!/usr/bin/env bash
# Everything at once, from any folder:
#   ./galago.sh demo     installs packages, builds the program, lets the small model in examples/ describe a picture
#   ./galago.sh build    installs packages, builds everything
#   ./galago.sh test     the same, then a few seconds of fuzzing (where clang is installed) and all tests
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
jobs=${GALAGO_JOBS:-$(nproc)}
fuzz_seconds=${GALAGO_FUZZ_SECONDS:-5}

timed() {  # timed NAME command...
  local name=$1 start=$SECONDS
  shift
  "$@"
  echo "galago.sh: $name took $((SECONDS - start)) s" >&2
}

configure() { cmake --preset "$1" >"$(log "$1-configure")" || { cat "$(log "$1-configure")" >&2; exit 1; }; }
log() { mkdir -p build && echo "build/$1.log"; }
build() {  # build PRESET target...
  local preset=$1
  shift
  timed "configuring $preset" configure "$preset"
  timed "building $preset" cmake --build --preset "$preset" -j "$jobs" ${*:+--target "$@"}
}

fuzz() {
  build fuzz fuzzers
  timed fuzzing tests/fuzz/run.sh "$fuzz_seconds"
}

demo() {
  build release galago
  local command=(run examples/models/nano-scenes.gguf --image examples/pictures/picnic.png)
  echo "\$ galago ${command[*]}" >&2
  build/release/galago "${command[@]}"
}

run_tests() {
  build release
  if command -v clang++ >/dev/null; then fuzz; else echo "galago.sh: no clang++, so no fuzzing (./setup.sh --dev)" >&2; fi
  ctest --preset release -j "$jobs"
}

case ${1:-} in
  demo) timed setup ./setup.sh; demo ;;
  build) timed setup ./setup.sh; build release ;;
  test) timed setup ./setup.sh; run_tests ;;
  *) sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
