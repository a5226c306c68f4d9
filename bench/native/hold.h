#pragma once

#include <cstddef>
#include <cstdio>

namespace millrace::bench {

/** Says that so many connections are open, which are held until standard input ends: then it returns. */
inline void HoldUntilInputEnds(size_t connections) {
  std::printf("{\"connections\":%zu}\n", connections);
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
}

}  // namespace millrace::bench
