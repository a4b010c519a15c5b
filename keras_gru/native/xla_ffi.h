// The part of XLA's foreign function interface that a handler on the CPU needs.
//
// XLA calls a handler with one struct, whose layout is fixed by the major version of
// the interface (0); fields are only ever added at the end, and each struct begins
// with its size. Declared here so that no header of jaxlib is needed to build;
// tests/native/test_xla_layout.py holds it against the header of the installed one.
#ifndef KERAS_GRU_NATIVE_XLA_FFI_H_
#define KERAS_GRU_NATIVE_XLA_FFI_H_

#include <cstddef>
#include <cstdint>

namespace keras_gru {
namespace xla {

// The interface that the declarations below were written for.
constexpr int kMajor = 0;
constexpr int kMinor = 1;

enum Code : int { kInvalidArgument = 3, kResourceExhausted = 8, kInternal = 13 };
enum DataType : int { kPred = 1, kS64 = 5, kF16 = 10, kF32 = 11, kF64 = 12, kBF16 = 16 };
enum AttributeType : int { kArrayAttribute = 1 };
enum ExtensionType : int { kMetadataExtension = 1 };

struct Error;  // owned by whoever received it

struct Extension {
  size_t struct_size;
  int type;
  Extension* next;
};

struct Version {
  size_t struct_size;
  Extension* extensions;
  int major, minor;
};

struct Metadata {
  size_t struct_size;
  Version version;
  uint32_t traits;
};

struct MetadataExtension {
  Extension base;
  Metadata* metadata;
};

struct Buffer {
  size_t struct_size;
  Extension* extensions;
  int type;  // DataType
  void* data;
  int64_t rank;
  int64_t* dims;
};

// Arguments and results alike: `count` pointers to Buffer.
struct Buffers {
  size_t struct_size;
  Extension* extensions;
  int64_t count;
  int* kinds;
  void** buffers;
};

struct Text {
  const char* data;
  size_t size;
};

struct ArrayAttribute {
  int type;  // DataType
  size_t size;
  void* data;
};

struct Attributes {
  size_t struct_size;
  Extension* extensions;
  int64_t count;
  int* types;  // AttributeType
  Text** names;
  void** values;
};

struct ErrorArguments {
  size_t struct_size;
  Extension* extensions;
  const char* message;
  int code;
};

struct Api {
  size_t struct_size;
  Extension* extensions;
  Version version;
  const void* internal;
  Error* (*create_error)(ErrorArguments*);
  // More functions follow.
};

struct CallFrame {
  size_t struct_size;
  Extension* extensions;
  const Api* api;
  void* context;
  int stage;
  Buffers arguments;
  Buffers results;
  Attributes attributes;
  // More fields follow.
};

}  // namespace xla
}  // namespace keras_gru

#endif  // KERAS_GRU_NATIVE_XLA_FFI_H_
