/* w2c_glue.c: makes a shared object with a function `run` of what wasm2c wrote for a kernel. Compiled once
 * for each kernel, with W2C_HEADER naming the header; the module is always called `kernel`.
 *
 * Memory accesses are protected by guard pages; the signal handler is left out
 * (WASM_RT_SKIP_SIGNAL_RECOVERY), which changes nothing in the code and leaves the other engines' handlers
 * alone. */
#include "wasm-rt.h"
#include W2C_HEADER

__attribute__((visibility("default"))) u32 run(u32 rounds);

static Z_kernel_instance_t instance;

__attribute__((constructor)) static void start(void) {
  wasm_rt_init();
  Z_kernel_init_module();
  Z_kernel_instantiate(&instance);
}

u32 run(u32 rounds) { return Z_kernelZ_run(&instance, rounds); }
