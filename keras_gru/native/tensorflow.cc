// The GRU as operations of TensorFlow: KerasGruForward and KerasGruBackward.
//
// A library of its own, for tf.load_op_library: loading it registers the operations,
// through TensorFlow's C interface, which is stable. Its functions are looked up in
// the TensorFlow that the process has loaded, those of the GRU in the library that
// stands beside this one; no header of TensorFlow is needed to build.

#include <dlfcn.h>
#include <stddef.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "arrays.h"
#include "tensorflow_functions.h"

namespace {

struct TF_Status;
struct TF_Tensor;
struct TF_OpDefinitionBuilder;
struct TF_ShapeInferenceContext;
struct TF_KernelBuilder;
struct TF_OpKernelConstruction;
struct TF_OpKernelContext;
typedef int TF_DataType;
typedef int TF_Code;
constexpr TF_DataType kFloat = 1, kDouble = 2, kBool = 10, kBFloat16 = 14, kHalf = 19;
constexpr TF_Code kOk = 0, kInvalidArgument = 3, kResourceExhausted = 8;

#define DECLARE(name, result, arguments) result(*name) arguments = nullptr;
TENSORFLOW_FUNCTIONS(DECLARE)
#undef DECLARE

decltype(&gru_forward_arrays) forward_arrays = nullptr;
decltype(&gru_backward_arrays) backward_arrays = nullptr;
decltype(&gru_saved_arrays) saved_arrays = nullptr;

struct DeleteStatus {
  void operator()(TF_Status* status) const { TF_DeleteStatus(status); }
};
using Status = std::unique_ptr<TF_Status, DeleteStatus>;

struct DeleteTensor {
  void operator()(TF_Tensor* tensor) const { TF_DeleteTensor(tensor); }
};
using Tensor = std::unique_ptr<TF_Tensor, DeleteTensor>;

bool ok(const Status& status) { return TF_GetCode(status.get()) == kOk; }

// Attributes of a node.
struct Node {
  int64_t passes;
  int64_t options[GRU_OPTIONS * GRU_MOST_PASSES];
  int64_t wanted[GRU_BACKWARD_OUTPUTS * GRU_MOST_PASSES];  // per output: is it computed
};

template <int64_t (*OUTPUTS)(int64_t)>
void* create(TF_OpKernelConstruction* construction) {
  const Status status(TF_NewStatus());
  auto node = std::make_unique<Node>();
  TF_OpKernelConstruction_GetAttrInt64(construction, "passes", &node->passes,
                                       status.get());
  if (ok(status) && (node->passes < 1 || node->passes > GRU_MOST_PASSES))
    TF_SetStatus(status.get(), kInvalidArgument, "passes must be 1 or 2");
  if (ok(status))
    TF_OpKernelConstruction_GetAttrInt64List(
        construction, "options", node->options,
        static_cast<int>(GRU_OPTIONS * node->passes), status.get());
  if (ok(status))
    TF_OpKernelConstruction_GetAttrInt64List(construction, "wanted", node->wanted,
                                             static_cast<int>(OUTPUTS(node->passes)),
                                             status.get());
  if (ok(status)) return node.release();
  TF_OpKernelConstruction_Failure(construction, status.get());
  return nullptr;
}

void destroy(void* node) { delete static_cast<Node*>(node); }

// The inputs of a node, held while it computes.
struct Inputs {
  std::vector<Tensor> tensors;
  std::vector<std::vector<int64_t>> dims;
  std::vector<GruArray> arrays;

  Inputs(TF_OpKernelContext* context, int64_t count, const Status& status) {
    for (int i = 0; i < count && ok(status); ++i) {
      TF_Tensor* tensor = nullptr;
      TF_GetInput(context, i, &tensor, status.get());
      if (!ok(status)) return;
      tensors.emplace_back(tensor);
      dims.emplace_back();
      for (int axis = 0; axis < TF_NumDims(tensor); ++axis)
        dims.back().push_back(TF_Dim(tensor, axis));
      const TF_DataType type = TF_TensorType(tensor);
      arrays.push_back({TF_TensorData(tensor), nullptr, TF_NumDims(tensor),
                        type == kFloat      ? GRU_ELEMENT_FLOAT32
                        : type == kDouble   ? GRU_ELEMENT_FLOAT64
                        : type == kBFloat16 ? GRU_ELEMENT_BFLOAT16
                        : type == kHalf     ? GRU_ELEMENT_FLOAT16
                        : type == kBool     ? GRU_ELEMENT_BOOL
                                            : GRU_ELEMENT_OTHER});
    }
    for (size_t i = 0; i < arrays.size(); ++i) arrays[i].dims = dims[i].data();
  }
};

// Allocates output `index` of the given shape, or an empty one where not wanted.
bool allocate(TF_OpKernelContext* context, const Node& node, int index, int32_t element,
              std::vector<int64_t> shape, std::vector<std::vector<int64_t>>& dims,
              std::vector<GruArray>& arrays, const Status& status) {
  if (!node.wanted[index]) shape = {0};
  const TF_DataType types[] = {kFloat, kDouble, kBFloat16, kHalf};  // by GruElement
  size_t bytes = element == GRU_ELEMENT_FLOAT32 ? 4 : element == GRU_ELEMENT_FLOAT64 ? 8 : 2;
  for (int64_t extent : shape) bytes *= static_cast<size_t>(extent);
  const Tensor tensor(TF_AllocateOutput(context, index, types[element], shape.data(),
                                        static_cast<int>(shape.size()), bytes,
                                        status.get()));
  if (!ok(status)) return false;
  dims.push_back(std::move(shape));
  arrays.push_back({TF_TensorData(tensor.get()), nullptr,
                    static_cast<int64_t>(dims.back().size()), element});
  return true;
}

void fail(TF_OpKernelContext* context, const Status& status, const char* message) {
  const bool memory = std::strstr(message, "out of memory") != nullptr;
  TF_SetStatus(status.get(), memory ? kResourceExhausted : kInvalidArgument, message);
  TF_OpKernelContext_Failure(context, status.get());
}

// Allocates the outputs and runs.
void finish(TF_OpKernelContext* context, const Node& node, const Inputs& inputs,
            const std::vector<std::vector<int64_t>>& shapes, const Status& status,
            decltype(&gru_forward_arrays) run) {
  std::vector<std::vector<int64_t>> dims;
  std::vector<GruArray> outputs;
  for (size_t i = 0; i < shapes.size(); ++i) {
    if (!allocate(context, node, static_cast<int>(i), inputs.arrays[0].element, shapes[i],
                  dims, outputs, status))
      return TF_OpKernelContext_Failure(context, status.get());
  }
  for (size_t i = 0; i < outputs.size(); ++i) outputs[i].dims = dims[i].data();
  if (const char* wrong = run(node.passes, node.options, inputs.arrays.data(), outputs.data()))
    fail(context, status, wrong);
}

void compute_forward(void* kernel, TF_OpKernelContext* context) {
  const Node& node = *static_cast<Node*>(kernel);
  const Status status(TF_NewStatus());
  const Inputs inputs(context, gru_forward_inputs(node.passes), status);
  if (!ok(status)) return TF_OpKernelContext_Failure(context, status.get());
  std::vector<std::vector<int64_t>> finals, saved;
  int64_t units = 0;  // of all passes
  for (int64_t i = 0; i < node.passes; ++i) {
    const GruArray* arrays = inputs.arrays.data() + i * GRU_FORWARD_INPUTS;
    const int64_t size = saved_arrays(node.options + i * GRU_OPTIONS, arrays);
    if (size < 0)
      return fail(context, status,
                  "KerasGruForward: the shapes or dtypes of the inputs do not fit");
    finals.push_back({arrays[0].dims[0], arrays[3].dims[1]});
    saved.push_back({size});
    units += arrays[3].dims[1];
  }
  const GruArray& x = inputs.arrays[0];
  std::vector<std::vector<int64_t>> shapes{{x.dims[0], x.dims[1], units}};
  shapes.insert(shapes.end(), finals.begin(), finals.end());
  shapes.insert(shapes.end(), saved.begin(), saved.end());
  finish(context, node, inputs, shapes, status, forward_arrays);
}

void compute_backward(void* kernel, TF_OpKernelContext* context) {
  const Node& node = *static_cast<Node*>(kernel);
  const Status status(TF_NewStatus());
  const Inputs inputs(context, gru_backward_inputs(node.passes), status);
  if (!ok(status)) return TF_OpKernelContext_Failure(context, status.get());
  std::vector<std::vector<int64_t>> shapes;
  for (int64_t i = 0; i < node.passes; ++i) {
    const std::vector<int64_t>* of = inputs.dims.data() + i * GRU_BACKWARD_INPUTS;
    const std::vector<int64_t> bias{of[3].empty() ? 0 : of[3].back()};
    shapes.insert(shapes.end(), {of[0], of[1], bias, of[2], of[3], bias});
  }
  finish(context, node, inputs, shapes, status, backward_arrays);
}

void infer_nothing(TF_ShapeInferenceContext* context, TF_Status* status) {
  TF_ShapeInferenceContextSetUnknownShape(context, status);
}

bool register_operation(const char* name, void* (*create_node)(TF_OpKernelConstruction*),
                        void (*compute)(void*, TF_OpKernelContext*), std::string* error) {
  TF_OpDefinitionBuilder* operation = TF_NewOpDefinitionBuilder(name);
  TF_OpDefinitionBuilderAddAttr(operation, "T: {float, double, bfloat16, half}");
  TF_OpDefinitionBuilderAddAttr(operation, "options: list(int)");
  TF_OpDefinitionBuilderAddAttr(operation, "wanted: list(int)");
  TF_OpDefinitionBuilderAddAttr(operation, "passes: int");
  // In the order of arrays.h.
  TF_OpDefinitionBuilderAddAttr(operation,
                                "types: list({float, double, bfloat16, half, bool})");
  TF_OpDefinitionBuilderAddInput(operation, "inputs: types");
  TF_OpDefinitionBuilderAddAttr(operation, "count: int");
  TF_OpDefinitionBuilderAddOutput(operation, "outputs: count * T");
  TF_OpDefinitionBuilderSetShapeInferenceFunction(operation, infer_nothing);
  const Status status(TF_NewStatus());
  TF_RegisterOpDefinition(operation, status.get());
  if (ok(status))
    TF_RegisterKernelBuilder(
        name, TF_NewKernelBuilder(name, "CPU", create_node, compute, destroy),
        status.get());
  if (!ok(status)) *error = TF_Message(status.get());
  return ok(status);
}

// The library of the GRU, in the folder of this one.
void* open_gru() {
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(&open_gru), &info) == 0) return nullptr;
  std::string path = info.dli_fname;
  path.resize(path.rfind('/') + 1);
  return dlopen((path + "libkeras_gru.so").c_str(), RTLD_NOW | RTLD_LOCAL);
}

bool look_up(std::string* error) {
  void* tensorflow = nullptr;
  for (const char* name : {"libtensorflow_framework.so.2", "libtensorflow_framework.2.dylib"}) {
    if (tensorflow == nullptr) tensorflow = dlopen(name, RTLD_LAZY | RTLD_NOLOAD);
  }
  if (tensorflow == nullptr) {
    *error = "TensorFlow is not loaded";
    return false;
  }
#define LOOK_UP(name, result, arguments)                                  \
  name = reinterpret_cast<result(*) arguments>(dlsym(tensorflow, #name)); \
  if (name == nullptr) {                                                  \
    *error = "this TensorFlow has no function " #name;                    \
    return false;                                                         \
  }
  TENSORFLOW_FUNCTIONS(LOOK_UP)
#undef LOOK_UP
  void* gru = open_gru();
  if (gru == nullptr) {
    *error = "libkeras_gru.so does not load";
    return false;
  }
  forward_arrays = reinterpret_cast<decltype(forward_arrays)>(dlsym(gru, "gru_forward_arrays"));
  backward_arrays =
      reinterpret_cast<decltype(backward_arrays)>(dlsym(gru, "gru_backward_arrays"));
  saved_arrays = reinterpret_cast<decltype(saved_arrays)>(dlsym(gru, "gru_saved_arrays"));
  if (forward_arrays == nullptr || backward_arrays == nullptr || saved_arrays == nullptr) {
    *error = "libkeras_gru.so is of another version";
    return false;
  }
  return true;
}

std::string register_all() {
  std::string error;
  if (look_up(&error) &&
      register_operation("KerasGruForward", create<gru_forward_outputs>,
                         compute_forward, &error))
    register_operation("KerasGruBackward", create<gru_backward_outputs>,
                       compute_backward, &error);
  return error;
}

const std::string registration_error = register_all();

}  // namespace

// Why the operations are not registered, or an empty string.
extern "C" GRU_EXPORT const char* gru_tensorflow_error(void) {
  return registration_error.c_str();
}
