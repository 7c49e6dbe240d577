# Cross toolchain for 64-bit ARM Linux: Debian's g++-aarch64-linux-gnu and :arm64 libraries (./setup.sh --arm64).
# Tests run under qemu-aarch64: cmake --preset arm64-linux && cmake --build --preset arm64-linux && ctest --preset arm64-linux
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)

# Debian's -dev packages share headers between architectures and keep libraries apart.
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig)

# The C library of libc6:arm64, not that of the cross compiler: mixed with the other :arm64 libraries, its threads hang.
set(CMAKE_CROSSCOMPILING_EMULATOR "qemu-aarch64;-L;/")
