/* uses.h: every macro and inline function of lucet/typed.h once, in what C99 and C++11 have in common.
 * Compiled, not run, by headers/matrix.sh in every standard. Not a test of behaviour. */
static int32_t add(lucet_call *call, int32_t left, int32_t right) {
  (void)call;
  return left + right;
}
static void tick(lucet_call *call) { (void)call; }
static uint64_t wide(lucet_call *call, uint64_t a, long b, long long c, unsigned long long d) {
  (void)call;
  (void)b;
  (void)c;
  (void)d;
  return a;
}
static double floats(lucet_call *call, float a, double b) {
  (void)call;
  return b + a;
}
static lucet_externref refs(lucet_call *call, lucet_externref a, lucet_funcref b) {
  (void)call;
  (void)b;
  return a;
}
static uint32_t most(lucet_call *call, uint32_t a, uint32_t b, uint32_t c, uint32_t d, uint32_t e, uint32_t f,
                     uint32_t g, uint32_t h, uint32_t i, uint32_t j, uint32_t k, double l) {
  (void)call;
  (void)a;
  (void)b;
  (void)c;
  (void)d;
  (void)e;
  (void)f;
  (void)g;
  (void)h;
  (void)i;
  (void)j;
  (void)k;
  (void)l;
  return 12;
}
#define U uint32_t
static const lucet_host_function table[] = {
    LUCET_HOST("add", add, int32_t, int32_t, int32_t),
    LUCET_HOST("tick", tick, void),
    LUCET_HOST_LEAF("leaf", tick, void),
    LUCET_HOST("wide", &wide, uint64_t, uint64_t, long, long long, unsigned long long),
    LUCET_HOST("floats", floats, double, float, double),
    LUCET_HOST("refs", refs, lucet_externref, lucet_externref, lucet_funcref),
    LUCET_HOST("most", most, U, U, U, U, U, U, U, U, U, U, U, U, double)};

int uses(lucet_linker *linker, lucet_module *module, lucet_instance *guest);
int uses(lucet_linker *linker, lucet_module *module, lucet_instance *guest) {
  static const lucet_host_function inner[] = {LUCET_HOST("tick", tick, void)};
  LUCET_ENTRY(sum, int32_t, int32_t, int32_t);
  LUCET_ENTRY(run, void);
  LUCET_ENTRY(longest, float, U, U, U, U, U, U, U, U, U, U, U, double);
  lucet_load_options load = lucet_load_options_default();
  lucet_requirements requirements = lucet_requirements_default();
  lucet_region_config config = lucet_region_config_default();
  lucet_region_stats stats = lucet_region_stats_default();
  lucet_limits limits = lucet_limits_default();
  lucet_wasi_options wasi = lucet_wasi_options_default();
  lucet_externref none;
  lucet_funcref nothing;
  lucet_v128 vector;
  lucet_value values[7];
  int32_t result = 0;
  float other = 0;
  none.host = LUCET_NULL_;
  nothing.opaque = 0;
  vector.lo = vector.hi = 1;
  values[0] = lucet_value_i32(1);
  values[1] = lucet_value_i64(1);
  values[2] = lucet_value_f32(1);
  values[3] = lucet_value_f64(1);
  values[4] = lucet_value_v128(vector);
  values[5] = lucet_value_funcref(nothing);
  values[6] = lucet_value_externref(none);
  if (lucet_linker_define(linker, "env", table, sizeof table / sizeof table[0], LUCET_NULL_)) return 1;
  if (LUCET_DEFINE(linker, "env", &config, LUCET_HOST("sub", add, int32_t, int32_t, int32_t),
                   LUCET_HOST("t", tick, void)))
    return 1;
  if (!LUCET_FIND(sum, module, "sum", int32_t, int32_t, int32_t) || !LUCET_FIND(run, module, "run", void))
    return 1;
  if (!LUCET_FIND(longest, module, "longest", float, U, U, U, U, U, U, U, U, U, U, U, double)) return 1;
  if (sum(guest, &result, 1, 2) != LUCET_RETURNED || run(guest, LUCET_NULL_) != LUCET_RETURNED) return 1;
  if (longest(guest, &other, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12.0) != LUCET_RETURNED) return 1;
  if (LUCET_TYPES(int32_t, int64_t, float, double) != 0x4321u || inner[0].types != 0) return 1;
  return lucet_at(lucet_instance_memory(guest, 0), 0, 4) != LUCET_NULL_ && load.struct_size &&
         requirements.struct_size && stats.struct_size && limits.struct_size && wasi.struct_size &&
         values[6].type == LUCET_EXTERNREF;
}
