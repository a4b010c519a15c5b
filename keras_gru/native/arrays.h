// The GRU on arrays that know their shapes: what the calls from XLA and TensorFlow
// have in common. An array without elements stands for one that is absent.
#ifndef KERAS_GRU_NATIVE_ARRAYS_H_
#define KERAS_GRU_NATIVE_ARRAYS_H_

#include <stdint.h>

#include "gru.h"

#ifdef __cplusplus
extern "C" {
#endif

enum GruElement {
  // The first as GruDtype.
  GRU_ELEMENT_FLOAT32 = GRU_FLOAT32,
  GRU_ELEMENT_FLOAT64 = GRU_FLOAT64,
  GRU_ELEMENT_BFLOAT16 = GRU_BFLOAT16,
  GRU_ELEMENT_FLOAT16 = GRU_FLOAT16,
  GRU_ELEMENT_BOOL = 4,
  GRU_ELEMENT_OTHER = 5,
};

typedef struct GruArray {
  void* data;
  const int64_t* dims;
  int64_t rank;
  int32_t element;
} GruArray;

// The options of a pass, in this order.
enum {
  GRU_OPTION_RESET_AFTER,
  GRU_OPTION_UPDATE_REPLACES,
  GRU_OPTION_ACTIVATION,
  GRU_OPTION_RECURRENT_ACTIVATION,
  GRU_OPTION_GO_BACKWARDS,
  GRU_OPTION_THREADS,
  GRU_OPTION_ACTIVATION_PARAMETER,  // these two as the bits of a double
  GRU_OPTION_RECURRENT_ACTIVATION_PARAMETER,
  GRU_OPTIONS,
};

// What follows is that of one pass, or of two (see gru.h).
enum { GRU_MOST_PASSES = 2 };

// Inputs of each forward pass: sequences, kernel, input bias, initial state, recurrent
// kernel, recurrent bias, mask, resets, recurrent dropout. Outputs: the states of all
// passes; of each the final state; of each what is saved.
enum { GRU_FORWARD_INPUTS = 9 };
static inline int64_t gru_forward_inputs(int64_t passes) {
  return GRU_FORWARD_INPUTS * passes;
}
static inline int64_t gru_forward_outputs(int64_t passes) { return 1 + 2 * passes; }

// Inputs of each backward pass: sequences, kernel, initial state, recurrent kernel,
// mask, resets, recurrent dropout. Then: the states of all; of each what is saved; the
// gradient of the states; of each that of the final state.
// Outputs of each: gradients of sequences, kernel, input bias, initial state, recurrent
// kernel, recurrent bias.
enum { GRU_BACKWARD_INPUTS = 7, GRU_BACKWARD_OUTPUTS = 6 };
static inline int64_t gru_backward_inputs(int64_t passes) {
  return (GRU_BACKWARD_INPUTS + 2) * passes + 2;
}
static inline int64_t gru_backward_outputs(int64_t passes) {
  return GRU_BACKWARD_OUTPUTS * passes;
}

// Elements of the `saved` output of one forward pass, or -1 where its inputs do not fit.
GRU_EXPORT int64_t gru_saved_arrays(const int64_t* options, const GruArray* inputs);

// Each returns null, or what is wrong with the arguments, a constant string.
GRU_EXPORT const char* gru_forward_arrays(int64_t passes, const int64_t* options,
                                          const GruArray* inputs,
                                          const GruArray* outputs);
GRU_EXPORT const char* gru_backward_arrays(int64_t passes, const int64_t* options,
                                           const GruArray* inputs,
                                           const GruArray* outputs);

#ifdef __cplusplus
}
#endif

#endif  // KERAS_GRU_NATIVE_ARRAYS_H_
