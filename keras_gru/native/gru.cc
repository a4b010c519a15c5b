#include "gru.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <new>
#include <type_traits>

#include "memory.h"
#include "numbers.h"
#include "processor.h"
#include "schedule.h"
#include "threads.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define GRU_INLINE inline __attribute__((always_inline))

namespace keras_gru {

// Threads that a problem can feed: below this many operations a second thread
// takes longer to wake than to help.
int64_t useful_threads(const GruProblem& problem) {
  const double operations = 6.0 * static_cast<double>(problem.batch) *
                            static_cast<double>(problem.timesteps) *
                            static_cast<double>(problem.units) *
                            static_cast<double>(problem.units + problem.features);
  return operations < 1e6 || problem.threads < 1 ? 1 : problem.threads;
}

constexpr int64_t kPasses = 2;  // at most, of a call

// An activation and its one parameter, if it has one.
struct Activation {
  int32_t kind;
  double parameter;
};

// The kernels are compiled once for each set of instructions, from the same text.
#define INSTANTIATE(S)                                                              \
  template int32_t run_forward<S>(int64_t, const GruProblem*, const GruForward*);   \
  template int32_t run_backward<S>(int64_t, const GruProblem*, const GruBackward*); \
  template int64_t saved_size<S>(const GruProblem&);

// ROWS times three sums, three panel vectors and a broadcast fill the registers.

namespace portable {
#define VECTOR_BYTES 16
#define PAIRS 0
#if defined(__aarch64__)
#define ROWS 8
#else
#define ROWS 4
#endif
#include "vector.inc"
#include "activations.inc"
#include "curves.inc"
#include "products.inc"
#include "forward.inc"
#include "backward.inc"
#include "passes.inc"
#undef VECTOR_BYTES
#undef ROWS
#undef PAIRS
}  // namespace portable

#if defined(__x86_64__)

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c")
#endif
namespace avx2 {
#define VECTOR_BYTES 32
#define PAIRS 0
#define ROWS 4
#include "vector.inc"
#include "activations.inc"
#include "curves.inc"
#include "products.inc"
#include "forward.inc"
#include "backward.inc"
#include "passes.inc"
#undef VECTOR_BYTES
#undef ROWS
#undef PAIRS
INSTANTIATE(float)
INSTANTIATE(double)
INSTANTIATE(BFloat16)
INSTANTIATE(Float16)
}  // namespace avx2
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx2,fma,f16c"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx2,fma,f16c")
#endif
namespace avx512 {
#define VECTOR_BYTES 64
#define PAIRS 0
#define ROWS 8
#include "vector.inc"
#include "activations.inc"
#include "curves.inc"
#include "products.inc"
#include "forward.inc"
#include "backward.inc"
#include "passes.inc"
#undef VECTOR_BYTES
#undef ROWS
#undef PAIRS
INSTANTIATE(float)
INSTANTIATE(double)
INSTANTIATE(BFloat16)
INSTANTIATE(Float16)
}  // namespace avx512
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#if GRU_HAS_BF16
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bf16,avx2,fma,f16c"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bf16,avx2,fma,f16c")
#endif
namespace avx512_bf16 {
#define VECTOR_BYTES 64
#define PAIRS 1
#define ROWS 8
#include "vector.inc"
#include "activations.inc"
#include "curves.inc"
#include "products.inc"
#include "forward.inc"
#include "backward.inc"
#include "passes.inc"
#undef VECTOR_BYTES
#undef ROWS
#undef PAIRS
INSTANTIATE(BFloat16)
}  // namespace avx512_bf16
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif  // GRU_HAS_BF16

#endif  // __x86_64__

namespace {

int32_t best_instructions() {
  static const int32_t best = find_instructions();
  return best;
}

bool is_activation(int32_t activation) {
  return activation >= GRU_LINEAR && activation <= GRU_SQUAREPLUS;
}

// Whether the bytes of every array, and places in it, can be counted in 64 bits.
bool countable(const GruProblem& problem) {
  const int64_t widest = problem.units > problem.features ? problem.units : problem.features;
  int64_t rows, numbers, weights, bytes;
  // At most 16 numbers a unit: gates, what is saved of them, and their alignment.
  return !__builtin_mul_overflow(problem.batch, problem.timesteps + 1, &rows) &&
         !__builtin_mul_overflow(rows, widest, &numbers) &&
         !__builtin_mul_overflow(widest, widest, &weights) &&
         !__builtin_add_overflow(numbers, weights, &numbers) &&
         !__builtin_mul_overflow(numbers, int64_t{16 * sizeof(double)}, &bytes);
}

int32_t check(const GruProblem& problem) {
  if (problem.dtype < GRU_FLOAT32 || problem.dtype > GRU_FLOAT16) return GRU_BAD_ARGUMENT;
  if (problem.batch < 0 || problem.timesteps < 0 || problem.timesteps > INT32_MAX ||
      problem.features < 0 || problem.units < 1 || !countable(problem))
    return GRU_BAD_ARGUMENT;
  if (!is_activation(problem.activation) || !is_activation(problem.recurrent_activation))
    return GRU_BAD_ARGUMENT;
  if (problem.instructions < GRU_BEST || problem.instructions > best_instructions())
    return GRU_NO_SUCH_INSTRUCTIONS;
  return GRU_OK;
}

// Every pass, and whether they fit each other.
int32_t check(int64_t passes, const GruProblem* problems) {
  if (passes < 1 || passes > kPasses) return GRU_BAD_ARGUMENT;
  for (int64_t i = 0; i < passes; ++i) {
    if (const int32_t status = check(problems[i]); status != GRU_OK) return status;
    if (problems[i].dtype != problems[0].dtype || problems[i].batch != problems[0].batch ||
        problems[i].timesteps != problems[0].timesteps ||
        problems[i].units != problems[0].units ||
        problems[i].instructions != problems[0].instructions)
      return GRU_BAD_ARGUMENT;
  }
  return GRU_OK;
}

// The set of instructions whose text is run: those for bfloat16 are for it alone.
template <class S>
int32_t chosen_instructions(const GruProblem& problem) {
  const int32_t wanted =
      problem.instructions == GRU_BEST ? best_instructions() : problem.instructions;
  if (wanted == GRU_AVX512_BF16 && !std::is_same_v<S, BFloat16>) return GRU_AVX512;
  return wanted;
}

template <class S>
int32_t forward(int64_t passes, const GruProblem* problems, const GruForward* calls) {
  switch (chosen_instructions<S>(problems[0])) {
#if defined(__x86_64__)
#if GRU_HAS_BF16
    case GRU_AVX512_BF16:
      return avx512_bf16::run_forward<BFloat16>(passes, problems, calls);
#endif
    case GRU_AVX512:
      return avx512::run_forward<S>(passes, problems, calls);
    case GRU_AVX2:
      return avx2::run_forward<S>(passes, problems, calls);
#endif
    default:
      return portable::run_forward<S>(passes, problems, calls);
  }
}

template <class S>
int32_t backward(int64_t passes, const GruProblem* problems, const GruBackward* calls) {
  switch (chosen_instructions<S>(problems[0])) {
#if defined(__x86_64__)
#if GRU_HAS_BF16
    case GRU_AVX512_BF16:
      return avx512_bf16::run_backward<BFloat16>(passes, problems, calls);
#endif
    case GRU_AVX512:
      return avx512::run_backward<S>(passes, problems, calls);
    case GRU_AVX2:
      return avx2::run_backward<S>(passes, problems, calls);
#endif
    default:
      return portable::run_backward<S>(passes, problems, calls);
  }
}

template <class S>
int64_t saved_size(const GruProblem& problem) {
  switch (chosen_instructions<S>(problem)) {
#if defined(__x86_64__)
#if GRU_HAS_BF16
    case GRU_AVX512_BF16:
      return avx512_bf16::saved_size<BFloat16>(problem);
#endif
    case GRU_AVX512:
      return avx512::saved_size<S>(problem);
    case GRU_AVX2:
      return avx2::saved_size<S>(problem);
#endif
    default:
      return portable::saved_size<S>(problem);
  }
}

// Calls run(S{}), S being the numbers of the problem's arrays.
template <class F>
auto with_numbers(const GruProblem& problem, const F& run) {
  switch (problem.dtype) {
    case GRU_FLOAT64:
      return run(double{});
    case GRU_BFLOAT16:
      return run(BFloat16{});
    case GRU_FLOAT16:
      return run(Float16{});
    default:
      return run(float{});
  }
}

}  // namespace
}  // namespace keras_gru

extern "C" {

int32_t gru_interface_version(void) { return GRU_INTERFACE_VERSION; }

int32_t gru_best_instructions(void) { return keras_gru::best_instructions(); }

int64_t gru_saved_size(const GruProblem* problem) {
  if (keras_gru::check(*problem) != GRU_OK) return -1;
  return keras_gru::with_numbers(*problem, [&](auto number) {
    return keras_gru::saved_size<decltype(number)>(*problem);
  });
}

int32_t gru_forward(int32_t passes, const GruProblem* problems, const GruForward* calls) {
  const int32_t status = keras_gru::check(passes, problems);
  if (status != GRU_OK) return status;
  if (problems->batch == 0) return GRU_OK;
  try {
    return keras_gru::with_numbers(*problems, [&](auto number) {
      return keras_gru::forward<decltype(number)>(passes, problems, calls);
    });
  } catch (const std::bad_alloc&) {
    return GRU_OUT_OF_MEMORY;
  }
}

int32_t gru_backward(int32_t passes, const GruProblem* problems,
                     const GruBackward* calls) {
  const int32_t status = keras_gru::check(passes, problems);
  if (status != GRU_OK) return status;
  try {
    return keras_gru::with_numbers(*problems, [&](auto number) {
      return keras_gru::backward<decltype(number)>(passes, problems, calls);
    });
  } catch (const std::bad_alloc&) {
    return GRU_OUT_OF_MEMORY;
  }
}

int64_t gru_free_memory(void) {
  return static_cast<int64_t>(keras_gru::free_memory());
}

const char* gru_status_message(int32_t status) {
  switch (status) {
    case GRU_OK:
      return "done";
    case GRU_BAD_ARGUMENT:
      return "an argument is out of range";
    case GRU_NO_SUCH_INSTRUCTIONS:
      return "this processor lacks the instructions asked for";
    case GRU_OUT_OF_MEMORY:
      return "out of memory: a smaller batch or fewer time steps a call need less";
    default:
      return "unknown status";
  }
}

}  // extern "C"
