"""Blocks of any kind, which run again in the backward pass on the samples that are kept."""
