// The C interface of the GRU over whole sequences on a CPU.
//
// One call runs (or differentiates) every step of every row of a batch. Arrays
// are dense and row-major, of the numbers that `GruProblem::dtype` says; with those of
// two bytes the arithmetic, sums and the state carried from step to step are in float.
// Gate order in every weight: z (update), r (reset), n (candidate).
//
//   z = sigma(x W_z + b_z + h U_z + c_z)
//   r = sigma(x W_r + b_r + h U_r + c_r)
//   n = g(x W_n + b_n + r * (h U_n + c_n))        reset_after
//   n = g(x W_n + b_n + (r * h) U_n + c_n)        otherwise
//   h' = z * h + (1 - z) * n                      update gate "keep"
//   h' = (1 - z) * h + z * n                      update gate "replace"
//
// With `recurrent_dropout` each gate's product takes the state h times a factor of its
// own, (3, batch, units), the same at every step.
//
// `states` are in processing order: with go_backwards, states[:, 0] is the state
// after the last time step was read. A state is frozen where `mask` is 0.
//
// One call may run two passes of one dtype, batch, length and number of units: both
// directions of a sequence, which share the threads. Their states then stand side by
// side in one array (batch, timesteps, 2 units), in the order of time: that of the
// first pass. The second's `states` and `states_gradient` are ignored.
#ifndef KERAS_GRU_NATIVE_GRU_H_
#define KERAS_GRU_NATIVE_GRU_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Changes whenever a struct or a function below does; the loader compares it.
#define GRU_INTERFACE_VERSION 4

enum GruDtype { GRU_FLOAT32 = 0, GRU_FLOAT64 = 1, GRU_BFLOAT16 = 2, GRU_FLOAT16 = 3 };

enum GruActivation {
  GRU_LINEAR = 0,
  GRU_TANH = 1,
  GRU_SIGMOID = 2,
  GRU_RELU = 3,
  GRU_HARD_SIGMOID = 4,  // relu6(x + 3) / 6
  // As in keras.activations; see curves.inc. One parameter, where there is one, is free.
  GRU_EXPONENTIAL = 5,
  GRU_ELU = 6,  // alpha
  GRU_SELU = 7,
  GRU_CELU = 8,         // alpha > 0
  GRU_LEAKY_RELU = 9,   // negative_slope
  GRU_RELU6 = 10,       // max_value > 0; 6 in keras.activations
  GRU_HARD_TANH = 11,
  GRU_SOFTSIGN = 12,
  GRU_SOFTPLUS = 13,
  GRU_LOG_SIGMOID = 14,
  GRU_SILU = 15,
  GRU_MISH = 16,
  GRU_GELU = 17,         // approximate: 1 for the form with tanh, else 0
  GRU_HARD_SILU = 18,
  GRU_HARD_SHRINK = 19,  // threshold >= 0
  GRU_SOFT_SHRINK = 20,  // threshold >= 0
  GRU_TANH_SHRINK = 21,
  GRU_SPARSE_PLUS = 22,
  GRU_SPARSE_SIGMOID = 23,
  GRU_SQUAREPLUS = 24,  // b > 0
};

enum GruInstructions {
  GRU_BEST = 0,      // the widest this processor has
  GRU_PORTABLE = 1,  // 128-bit vectors: SSE2, NEON or what the compiler makes of it
  GRU_AVX2 = 2,      // with FMA and F16C
  GRU_AVX512 = 3,
  GRU_AVX512_BF16 = 4,  // bfloat16 is multiplied as such, in pairs
};

enum GruStatus {
  GRU_OK = 0,
  GRU_BAD_ARGUMENT = 1,
  GRU_NO_SUCH_INSTRUCTIONS = 2,
  GRU_OUT_OF_MEMORY = 3,
};

typedef struct GruProblem {
  int32_t dtype;
  int32_t instructions;
  int32_t reset_after;
  int32_t update_replaces;  // 0: z keeps the old state, 1: z takes the candidate
  int32_t activation;
  int32_t recurrent_activation;
  int32_t go_backwards;
  int32_t threads;
  int64_t batch;
  int64_t timesteps;
  int64_t features;  // ignored where `kernel` is null
  int64_t units;
  double activation_parameter;
  double recurrent_activation_parameter;
} GruProblem;

typedef struct GruForward {
  const void* sequences;         // (batch, timesteps, features)
  const void* kernel;            // (features, 3 units), or null: `sequences` is
                                 // already projected, (batch, timesteps, 3 units)
  const void* input_bias;        // (3 units) or null
  const void* initial_state;     // (batch, units)
  const void* recurrent_kernel;  // (units, 3 units)
  const void* recurrent_bias;    // (3 units) or null
  const uint8_t* mask;           // (batch, timesteps) or null; non-zero = use
  const uint8_t* resets;         // (batch, timesteps) or null; non-zero = the state
                                 // before this used step is zero
  const void* recurrent_dropout;  // (3, batch, units) or null; see above
  void* states;                  // (batch, timesteps, units) or null
  void* final_state;             // (batch, units)
  void* saved;                   // gru_saved_size() numbers, or null: no backward
} GruForward;

typedef struct GruBackward {
  const void* sequences;
  const void* kernel;
  const void* initial_state;
  const void* recurrent_kernel;
  const uint8_t* mask;
  const uint8_t* resets;
  const void* recurrent_dropout;
  const void* states;             // from the forward pass
  const void* saved;              // from the forward pass
  const void* states_gradient;    // (batch, timesteps, units) or null
  const void* final_gradient;     // (batch, units) or null
  void* sequences_gradient;       // shaped as `sequences`, or null: not wanted
  void* kernel_gradient;          // (features, 3 units) or null
  void* input_bias_gradient;      // (3 units) or null
  void* initial_state_gradient;   // (batch, units) or null
  void* recurrent_kernel_gradient;  // (units, 3 units) or null
  void* recurrent_bias_gradient;  // (3 units) or null
} GruBackward;

#define GRU_EXPORT __attribute__((visibility("default")))

GRU_EXPORT int32_t gru_interface_version(void);
// The widest GruInstructions of this processor.
GRU_EXPORT int32_t gru_best_instructions(void);
// Numbers that a forward pass saves for a backward pass with the same problem.
GRU_EXPORT int64_t gru_saved_size(const GruProblem* problem);
// Each runs `passes` passes, 1 or 2, of as many problems and calls.
GRU_EXPORT int32_t gru_forward(int32_t passes, const GruProblem* problems,
                               const GruForward* calls);
GRU_EXPORT int32_t gru_backward(int32_t passes, const GruProblem* problems,
                                const GruBackward* calls);
// Gives back the memory that is kept for the next call, at most 256 MiB; its bytes.
GRU_EXPORT int64_t gru_free_memory(void);
// What a GruStatus means, a constant string.
GRU_EXPORT const char* gru_status_message(int32_t status);

#ifdef __cplusplus
}
#endif

#endif  // KERAS_GRU_NATIVE_GRU_H_
