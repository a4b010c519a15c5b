"""The C++ GRU: its sources, its compiled library, and a binding per framework."""
