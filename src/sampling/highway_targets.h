// Included before any Highway header by every file that is compiled once for each instruction set: the
// baseline, AVX2 and AVX-512 (AVX3) on x86, NEON on ARM. The x86 targets in between gain these kernels
// nothing and would only cost build time; vectors of a length that the compiler does not know cannot be held
// in arrays of registers.
#undef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
