#!/bin/sh
# Runs every fuzzer over its seeds. usage: tests/fuzz/run.sh SECONDS [BUILD_FOLDER]
#   cmake --preset fuzz && cmake --build --preset fuzz && tests/fuzz/run.sh 600
# New inputs go to BUILD_FOLDER/fuzz/corpus/NAME and are used again next time; a crash and the logs are left in BUILD_FOLDER/fuzz.
set -eu
seconds=${1:?usage: tests/fuzz/run.sh SECONDS [BUILD_FOLDER]}
here=$(cd "$(dirname "$0")" && pwd)
build=${2:-$here/../../build/fuzz}
cd "$build/fuzz"

status=0
for source in "$here"/fuzz_*.cc; do
  fuzzer=$(basename "$source" .cc)
  name=${fuzzer#fuzz_}
  mkdir -p "corpus/$name"
  echo "$fuzzer: $seconds seconds"
  "./$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 -verbosity=0 \
    -print_final_stats=1 -artifact_prefix="$fuzzer-" "corpus/$name" "$here/corpus/$name" >"$fuzzer.log" 2>&1 || {
    status=1
    grep -v '# Uses:' "$fuzzer.log" | tail -50
  }
  grep -e number_of_executed_units "$fuzzer.log" || true
done
exit $status
