// The functions of TensorFlow's C interface (tensorflow/c) that tensorflow.cc calls:
// F(name, result, arguments). A test compiles this list against the installed headers.
#ifndef KERAS_GRU_NATIVE_TENSORFLOW_FUNCTIONS_H_
#define KERAS_GRU_NATIVE_TENSORFLOW_FUNCTIONS_H_

#define TENSORFLOW_FUNCTIONS(F)                                                       \
  F(TF_NewStatus, TF_Status*, (void))                                                 \
  F(TF_DeleteStatus, void, (TF_Status*))                                              \
  F(TF_SetStatus, void, (TF_Status*, TF_Code, const char*))                           \
  F(TF_GetCode, TF_Code, (const TF_Status*))                                          \
  F(TF_Message, const char*, (const TF_Status*))                                      \
  F(TF_NewOpDefinitionBuilder, TF_OpDefinitionBuilder*, (const char*))                \
  F(TF_OpDefinitionBuilderAddAttr, void, (TF_OpDefinitionBuilder*, const char*))      \
  F(TF_OpDefinitionBuilderAddInput, void, (TF_OpDefinitionBuilder*, const char*))     \
  F(TF_OpDefinitionBuilderAddOutput, void, (TF_OpDefinitionBuilder*, const char*))    \
  F(TF_OpDefinitionBuilderSetShapeInferenceFunction, void,                            \
    (TF_OpDefinitionBuilder*, void (*)(TF_ShapeInferenceContext*, TF_Status*)))       \
  F(TF_RegisterOpDefinition, void, (TF_OpDefinitionBuilder*, TF_Status*))             \
  F(TF_ShapeInferenceContextSetUnknownShape, void,                                    \
    (TF_ShapeInferenceContext*, TF_Status*))                                          \
  F(TF_NewKernelBuilder, TF_KernelBuilder*,                                           \
    (const char*, const char*, void* (*)(TF_OpKernelConstruction*),                   \
     void (*)(void*, TF_OpKernelContext*), void (*)(void*)))                          \
  F(TF_RegisterKernelBuilder, void, (const char*, TF_KernelBuilder*, TF_Status*))     \
  F(TF_OpKernelConstruction_GetAttrInt64List, void,                                   \
    (TF_OpKernelConstruction*, const char*, int64_t*, int, TF_Status*))               \
  F(TF_OpKernelConstruction_GetAttrInt64, void,                                       \
    (TF_OpKernelConstruction*, const char*, int64_t*, TF_Status*))                    \
  F(TF_OpKernelConstruction_Failure, void, (TF_OpKernelConstruction*, TF_Status*))    \
  F(TF_OpKernelContext_Failure, void, (TF_OpKernelContext*, TF_Status*))              \
  F(TF_GetInput, void, (TF_OpKernelContext*, int, TF_Tensor**, TF_Status*))           \
  F(TF_AllocateOutput, TF_Tensor*,                                                    \
    (TF_OpKernelContext*, int, TF_DataType, const int64_t*, int, size_t, TF_Status*)) \
  F(TF_DeleteTensor, void, (TF_Tensor*))                                              \
  F(TF_TensorType, TF_DataType, (const TF_Tensor*))                                   \
  F(TF_NumDims, int, (const TF_Tensor*))                                              \
  F(TF_Dim, int64_t, (const TF_Tensor*, int))                                         \
  F(TF_TensorData, void*, (const TF_Tensor*))

#endif  // KERAS_GRU_NATIVE_TENSORFLOW_FUNCTIONS_H_
