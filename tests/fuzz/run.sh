#!/bin/sh
# Runs every fuzzer, or those named, over its seeds. usage: tests/fuzz/run.sh SECONDS [BUILD_FOLDER [NAME...]]
#   cmake --preset fuzz && cmake --build --preset fuzz && tests/fuzz/run.sh 600
# New inputs go to BUILD_FOLDER/fuzz/corpus/NAME and are used again next time; a crash and the logs are left in BUILD_FOLDER/fuzz.
set -eu
seconds=${1:?usage: tests/fuzz/run.sh SECONDS [BUILD_FOLDER [NAME...]]}
here=$(cd "$(dirname "$0")" && pwd)
build=${2:-$here/../../build/fuzz}
cd "$build/fuzz"
shift $(($# < 2 ? $# : 2))
names=$*
[ "$names" ] || names=$(cd "$here" && ls fuzz_*.cc | sed 's/^fuzz_//; s/\.cc$//')
./make_seeds seeds

status=0
for name in $names; do
  fuzzer=fuzz_$name
  corpus="corpus/$name"
  mkdir -p "$corpus"
  for seeds in "$here/corpus/$name" "seeds/$name"; do [ ! -d "$seeds" ] || corpus="$corpus $seeds"; done
  dictionary=
  [ ! -f "$here/$name.dict" ] || dictionary="-dict=$here/$name.dict"
  echo "$fuzzer: $seconds seconds"
  # shellcheck disable=SC2086 # lists
  "./$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=512 -max_len=65536 \
    -verbosity=0 -print_final_stats=1 -artifact_prefix="$fuzzer-" $dictionary $corpus >"$fuzzer.log" 2>&1 || {
    status=1
    grep -v '# Uses:' "$fuzzer.log" | tail -50
  }
  grep -e number_of_executed_units "$fuzzer.log" || true
done
exit $status
