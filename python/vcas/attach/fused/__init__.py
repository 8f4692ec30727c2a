"""Transformer blocks of known architectures, run by the C++ operator."""
