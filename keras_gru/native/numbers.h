// The dtypes of arrays. Those of two bytes are stored only: arithmetic is in float.
#ifndef KERAS_GRU_NATIVE_NUMBERS_H_
#define KERAS_GRU_NATIVE_NUMBERS_H_

#include <cstdint>

namespace keras_gru {

struct BFloat16 {
  uint16_t bits;
};

struct Float16 {
  uint16_t bits;
};

template <class S>
struct Arithmetic {
  typedef S Type;
};
template <>
struct Arithmetic<BFloat16> {
  typedef float Type;
};
template <>
struct Arithmetic<Float16> {
  typedef float Type;
};

// What is computed with numbers that are stored as S.
template <class S>
using Real = typename Arithmetic<S>::Type;

inline uint32_t bits_of(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof(bits));
  return bits;
}

inline float float_of(uint32_t bits) {
  float x;
  __builtin_memcpy(&x, &bits, sizeof(x));
  return x;
}

// Where a processor has no instruction for it. Numbers below 2^-14 are counted in
// units of 2^-24, so that none is below float's normal range.
inline float widen(Float16 x) {
  const uint32_t size = x.bits & 0x7fffu, sign = (x.bits & 0x8000u) << 16;
  if (size < 0x400) return (sign ? -0x1p-24f : 0x1p-24f) * static_cast<float>(size);
  const uint32_t exponent = size < 0x7c00 ? 112u << 23 : 224u << 23;
  return float_of(sign | ((size << 13) + exponent));
}

// Rounds to the nearest, of two as near to the even one.
inline Float16 narrow(float x) {
  const uint32_t bits = bits_of(x), sign = bits >> 16 & 0x8000u, size = bits & 0x7fffffffu;
  uint32_t found;
  if (size > 0x7f800000u) {
    found = 0x7e00;  // NaN
  } else if (size >= 0x477ff000u) {
    found = 0x7c00;  // infinity, from 65520 on
  } else if (size < 0x38800000u) {
    found = bits_of(float_of(size) + 0.5f) - bits_of(0.5f);
  } else {
    found = (size + 0xfff + (size >> 13 & 1) - (112u << 23)) >> 13;
  }
  return {static_cast<uint16_t>(sign | found)};
}

}  // namespace keras_gru

#endif  // KERAS_GRU_NATIVE_NUMBERS_H_
