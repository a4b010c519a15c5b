#include "arrays.h"

#include <cstring>
#include <initializer_list>

namespace {

int64_t size(const GruArray& array) {
  int64_t count = 1;
  for (int64_t i = 0; i < array.rank; ++i) count *= array.dims[i];
  return count;
}

void* data(const GruArray& array) { return size(array) == 0 ? nullptr : array.data; }

bool has_shape(const GruArray& array, std::initializer_list<int64_t> shape) {
  if (array.rank != static_cast<int64_t>(shape.size())) return false;
  int64_t axis = 0;
  for (int64_t extent : shape) {
    if (array.dims[axis++] != extent) return false;
  }
  return true;
}

bool absent_or(const GruArray& array, std::initializer_list<int64_t> shape) {
  return size(array) == 0 || has_shape(array, shape);
}

double real_of(int64_t bits) {
  double real;
  std::memcpy(&real, &bits, sizeof(real));
  return real;
}

// Reads the problem off the options and the shapes of the first inputs; `constants` are
// the mask, the resets and the recurrent dropout.
const char* read_problem(const int64_t* options, const GruArray& sequences,
                         const GruArray& kernel, const GruArray& state,
                         const GruArray& recurrent_kernel,
                         const GruArray* constants, GruProblem* problem) {
  if (sequences.element < GRU_ELEMENT_FLOAT32 || sequences.element > GRU_ELEMENT_FLOAT16)
    return "sequences must be float32, float64, bfloat16 or float16";
  if (sequences.rank != 3) return "sequences must be (batch, time, features)";
  if (state.rank != 2 || state.dims[0] != sequences.dims[0] || state.dims[1] < 1)
    return "the initial state must be (batch, units)";
  const int64_t units = state.dims[1];
  if (size(kernel) == 0 ? sequences.dims[2] != 3 * units
                        : !has_shape(kernel, {sequences.dims[2], 3 * units}))
    return "the kernel must be (features, 3 units)";
  if (!has_shape(recurrent_kernel, {units, 3 * units}))
    return "the recurrent kernel must be (units, 3 units)";
  for (int64_t i = 0; i < 2; ++i) {
    if (size(constants[i]) != 0 &&
        (constants[i].element != GRU_ELEMENT_BOOL ||
         !has_shape(constants[i], {sequences.dims[0], sequences.dims[1]})))
      return "the mask and the resets must be (batch, time) of bool";
  }
  if (!absent_or(constants[2], {3, sequences.dims[0], units}))
    return "the recurrent dropout must be (3, batch, units)";
  *problem = {};
  problem->dtype = sequences.element;
  problem->instructions = GRU_BEST;
  problem->reset_after = static_cast<int32_t>(options[GRU_OPTION_RESET_AFTER]);
  problem->update_replaces = static_cast<int32_t>(options[GRU_OPTION_UPDATE_REPLACES]);
  problem->activation = static_cast<int32_t>(options[GRU_OPTION_ACTIVATION]);
  problem->recurrent_activation =
      static_cast<int32_t>(options[GRU_OPTION_RECURRENT_ACTIVATION]);
  problem->go_backwards = static_cast<int32_t>(options[GRU_OPTION_GO_BACKWARDS]);
  problem->threads = static_cast<int32_t>(options[GRU_OPTION_THREADS]);
  problem->batch = sequences.dims[0];
  problem->timesteps = sequences.dims[1];
  problem->features = sequences.dims[2];
  problem->units = units;
  problem->activation_parameter = real_of(options[GRU_OPTION_ACTIVATION_PARAMETER]);
  problem->recurrent_activation_parameter =
      real_of(options[GRU_OPTION_RECURRENT_ACTIVATION_PARAMETER]);
  return nullptr;
}

bool same_element(const GruArray* arrays, int64_t count, int32_t element) {
  for (int64_t i = 0; i < count; ++i) {
    if (size(arrays[i]) != 0 && arrays[i].element != element) return false;
  }
  return true;
}

constexpr char kDtypes[] =
    "all arrays but the mask and the resets must have the dtype of the sequences";
constexpr char kStates[] = "the states must be (batch, time, units of all passes)";

const uint8_t* flags(const GruArray& array) {
  return static_cast<const uint8_t*>(data(array));
}

const char* message(int32_t status) {
  return status == GRU_OK ? nullptr : gru_status_message(status);
}

}  // namespace

extern "C" {

int64_t gru_saved_arrays(const int64_t* options, const GruArray* inputs) {
  GruProblem problem;
  if (read_problem(options, inputs[0], inputs[1], inputs[3], inputs[4], inputs + 6,
                   &problem) != nullptr)
    return -1;
  return gru_saved_size(&problem);
}

const char* gru_forward_arrays(int64_t passes, const int64_t* options,
                               const GruArray* inputs, const GruArray* outputs) {
  GruProblem problems[GRU_MOST_PASSES];
  GruForward calls[GRU_MOST_PASSES];
  const GruArray &states = outputs[0], *finals = outputs + 1, *saved = finals + passes;
  const int32_t element = inputs[0].element;
  if (!same_element(outputs, gru_forward_outputs(passes), element)) return kDtypes;
  for (int64_t i = 0; i < passes; ++i, inputs += GRU_FORWARD_INPUTS) {
    GruProblem& problem = problems[i];
    if (const char* wrong = read_problem(options + i * GRU_OPTIONS, inputs[0], inputs[1],
                                         inputs[3], inputs[4], inputs + 6, &problem))
      return wrong;
    const int64_t batch = problem.batch, units = problem.units;
    if (!same_element(inputs, 6, element) || !same_element(inputs + 8, 1, element))
      return kDtypes;
    if (!absent_or(inputs[2], {3 * units}) || !absent_or(inputs[5], {3 * units}))
      return "a bias must be (3 units)";
    if (!absent_or(states, {batch, problem.timesteps, passes * units})) return kStates;
    if (!has_shape(finals[i], {batch, units}))
      return "the final state must be (batch, units)";
    if (!absent_or(saved[i], {gru_saved_size(&problem)}))
      return "the saved array must have gru_saved_size() elements";
    calls[i] = {data(inputs[0]),  data(inputs[1]),  data(inputs[2]),
                data(inputs[3]),  data(inputs[4]),  data(inputs[5]),
                flags(inputs[6]), flags(inputs[7]), data(inputs[8]),
                data(states),     data(finals[i]),  data(saved[i])};
  }
  return message(gru_forward(static_cast<int32_t>(passes), problems, calls));
}

const char* gru_backward_arrays(int64_t passes, const int64_t* options,
                                const GruArray* inputs, const GruArray* outputs) {
  GruProblem problems[GRU_MOST_PASSES];
  GruBackward calls[GRU_MOST_PASSES];
  const GruArray &states = inputs[GRU_BACKWARD_INPUTS * passes], *saved = &states + 1,
                 &states_gradient = saved[passes], *final_gradients = &states_gradient + 1;
  const int32_t element = inputs[0].element;
  if (!same_element(&states, gru_backward_inputs(passes) - GRU_BACKWARD_INPUTS * passes, element) ||
      !same_element(outputs, gru_backward_outputs(passes), element))
    return kDtypes;
  for (int64_t i = 0; i < passes;
       ++i, inputs += GRU_BACKWARD_INPUTS, outputs += GRU_BACKWARD_OUTPUTS) {
    GruProblem& problem = problems[i];
    if (const char* wrong = read_problem(options + i * GRU_OPTIONS, inputs[0], inputs[1],
                                         inputs[2], inputs[3], inputs + 4, &problem))
      return wrong;
    const int64_t batch = problem.batch, time = problem.timesteps, units = problem.units;
    if (!same_element(inputs, 4, element) || !same_element(inputs + 6, 1, element))
      return kDtypes;
    if (!has_shape(states, {batch, time, passes * units})) return kStates;
    if (!has_shape(saved[i], {gru_saved_size(&problem)}))
      return "the saved array must have gru_saved_size() elements";
    if (!absent_or(states_gradient, {batch, time, passes * units}) ||
        !absent_or(final_gradients[i], {batch, units}) ||
        !absent_or(outputs[0], {batch, time, problem.features}) ||
        !absent_or(outputs[1], {problem.features, 3 * units}) ||
        !absent_or(outputs[2], {3 * units}) || !absent_or(outputs[3], {batch, units}) ||
        !absent_or(outputs[4], {units, 3 * units}) ||
        !absent_or(outputs[5], {3 * units}))
      return "a gradient must have the shape of what it is the gradient of";
    calls[i] = {data(inputs[0]),       data(inputs[1]),          data(inputs[2]),
                data(inputs[3]),       flags(inputs[4]),         flags(inputs[5]),
                data(inputs[6]),       data(states),             data(saved[i]),
                data(states_gradient), data(final_gradients[i]), data(outputs[0]),
                data(outputs[1]),      data(outputs[2]),         data(outputs[3]),
                data(outputs[4]),      data(outputs[5])};
  }
  return message(gru_backward(static_cast<int32_t>(passes), problems, calls));
}

}  // extern "C"
