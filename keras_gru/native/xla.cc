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

bool read_arrays(const Buffers& buffers, int64_t count, GruArray* arrays) {
  if (buffers.count != count) return false;
  for (int64_t i = 0; i < count; ++i) {
    const Buffer* buffer = static_cast<const Buffer*>(buffers.buffers[i]);
    arrays[i] = {buffer->data, buffer->dims, buffer->rank,
                 buffer->type == kF32    ? GRU_ELEMENT_FLOAT32
                 : buffer->type == kF64  ? GRU_ELEMENT_FLOAT64
                 : buffer->type == kPred ? GRU_ELEMENT_BOOL
                                         : GRU_ELEMENT_OTHER};
  }
  return true;
}

const int64_t* read_options(const Attributes& attributes) {
  if (attributes.count != 1 || attributes.types[0] != kArrayAttribute) return nullptr;
  const auto* options = static_cast<const ArrayAttribute*>(attributes.values[0]);
  if (options->type != kS64 || options->size != GRU_OPTIONS) return nullptr;
  return static_cast<const int64_t*>(options->data);
}

template <int INPUTS, int OUTPUTS>
Error* handle(CallFrame* frame,
              const char* (*run)(const int64_t*, const GruArray*, const GruArray*)) {
  if (answer_metadata(frame)) return nullptr;
  if (frame->api->version.major != kMajor)
    return fail(frame, kInternal, "keras_gru was built for another interface of XLA");
  GruArray inputs[INPUTS], outputs[OUTPUTS];
  const int64_t* options = read_options(frame->attributes);
  if (options == nullptr || !read_arrays(frame->arguments, INPUTS, inputs) ||
      !read_arrays(frame->results, OUTPUTS, outputs))
    return fail(frame, kInvalidArgument,
                "keras_gru: wrong number of operands, results or options");
  const char* wrong = run(options, inputs, outputs);
  if (wrong == nullptr) return nullptr;
  const bool memory = std::strstr(wrong, "out of memory") != nullptr;
  return fail(frame, memory ? kResourceExhausted : kInvalidArgument, wrong);
}

}  // namespace
}  // namespace xla
}  // namespace keras_gru

extern "C" {

GRU_EXPORT void* gru_xla_forward(keras_gru::xla::CallFrame* frame) {
  return keras_gru::xla::handle<GRU_FORWARD_INPUTS, GRU_FORWARD_OUTPUTS>(
      frame, gru_forward_arrays);
}

GRU_EXPORT void* gru_xla_backward(keras_gru::xla::CallFrame* frame) {
  return keras_gru::xla::handle<GRU_BACKWARD_INPUTS, GRU_BACKWARD_OUTPUTS>(
      frame, gru_backward_arrays);
}

}  // extern "C"
