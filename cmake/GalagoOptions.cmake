# Compiler settings shared by every target: warnings, sanitizers, ccache.

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()

add_compile_options(-Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options(-Wno-restrict)  # GCC 12 warns about its own std::string (GCC bug 105651)
endif()
# Number formats and resizing are defined operation by operation; a contracted multiply-add changes the last bit.
# Kernels that want FMA call it by name.
add_compile_options(-ffp-contract=off)

if(GALAGO_SANITIZE)
  add_compile_options(-fsanitize=${GALAGO_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${GALAGO_SANITIZE})
endif()
