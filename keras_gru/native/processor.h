// Which vector instructions this processor, and the system on it, can run.
#ifndef KERAS_GRU_NATIVE_PROCESSOR_H_
#define KERAS_GRU_NATIVE_PROCESSOR_H_

#include "gru.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

// Whether the compiler knows the instructions for bfloat16.
#if (defined(__clang__) && __clang_major__ >= 9) || (!defined(__clang__) && __GNUC__ >= 10)
#define GRU_HAS_BF16 1
#else
#define GRU_HAS_BF16 0
#endif

namespace keras_gru {

#if defined(__x86_64__)
// Asks the processor itself: __builtin_cpu_supports is not filled in by every
// compiler's run-time library.
inline GruInstructions find_instructions() {
  unsigned a, b, c, d;
  if (!__get_cpuid_count(1, 0, &a, &b, &c, &d)) return GRU_PORTABLE;
  const bool fma = c & (1u << 12), saves_state = c & (1u << 27), f16c = c & (1u << 29);
  if (!fma || !saves_state || !f16c || !__get_cpuid_count(7, 0, &a, &b, &c, &d))
    return GRU_PORTABLE;
  const bool avx2 = b & (1u << 5), avx512 = b & (1u << 16);
  // The registers that the system saves: 1, 2 are XMM and YMM, 5 to 7 those of AVX-512.
  unsigned saved, high;
  asm("xgetbv" : "=a"(saved), "=d"(high) : "c"(0));
  if (!avx2 || (saved & 0x6) != 0x6) return GRU_PORTABLE;
  if (!avx512 || (saved & 0xe6) != 0xe6) return GRU_AVX2;
  const bool more = a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d);
  return GRU_HAS_BF16 && more && (a & (1u << 5)) ? GRU_AVX512_BF16 : GRU_AVX512;
}
#else
inline GruInstructions find_instructions() { return GRU_PORTABLE; }
#endif

}  // namespace keras_gru

#endif  // KERAS_GRU_NATIVE_PROCESSOR_H_
