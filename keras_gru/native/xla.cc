// The GRU as custom calls of XLA on the CPU: `gru_xla_forward`, `gru_xla_backward`.
// Operands and results are the arrays of arrays.h; one attribute, `options`.

#include "arrays.h"
#include "xla_ffi.h"

#include <cstring>

namespace keras_gru {
namespace xla {
namespace {

Error* fail(const CallFrame* frame, Code code, const char* message) {
  ErrorArguments arguments{sizeof(ErrorArguments), nullptr, message, code};
  return frame->api->create_error(&arguments);
}

// XLA first asks a handler which interface it was written for.
bool answer_metadata(CallFrame* frame) {
  for (Extension* e = frame->extensions; e != nullptr; e = e->next) {
    if (e->type != kMetadataExtension) continue;
    Metadata* metadata = reinterpret_cast<MetadataExtension*>(e)->metadata;
    metadata->version.major = kMajor;
    metadata->version.minor = kMinor;
    metadata->traits = 0;
    return true;
  }
  return false;
}

void read_arrays(const Buffers& buffers, GruArray* arrays) {
  for (int64_t i = 0; i < buffers.count; ++i) {
    const Buffer* buffer = static_cast<const Buffer*>(buffers.buffers[i]);
    arrays[i] = {buffer->data, buffer->dims, buffer->rank,
                 buffer->type == kF32    ? GRU_ELEMENT_FLOAT32
                 : buffer->type == kF64  ? GRU_ELEMENT_FLOAT64
                 : buffer->type == kBF16 ? GRU_ELEMENT_BFLOAT16
                 : buffer->type == kF16  ? GRU_ELEMENT_FLOAT16
                 : buffer->type == kPred ? GRU_ELEMENT_BOOL
                                         : GRU_ELEMENT_OTHER};
  }
}

// The options of as many passes as there are.
const int64_t* read_options(const Attributes& attributes, int64_t* passes) {
  if (attributes.count != 1 || attributes.types[0] != kArrayAttribute) return nullptr;
  const auto* options = static_cast<const ArrayAttribute*>(attributes.values[0]);
  const auto size = static_cast<int64_t>(options->size);
  *passes = size / GRU_OPTIONS;
  if (options->type != kS64 || size != *passes * GRU_OPTIONS || *passes < 1 ||
      *passes > GRU_MOST_PASSES)
    return nullptr;
  return static_cast<const int64_t*>(options->data);
}

constexpr int64_t kMostArrays = 32;
static_assert(kMostArrays >= 9 * GRU_MOST_PASSES + 2, "room for all arrays of a call");

using Count = int64_t (*)(int64_t passes);

Error* handle(CallFrame* frame, Count inputs_of, Count outputs_of,
              decltype(&gru_forward_arrays) run) {
  if (answer_metadata(frame)) return nullptr;
  if (frame->api->version.major != kMajor)
    return fail(frame, kInternal, "keras_gru was built for another interface of XLA");
  int64_t passes = 0;
  const int64_t* options = read_options(frame->attributes, &passes);
  if (options == nullptr || frame->arguments.count != inputs_of(passes) ||
      frame->results.count != outputs_of(passes))
    return fail(frame, kInvalidArgument,
                "keras_gru: wrong number of operands, results or options");
  GruArray inputs[kMostArrays], outputs[kMostArrays];
  read_arrays(frame->arguments, inputs);
  read_arrays(frame->results, outputs);
  const char* wrong = run(passes, options, inputs, outputs);
  if (wrong == nullptr) return nullptr;
  const bool memory = std::strstr(wrong, "out of memory") != nullptr;
  return fail(frame, memory ? kResourceExhausted : kInvalidArgument, wrong);
}

}  // namespace
}  // namespace xla
}  // namespace keras_gru

extern "C" {

GRU_EXPORT void* gru_xla_forward(keras_gru::xla::CallFrame* frame) {
  return keras_gru::xla::handle(frame, gru_forward_inputs, gru_forward_outputs,
                                gru_forward_arrays);
}

GRU_EXPORT void* gru_xla_backward(keras_gru::xla::CallFrame* frame) {
  return keras_gru::xla::handle(frame, gru_backward_inputs, gru_backward_outputs,
                                gru_backward_arrays);
}

}  // extern "C"
