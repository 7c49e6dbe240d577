#!/usr/bin/env bash
# Installs the packages that galago needs with apt-get (tested on Debian 12); the only place that names them.
#   ./setup.sh            to build, test and run
#   ./setup.sh --dev      also formatting, linting, fuzzing
#   ./setup.sh --arm64    also the cross compiler, libraries and emulator for 64-bit ARM
set -euo pipefail

build=(g++ cmake ninja-build pkg-config ccache)
base=(libfmt-dev nlohmann-json3-dev libcli11-dev)
pictures=(libpng-dev libturbojpeg0-dev libjpeg-dev libwebp-dev libgif-dev zlib1g-dev)
video=(libavformat-dev libavcodec-dev libswscale-dev libavutil-dev)         # optional: frames of videos
text=(libutf8proc-dev)
scenes=(libfreetype-dev fonts-noto-color-emoji fonts-dejavu-core)          # generated pictures, curves of a run
training=(libtorch-dev libopenblas0-pthread libyaml-cpp-dev libprotobuf-dev protobuf-compiler)
evaluation=(libcpp-httplib-dev libssl-dev)
tests=(libgtest-dev unicode-data)
packages=("${build[@]}" "${base[@]}" "${pictures[@]}" "${video[@]}" "${text[@]}" "${scenes[@]}" "${training[@]}"
          "${evaluation[@]}" "${tests[@]}")
dev=(clang clang-format clang-tidy libclang-rt-14-dev)
arm64=(g++-aarch64-linux-gnu qemu-user libfmt-dev:arm64 libpng-dev:arm64 libturbojpeg0-dev:arm64
       libjpeg62-turbo-dev:arm64 libwebp-dev:arm64 libgif-dev:arm64 zlib1g-dev:arm64 libutf8proc-dev:arm64
       libgtest-dev:arm64)

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

missing_packages() {  # those of the arguments (NAME or NAME:arm64) that dpkg does not list as installed
  local package architecture
  for package in "$@"; do
    architecture=$native
    [[ $package != *:* ]] || architecture=${package#*:}
    dpkg-query -W -f '${Architecture} ${db:Status-Status}\n' "${package%:*}" 2>/dev/null |
      grep -qxE "($architecture|all) installed" || echo "$package"
  done
}

for option in "$@"; do
  case $option in
    --dev) packages+=("${dev[@]}") ;;
    --arm64) packages+=("${arm64[@]}") ;;
    *) echo "setup.sh: unknown option $option; expected --dev or --arm64" >&2; exit 2 ;;
  esac
done
command -v apt-get >/dev/null || { echo "setup.sh: no apt-get here; install by hand: ${packages[*]}" >&2; exit 1; }

native=$(dpkg --print-architecture)
mapfile -t missing < <(missing_packages "${packages[@]}")
if [ ${#missing[@]} = 0 ]; then
  echo "setup.sh: all ${#packages[@]} packages are installed"
  exit 0
fi
echo "setup.sh: installing ${missing[*]}"
[[ " ${missing[*]} " != *:arm64* ]] || as_root dpkg --add-architecture arm64
as_root apt-get update -qq
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
