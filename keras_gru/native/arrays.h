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
  GRU_ELEMENT_FLOAT32 = 0,
  GRU_ELEMENT_FLOAT64 = 1,
  GRU_ELEMENT_BOOL = 2,
  GRU_ELEMENT_OTHER = 3,
};

typedef struct GruArray {
  void* data;
  const int64_t* dims;
  int64_t rank;
  int32_t element;
} GruArray;

// The options of a call, in this order.
enum {
  GRU_OPTION_RESET_AFTER,
  GRU_OPTION_UPDATE_REPLACES,
  GRU_OPTION_ACTIVATION,
  GRU_OPTION_RECURRENT_ACTIVATION,
  GRU_OPTION_GO_BACKWARDS,
  GRU_OPTION_THREADS,
  GRU_OPTIONS,
};

// Inputs of the forward pass: sequences, kernel, input bias, initial state, recurrent
// kernel, recurrent bias, mask, resets, recurrent dropout. Outputs: states, final state,
// saved.
enum { GRU_FORWARD_INPUTS = 9, GRU_FORWARD_OUTPUTS = 3 };

// Inputs of the backward pass: sequences, kernel, initial state, recurrent kernel,
// mask, resets, recurrent dropout, states, saved, gradients of states and final state.
// Outputs: gradients of sequences, kernel, input bias, initial state, recurrent kernel,
// recurrent bias.
enum { GRU_BACKWARD_INPUTS = 11, GRU_BACKWARD_OUTPUTS = 6 };

// Elements of the `saved` output of a forward pass, or -1 where its inputs do not fit.
GRU_EXPORT int64_t gru_saved_arrays(const int64_t* options, const GruArray* inputs);

// Each returns null, or what is wrong with the arguments, a constant string.
GRU_EXPORT const char* gru_forward_arrays(const int64_t* options, const GruArray* inputs,
                                          const GruArray* outputs);
GRU_EXPORT const char* gru_backward_arrays(const int64_t* options,
                                           const GruArray* inputs,
                                           const GruArray* outputs);

#ifdef __cplusplus
}
#endif

#endif  // KERAS_GRU_NATIVE_ARRAYS_H_
