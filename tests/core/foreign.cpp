// SPDX-License-Identifier: MIT
// The comparison with the plain rules by itself, for machines that are only emulated.
#include <cstdio>

#include "support/against_reference.h"

int main() {
  int cases = 0, different = 0;
  eplb::for_random_cases(100, [&](const eplb::rules_case& c) {
    ++cases;
    if (eplb::equals_reference(c)) return;
    ++different;
    std::printf("differs: %s\n", c.name().c_str());
  });
  std::printf("%d of %d cases differ\n", different, cases);
  return different > 0;
}
