/* guest.c: guest.wat in C, for lucet_add_module(C). */
__attribute__((export_name("twice"))) int twice(int value) { return 2 * value; }
__attribute__((export_name("outside"))) int outside(void) { return *(volatile int *)0x7fffffff; }
