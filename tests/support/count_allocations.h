// Counts what operator new gives out, in the whole program. Include it in one file of a test binary.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace {
std::atomic<int64_t> n_allocations{0};

void* allocate(size_t n, size_t alignment) {
  ++n_allocations;
  void* p = std::aligned_alloc(alignment, (n + alignment - 1) / alignment * alignment);
  if (!p) throw std::bad_alloc();
  return p;
}
}  // namespace

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)  // GCC
#define SANITIZER_ALLOCATES
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)  // Clang
#define SANITIZER_ALLOCATES
#endif
#endif

#ifndef SANITIZER_ALLOCATES
void* operator new(size_t n) { return allocate(std::max<size_t>(n, 1), alignof(std::max_align_t)); }
void* operator new(size_t n, std::align_val_t a) { return allocate(std::max<size_t>(n, 1), static_cast<size_t>(a)); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, size_t, std::align_val_t) noexcept { std::free(p); }
#define COUNTS_ALLOCATIONS true
#else
#define COUNTS_ALLOCATIONS false
#endif
