"""What the compiled models share: numbers, atomics, the cache of kernels."""
