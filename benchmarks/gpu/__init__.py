"""The kernels on a GPU: what is measured, on torch and on JAX, and if it is right."""
