"""The CPU kernels in C++: sources, their compilation, and the library in Python's terms."""
