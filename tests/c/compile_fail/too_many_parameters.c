/* Thirteen parameters: a typed row has room for twelve.
 * expect: at most 12 parameters
 * expect-c99: at_most_12_parameters */
#include <lucet.h>
typedef int32_t i;
#ifdef RIGHT
static void host(lucet_call *call, i a, i b, i c, i d, i e, i f, i g, i h, i j, i k, i l, i m) {
  (void)call;
  (void)a;
  (void)b;
  (void)c;
  (void)d;
  (void)e;
  (void)f;
  (void)g;
  (void)h;
  (void)j;
  (void)k;
  (void)l;
  (void)m;
}
const lucet_host_function rows[] = {LUCET_HOST("f", host, void, i, i, i, i, i, i, i, i, i, i, i, i)};
#else
static void host(lucet_call *call, i a, i b, i c, i d, i e, i f, i g, i h, i j, i k, i l, i m, i n) {
  (void)call;
  (void)a;
  (void)b;
  (void)c;
  (void)d;
  (void)e;
  (void)f;
  (void)g;
  (void)h;
  (void)j;
  (void)k;
  (void)l;
  (void)m;
  (void)n;
}
const lucet_host_function rows[] = {LUCET_HOST("f", host, void, i, i, i, i, i, i, i, i, i, i, i, i, i)};
#endif
