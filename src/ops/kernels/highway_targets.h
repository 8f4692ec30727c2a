// Included before any Highway header by every file that is compiled once for each instruction set: the
// baseline, AVX2 and AVX-512 (AVX3) on x86. The targets in between gain these kernels nothing and would only
// cost build time.
#undef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)
