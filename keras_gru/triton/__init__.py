"""The Triton kernel: its programs and how they are launched, torch on CUDA."""
