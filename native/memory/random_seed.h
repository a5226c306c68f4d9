#pragma once

#include <sys/random.h>

#include <cstdint>
#include <cstdlib>

namespace millrace {

// A secret for a hash table whose keys peers choose. Not std::random_device: libstdc++ takes it from
// arc4random, which C libraries before glibc 2.36 lack.
inline uint64_t RandomSeed() noexcept {
  uint64_t seed = 0;
  // So few bytes are never given in part; it fails only where the kernel has no such call.
  if (getrandom(&seed, sizeof(seed), 0) != static_cast<ssize_t>(sizeof(seed))) std::abort();
  return seed;
}

}  // namespace millrace
