// Defaults of the sanitizers for every test program of the preset asan-ubsan.

// PyTorch's libraries keep allocations for the life of the process (dispatcher, thread pools), which cannot
// be told from leaks. They are not instrumented, so that a container which they filled looks overflowed: no
// check of those.
extern "C" const char* __asan_default_options() {
  return "detect_leaks=0:detect_container_overflow=0:strict_string_checks=1:detect_stack_use_after_return=1";
}

extern "C" const char* __ubsan_default_options() { return "print_stacktrace=1"; }
