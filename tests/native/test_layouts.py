"""What the sources declare of XLA and TensorFlow, held against their own headers."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import shutil
import subprocess

import pytest

NATIVE = pathlib.Path(__file__).parents[2] / "keras_gru" / "native"
COMPILER = shutil.which(os.environ.get("CXX", "c++"))

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(COMPILER is None, reason="no C++ compiler is here"),
]

# Our struct, XLA's, and our name of each field with XLA's.
STRUCTS = {
    "Extension": (
        "XLA_FFI_Extension_Base",
        {"struct_size": "struct_size", "type": "type", "next": "next"},
    ),
    "Version": (
        "XLA_FFI_Api_Version",
        {"major": "major_version", "minor": "minor_version"},
    ),
    "Metadata": (
        "XLA_FFI_Metadata",
        {"version": "api_version", "traits": "traits"},
    ),
    "MetadataExtension": (
        "XLA_FFI_Metadata_Extension",
        {"base": "extension_base", "metadata": "metadata"},
    ),
    "Buffer": (
        "XLA_FFI_Buffer",
        {"type": "dtype", "data": "data", "rank": "rank", "dims": "dims"},
    ),
    "Text": ("XLA_FFI_ByteSpan", {"data": "ptr", "size": "len"}),
    "ArrayAttribute": (
        "XLA_FFI_Array",
        {"type": "dtype", "size": "size", "data": "data"},
    ),
    "Attributes": (
        "XLA_FFI_Attrs",
        {"count": "size", "types": "types", "names": "names", "values": "attrs"},
    ),
    "ErrorArguments": (
        "XLA_FFI_Error_Create_Args",
        {"message": "message", "code": "errc"},
    ),
    "Api": (
        "XLA_FFI_Api",
        {
            "version": "api_version",
            "internal": "internal_api",
            "create_error": "XLA_FFI_Error_Create",
        },
    ),
    "CallFrame": (
        "XLA_FFI_CallFrame",
        {
            "api": "api",
            "context": "ctx",
            "stage": "stage",
            "arguments": "args",
            "results": "rets",
            "attributes": "attrs",
        },
    ),
}
WHOLE = ("Extension", "Version", "Buffer", "Text", "ArrayAttribute", "Attributes")
CONSTANTS = {
    "kMajor": "XLA_FFI_API_MAJOR",
    "kInvalidArgument": "XLA_FFI_Error_Code_INVALID_ARGUMENT",
    "kInternal": "XLA_FFI_Error_Code_INTERNAL",
    "kPred": "XLA_FFI_DataType_PRED",
    "kS64": "XLA_FFI_DataType_S64",
    "kF32": "XLA_FFI_DataType_F32",
    "kF64": "XLA_FFI_DataType_F64",
    "kArrayAttribute": "XLA_FFI_AttrType_ARRAY",
    "kMetadataExtension": "XLA_FFI_Extension_Metadata",
}


def compile_text(text, folder, include):
    source = folder / "layout.cc"
    source.write_text(text)
    command = [COMPILER, "-std=c++17", "-fsyntax-only", f"-I{NATIVE}", f"-I{include}"]
    ran = subprocess.run([*command, str(source)], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_xla(tmp_path):
    found = importlib.util.find_spec("jaxlib")
    if found is None:
        pytest.skip("JAX is not installed")
    lines = [
        "#include <type_traits>",
        '#include "xla/ffi/api/c_api.h"',
        '#include "xla_ffi.h"',
        "using namespace keras_gru::xla;",
    ]

    def same(what, ours, theirs):
        message = f"{what}: {ours}, {theirs}"
        lines.append(f'static_assert({ours} == {theirs}, "{message}");')

    for name, (theirs, fields) in STRUCTS.items():
        for ours, field in fields.items():
            same("offset", f"offsetof({name}, {ours})", f"offsetof({theirs}, {field})")
            same("size", f"sizeof({name}::{ours})", f"sizeof((({theirs}*)0)->{field})")
    for theirs, array in (("XLA_FFI_Args", "args"), ("XLA_FFI_Rets", "rets")):
        for ours, field in (("count", "size"), ("kinds", "types"), ("buffers", array)):
            same("offset", f"offsetof(Buffers, {ours})", f"offsetof({theirs}, {field})")
        same("size", "sizeof(Buffers)", f"sizeof({theirs})")
    for name in WHOLE:
        same("size", f"sizeof({name})", f"sizeof({STRUCTS[name][0]})")
    for ours, theirs in CONSTANTS.items():
        same("value", f"int({ours})", f"int({theirs})")
    lines.append('static_assert(kMinor <= XLA_FFI_API_MINOR, "a later interface");')
    include = pathlib.Path(found.origin).parent / "include"
    compile_text("\n".join(lines), tmp_path, include)


def test_tensorflow(tmp_path):
    found = importlib.util.find_spec("tensorflow")
    if found is None:
        pytest.skip("TensorFlow is not installed")
    text = """
#include <type_traits>
#include "tensorflow/c/kernels.h"
#include "tensorflow/c/ops.h"
#include "tensorflow/c/tf_tensor.h"
#include "tensorflow_functions.h"
#define CHECK(name, result, arguments) \\
  static_assert(std::is_same<decltype(name), result arguments>::value, #name);
TENSORFLOW_FUNCTIONS(CHECK)
static_assert(sizeof(TF_DataType) == sizeof(int) && sizeof(TF_Code) == sizeof(int), "");
static_assert(TF_FLOAT == 1 && TF_DOUBLE == 2 && TF_BOOL == 10, "data types");
static_assert(TF_OK == 0 && TF_INVALID_ARGUMENT == 3, "codes");
"""
    compile_text(text, tmp_path, pathlib.Path(found.origin).parent / "include")
