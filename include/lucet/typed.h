/* lucet/typed.h: what lucet.h cannot say with declarations alone: host functions and guest functions whose C
 * types the compiler checks, and initialisers. Included by lucet.h; written by hand; header only.
 *
 *   static int32_t host_add(lucet_call *call, int32_t left, int32_t right);
 *   static void host_tick(lucet_call *call);
 *   static const lucet_host_function env[] = {
 *     LUCET_HOST("add", host_add, int32_t, int32_t, int32_t),     result type first, then the parameters'
 *     LUCET_HOST_LEAF("tick", host_tick, void) };                 void: no result
 *   status = lucet_linker_define(linker, "env", env, 2, data);
 *   status = LUCET_DEFINE(linker, "env", data, LUCET_HOST("tick", host_tick, void));   the rows in place
 *
 *   LUCET_ENTRY(sum, int32_t, int32_t, int32_t);                  declares a function pointer
 *   if (!LUCET_FIND(sum, module, "sum", int32_t, int32_t, int32_t)) fail(lucet_last_error());
 *   if (sum(guest, &result, 20, 22) == LUCET_RETURNED) ...        without a result: NULL in its place
 *
 * The types are int32_t, uint32_t, int64_t, uint64_t, float, double, lucet_funcref, lucet_externref and, for
 * v128, lucet_vector or __m128i; up to 12 parameters. More parameters and several results need
 * lucet_linker_define_dynamic and lucet_instance_run. Another type, or a function that is not exactly of the types given, does not compile:
 * in C it is an error even where the compiler would only warn of an incompatible pointer.
 *
 * Invariants: works in C99 to C2x and C++11 to C++20 with gcc and clang, without warnings under -Wall -Wextra
 * -pedantic -Wconversion -Wshadow; in C the rows are constant expressions, so tables can be static const.
 * Names that end in an underscore, and namespace lucet_detail, are not for users.
 *
 * Not here: anything that calls a guest in another way than lucet.h does.
 *
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#ifndef LUCET_TYPED_H
#define LUCET_TYPED_H
#include "../lucet.h" /* without effect when lucet.h is what includes this file */

#if !defined(__GNUC__)
#error "lucet/typed.h needs gcc or clang"
#endif

/* `= {0}` draws warnings in C++, and `= {}` in C before C2x. */
/* clang-format off */
#ifdef __cplusplus
#define LUCET_ZERO_ {}
#define LUCET_NULL_ nullptr
#else
#define LUCET_ZERO_ {0}
#define LUCET_NULL_ ((void *)0)
#endif
/* clang-format on */

/* A v128 in a function's own type. lucet_v128 is one in memory: a struct, which C passes in other registers
 * than guests pass vectors. __m128i is the same type as this one (of which gcc warns in templates, so not in C++),
 * and other vectors are cast to it. */
typedef long long lucet_vector __attribute__((vector_size(16)));

/* ---- values ---- */

/* All of the payload is written, which is longer than most members, and in whole words: what is put together
 * of smaller pieces makes gcc copy the value by loads that must wait for each of the stores. */
#define LUCET_VALUE_(Type, member, number, Word)                                                             \
  static inline lucet_value lucet_value_##member(Type content) {                                             \
    lucet_value made;                                                                                        \
    Word bits;                                                                                               \
    __builtin_memcpy(&bits, &content, sizeof bits);                                                          \
    made.type = number;                                                                                      \
    made.reserved = 0;                                                                                       \
    made.of.v128.lo = bits;                                                                                  \
    made.of.v128.hi = 0;                                                                                     \
    return made;                                                                                             \
  }
LUCET_VALUE_(int32_t, i32, LUCET_I32, uint32_t)
LUCET_VALUE_(int64_t, i64, LUCET_I64, uint64_t)
LUCET_VALUE_(float, f32, LUCET_F32, uint32_t)
LUCET_VALUE_(double, f64, LUCET_F64, uint64_t)
LUCET_VALUE_(lucet_funcref, funcref, LUCET_FUNCREF, uint64_t)
LUCET_VALUE_(lucet_externref, externref, LUCET_EXTERNREF, uint64_t)
LUCET_VALUE_(lucet_exnref, exnref, LUCET_EXNREF, uint64_t)

static inline lucet_value lucet_value_v128(lucet_v128 content) {
  lucet_value made;
  made.type = LUCET_V128;
  made.reserved = 0;
  made.of.v128 = content;
  return made;
}

static inline lucet_vector lucet_vector_of(lucet_v128 content) {
  lucet_vector made;
  __builtin_memcpy(&made, &content, sizeof made);
  return made;
}
static inline lucet_v128 lucet_v128_of(lucet_vector content) {
  lucet_v128 made;
  __builtin_memcpy(&made, &content, sizeof made);
  return made;
}

/* The bytes [address, address + length) of a guest's memory, or NULL when some of them are outside. Good
 * until the guest runs, grows its memory, is reset or released. The content is the guest's: read it once,
 * then check the copy. */
static inline const uint8_t *lucet_at(lucet_memory memory, uint64_t address, uint64_t length) {
  return memory.data && address <= memory.size && length <= memory.size - address ? memory.data + address
                                                                                  : LUCET_NULL_;
}

/* ---- structs that carry their size: start with these, and a later library knows what you know ---- */

static inline lucet_load_options lucet_load_options_default(void) {
  lucet_load_options options = LUCET_ZERO_;
  options.struct_size = sizeof options;
  return options;
}

static inline lucet_requirements lucet_requirements_default(void) {
  lucet_requirements requirements = LUCET_ZERO_;
  requirements.struct_size = sizeof requirements;
  return requirements;
}

static inline lucet_region_config lucet_region_config_default(void) {
  lucet_region_config config = LUCET_ZERO_;
  config.struct_size = sizeof config;
  config.instances = 64;
  config.callback_depth = 8;
  config.table_elements = 10000;
  config.memory_bytes = 16u << 20;
  config.stack_bytes = 128u << 10;
  config.state_bytes = 16u << 10;
  config.keep_resident_bytes = 1u << 20;
  config.leaf_stack_bytes = 16u << 10;
  config.host_stack_bytes = 32u << 10;
  config.values = 32;
  config.memories = 1;
  return config;
}

static inline lucet_region_stats lucet_region_stats_default(void) {
  lucet_region_stats stats = LUCET_ZERO_;
  stats.struct_size = sizeof stats;
  return stats;
}

static inline lucet_instance_stats lucet_instance_stats_default(void) {
  lucet_instance_stats stats = LUCET_ZERO_;
  stats.struct_size = sizeof stats;
  return stats;
}

static inline lucet_limits lucet_limits_default(void) {
  lucet_limits limits = LUCET_ZERO_;
  limits.struct_size = sizeof limits;
  return limits;
}

static inline lucet_wasi_options lucet_wasi_options_default(void) {
  lucet_wasi_options options = LUCET_ZERO_;
  options.struct_size = sizeof options;
  return options;
}

/* ---- lists of types: FIRST_ is the result's, REST_ the parameters' with a comma before each ---- */

#define LUCET_JOIN_(a, b) a##b
#define LUCET_PICK_(some) LUCET_JOIN_(LUCET_REST_, some)
#define LUCET_TEXT_(...) #__VA_ARGS__
#define LUCET_FIRST_(a, ...) a
#define LUCET_REST_(...)                                                                                     \
  LUCET_PICK_(LUCET_MANY_(__VA_ARGS__, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, ~))          \
  (__VA_ARGS__)
#define LUCET_MANY_(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, some, ...) some
#define LUCET_REST_1(a)
#define LUCET_REST_2(a, ...) , __VA_ARGS__

/* ---- what users write ---- */

/* One row of a table of host functions: (name, function, result, parameters...). */
#define LUCET_HOST(name, function, ...) LUCET_ROW_(0u, 0, name, function, __VA_ARGS__)
/* One whose guest gets `answer`, an integer, when an argument is refused, instead of a trap. */
#define LUCET_HOST_OR(answer, name, function, ...)                                                           \
  LUCET_ROW_(LUCET_ANSWER, answer, name, function, __VA_ARGS__)
/* One that runs on the guest's stack and may do nothing but compute and read and write the guest's memory. */
#define LUCET_HOST_LEAF(name, function, ...) LUCET_ROW_(LUCET_LEAF, 0, name, function, __VA_ARGS__)
/* Declares a variable for a typed entry: (variable, result, parameters...). It answers the outcome's kind. */
#define LUCET_ENTRY(variable, ...)                                                                           \
  uint32_t (*variable)(lucet_instance *, LUCET_FIRST_(__VA_ARGS__, ~) * LUCET_REST_(__VA_ARGS__))

#include "arguments.h" /* IWYU pragma: export */

#ifdef __cplusplus

namespace lucet_detail {
template <class Type> struct code {
  static_assert(sizeof(Type *) == 0,
                "not a WebAssembly type: use (u)int32_t, (u)int64_t, float, double, lucet_vector, "
                "lucet_funcref or lucet_externref");
};
template <> struct code<void> {
  static constexpr uint64_t value = LUCET_VOID;
};
template <> struct code<int> {
  static constexpr uint64_t value = LUCET_I32;
};
template <> struct code<unsigned> {
  static constexpr uint64_t value = LUCET_I32;
};
template <> struct code<long> {
  static constexpr uint64_t value = LUCET_I64;
};
template <> struct code<unsigned long> {
  static constexpr uint64_t value = LUCET_I64;
};
template <> struct code<long long> {
  static constexpr uint64_t value = LUCET_I64;
};
template <> struct code<unsigned long long> {
  static constexpr uint64_t value = LUCET_I64;
};
template <> struct code<float> {
  static constexpr uint64_t value = LUCET_F32;
};
template <> struct code<double> {
  static constexpr uint64_t value = LUCET_F64;
};
template <> struct code<lucet_vector> {
  static constexpr uint64_t value = LUCET_V128;
};
template <> struct code<checked> {
  static constexpr uint64_t value = LUCET_CHECKED;
};
template <> struct code<lucet_funcref> {
  static constexpr uint64_t value = LUCET_FUNCREF;
};
template <> struct code<lucet_externref> {
  static constexpr uint64_t value = LUCET_EXTERNREF;
};

template <class... Types> struct packed {
  static constexpr uint64_t value = 0;
};
template <class First, class... Types> struct packed<First, Types...> {
  static constexpr uint64_t value = code<First>::value | packed<Types...>::value << 4;
};

/* A class template: the types are given. A function template would deduce the parameters that were left out.
 */
template <class Result, class... Types> struct typed {
  static_assert(sizeof...(Types) <= 12, "at most 12 parameters");
  static constexpr uint64_t types() { return packed<Result, Types...>::value; }
  static lucet_host_function row(uint32_t flags, const char *name,
                                 Result (*function)(lucet_call *, typename parameter<Types>::type...),
                                 uint64_t answer = 0) {
    const lucet_check checks[] = {parameter<Types>::check()..., lucet_check()};
    lucet_host_function made = lucet_host_function();
    made.name = name;
    made.function = reinterpret_cast<lucet_function>(function);
    made.types = code<Result>::value | packed<typename parameter<Types>::code_type...>::value << 4;
    made.flags = flags;
    made.answer = answer;
    for (size_t i = 0; i < sizeof...(Types); i++)
      made.checks[i] = checks[i];
    return made;
  }
  static bool find(uint32_t (*&entry)(lucet_instance *, Result *, Types...), const lucet_module *module,
                   const char *name) {
    entry = reinterpret_cast<uint32_t (*)(lucet_instance *, Result *, Types...)>(
        lucet_module_entry(module, name, types()));
    return entry != nullptr;
  }
};

constexpr uint64_t bits_of(int64_t answer) { return static_cast<uint64_t>(answer); }

template <class... Rows>
inline lucet_status define(lucet_linker *linker, const char *module, void *data, const Rows &...rows) {
  const lucet_host_function all[] = {rows...};
  return lucet_linker_define(linker, module, all, sizeof...(rows), data);
}
} // namespace lucet_detail

/* The types as lucet_host_function and lucet_module_entry take them: (result, parameters...). */
#define LUCET_TYPES(...) (lucet_detail::typed<__VA_ARGS__>::types())
#define LUCET_ROW_(flags, answer, name, function, ...)                                                       \
  lucet_detail::typed<__VA_ARGS__>::row(flags, name, function, lucet_detail::bits_of(answer))
/* Defines rows made in place: (linker, module, data, rows...). A lucet_status. */
#define LUCET_DEFINE(linker, module, data, ...) lucet_detail::define(linker, module, data, __VA_ARGS__)
/* Looks up an export for a variable of LUCET_ENTRY: (variable, module, name, result, parameters...). False:
 * see lucet_last_error; the variable is NULL then. */
#define LUCET_FIND(variable, module, name, ...) lucet_detail::typed<__VA_ARGS__>::find(variable, module, name)

#else /* C */

/* An expression of value 0 that compiles only if the condition holds. A call cannot do that: rows are
 * constants. C99 has no static assertion (and glibc has a macro of that name there), so the word is its
 * message. */
#if __STDC_VERSION__ >= 201112L
#define LUCET_ASSERT_(condition, text, word)                                                                 \
  (0u * (unsigned)sizeof(struct {                                                                            \
     _Static_assert(condition, text);                                                                        \
     int word;                                                                                               \
   }))
#else
#define LUCET_ASSERT_(condition, text, word)                                                                 \
  (0u * (unsigned)sizeof(struct { int word : (condition) ? 1 : -1; }))
#endif

#define LUCET_IS_(a, b) __builtin_types_compatible_p(a, b)
#define LUCET_CODE_(a)                                                                                       \
  ((uint64_t)(LUCET_IS_(a, void)                                            ? LUCET_VOID                     \
              : LUCET_IS_(a, int) || LUCET_IS_(a, unsigned)                 ? LUCET_I32                      \
              : LUCET_IS_(a, long) || LUCET_IS_(a, unsigned long)           ? LUCET_I64                      \
              : LUCET_IS_(a, long long) || LUCET_IS_(a, unsigned long long) ? LUCET_I64                      \
              : LUCET_IS_(a, float)                                         ? LUCET_F32                      \
              : LUCET_IS_(a, double)                                        ? LUCET_F64                      \
              : LUCET_IS_(a, lucet_vector)                                  ? LUCET_V128                     \
              : LUCET_IS_(a, lucet_funcref)                                 ? LUCET_FUNCREF                  \
              : LUCET_IS_(a, lucet_externref)                               ? LUCET_EXTERNREF                \
                                                                            : 15))
#define LUCET_C_(a, shift)                                                                                   \
  ((LUCET_CODE_(a) +                                                                                         \
    LUCET_ASSERT_(LUCET_CODE_(a) != 15, #a " is not a WebAssembly type", not_a_webassembly_type))            \
   << (shift))

/* The types as lucet_host_function and lucet_module_entry take them: (result, parameters...). A constant. */
#define LUCET_TYPES(...)                                                                                     \
  LUCET_PACK_(__VA_ARGS__, void, void, void, void, void, void, void, void, void, void, void, void, void, void)
#define LUCET_PACK_(a, b, c, d, e, f, g, h, i, j, k, l, m, n, ...)                                           \
  ((LUCET_C_(a, 0) | LUCET_C_(b, 4) | LUCET_C_(c, 8) | LUCET_C_(d, 12) | LUCET_C_(e, 16) | LUCET_C_(f, 20) | \
    LUCET_C_(g, 24) | LUCET_C_(h, 28) | LUCET_C_(i, 32) | LUCET_C_(j, 36) | LUCET_C_(k, 40) |                \
    LUCET_C_(l, 44) | LUCET_C_(m, 48)) +                                                                     \
   LUCET_ASSERT_(LUCET_IS_(n, void), "at most 12 parameters", at_most_12_parameters))

#define LUCET_SAME_(thing, ...)                                                                              \
  LUCET_ASSERT_(LUCET_IS_(__typeof__(*(thing)), __VA_ARGS__), #thing " is not a " LUCET_TEXT_(__VA_ARGS__),  \
                not_of_the_declared_type)
/* Before C2x a function declared with () is compatible with nearly every type. It is with this one, too. */
struct lucet_not_a_parameter_;
#define LUCET_PROTOTYPED_(function, result)                                                                  \
  LUCET_ASSERT_(!LUCET_IS_(__typeof__(*(function)), result(struct lucet_not_a_parameter_ *)),                \
                #function " is declared without its parameters", declared_without_parameters)
#define LUCET_ROW_(flags, answer, name, function, ...)                                                       \
  {                                                                                                          \
    name, (lucet_function)(function), LUCET_HOST_TYPES_(__VA_ARGS__),                                        \
        (flags) +                                                                                            \
            LUCET_SAME_(function, LUCET_FIRST_(__VA_ARGS__, ~)(lucet_call * LUCET_PARAMETERS_(__VA_ARGS__))) + \
            LUCET_PROTOTYPED_(function, LUCET_FIRST_(__VA_ARGS__, ~)),                                       \
        0, (uint64_t)(int64_t)(answer), {LUCET_CHECKS_(__VA_ARGS__)}                                         \
  }

/* Defines rows made in place: (linker, module, data, rows...). A lucet_status. */
#define LUCET_DEFINE(linker, module, data, ...)                                                              \
  lucet_linker_define(linker, module, (const lucet_host_function[]){__VA_ARGS__},                            \
                      sizeof((const lucet_host_function[]){__VA_ARGS__}) / sizeof(lucet_host_function),      \
                      data)
/* Looks up an export for a variable of LUCET_ENTRY: (variable, module, name, result, parameters...). False:
 * see lucet_last_error; the variable is NULL then. */
#define LUCET_FIND(variable, module, name, ...)                                                              \
  (((variable) = (__typeof__(variable))lucet_module_entry(                                                   \
        module, name,                                                                                        \
        LUCET_TYPES(__VA_ARGS__) +                                                                           \
            LUCET_SAME_(variable, uint32_t(lucet_instance *,                                                 \
                                           LUCET_FIRST_(__VA_ARGS__, ~) * LUCET_REST_(__VA_ARGS__))))) !=    \
   LUCET_NULL_)

#endif
#endif
