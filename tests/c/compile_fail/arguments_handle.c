/* A handle is of a kind, not of anything.
 * expect: not a const lucet_handle_kind
 * expect-c99: not_a_const_lucet_handle_kind */
#include <lucet.h>
struct thing;
static const lucet_handle_kind things = {"thing", 0};
static const int other = 1;
#ifdef RIGHT
#define KIND things
#else
#define KIND other
#endif
static void host(lucet_call *call, struct thing *object) {
  (void)call;
  (void)object;
}
const void *const used[] = {&things, &other};
const lucet_host_function rows[] = {LUCET_HOST("f", host, void, LUCET_HANDLE(struct thing, KIND))};
