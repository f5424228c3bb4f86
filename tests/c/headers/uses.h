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
struct point {
  int32_t x, y;
};
LUCET_SLICE(points, const struct point);
LUCET_SLICE(points_out, struct point);
static int32_t get(lucet_call *call, lucet_string key, lucet_bytes_out value) {
  (void)call;
  (void)key;
  return value.size > 0;
}
static void draw(lucet_call *call, points from, double scale, points_out to, lucet_bytes_inout bytes, const struct point *at,
                 struct point *end, uint8_t colour, int8_t shade, uint32_t letter, uint32_t style, uint32_t kind) {
  (void)call;
  (void)from;
  (void)scale;
  (void)to;
  (void)bytes;
  (void)at;
  (void)end;
  (void)colour;
  (void)shade;
  (void)letter;
  (void)style;
  (void)kind;
}
static void copies(lucet_call *call, lucet_string a, lucet_u64s b, struct point *both) {
  (void)call;
  (void)a;
  (void)b;
  (void)both;
}
static const lucet_handle_kind things = {"thing", LUCET_NULL_};
static void thing(lucet_call *call, struct point *object) {
  (void)call;
  (void)object;
}
static const uint32_t kinds[] = {1, 5, 9};
#define U uint32_t
static const lucet_host_function table[] = {
    LUCET_HOST_OR(-1, "get", get, int32_t, lucet_string, lucet_bytes_out),
    LUCET_HOST("draw", draw, void, LUCET_IN(points), double, LUCET_OUT(points_out), lucet_bytes_inout,
               LUCET_OBJECT(struct point), LUCET_OBJECT_OUT(struct point), LUCET_UNSIGNED(uint8_t, 7),
               LUCET_SIGNED(int8_t, 8), LUCET_CHAR(uint32_t), LUCET_FLAGS(uint32_t, 5), LUCET_ONE_OF(uint32_t, kinds)),
    LUCET_HOST("thing", thing, void, LUCET_HANDLE(struct point, things)),
    LUCET_HOST("copies", copies, void, LUCET_WITH(lucet_string, LUCET_MAX(256) | LUCET_COPY),
               LUCET_WITH(LUCET_IN(lucet_u64s), LUCET_MAX(7) | LUCET_ALIGN(16) | LUCET_COPY),
               LUCET_OBJECT_INOUT(struct point)),

    LUCET_HOST("add", add, int32_t, int32_t, int32_t),
    LUCET_HOST("tick", tick, void),
    LUCET_HOST_LEAF("leaf", tick, void),
    LUCET_HOST("wide", &wide, uint64_t, uint64_t, long, long long, unsigned long long),
    LUCET_HOST("floats", floats, double, float, double),
    LUCET_HOST("refs", refs, lucet_externref, lucet_externref, lucet_funcref),
    LUCET_HOST("most", most, U, U, U, U, U, U, U, U, U, U, U, U, double)};

int uses(lucet_linker *linker, lucet_module *module, lucet_instance *guest);
int uses(lucet_linker *linker, lucet_module *module, lucet_instance *guest) {
  static const lucet_host_function inner[] = {LUCET_HOST("tick", tick, void),
                                              LUCET_HOST("get", get, int32_t, lucet_string, lucet_bytes_out)};
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
