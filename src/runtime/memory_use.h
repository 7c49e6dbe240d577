// What of the memory of this process is resident, as Linux counts it in /proc/self/status.
#pragma once

#include <cstddef>

namespace galago {

struct MemoryUse {         // bytes
  size_t file_backed = 0;  // pages of mapped files: the system may drop them and read them again
  size_t anonymous = 0;    // everything else that the process wrote
  size_t peak = 0;         // the most that both were together, since the start or the last reset_peak_memory()
  size_t resident() const { return file_backed + anonymous; }
};

MemoryUse memory_use();  // all zero where the system does not tell

// The peak counts from now on. false: the system does not allow it, the peak is still that since the start.
bool reset_peak_memory();

// Gives what this process has freed back to the system, which allocators put off. Does nothing where they cannot.
void return_free_memory();

// What programs may still take without pushing others out; 0 where the system does not tell.
size_t available_memory();

}  // namespace galago
