/* lucet/arguments.h: parameters of host functions that mean more than their WebAssembly type: buffers, text, numbers
 * with allowed values. Included by lucet/typed.h; written by hand; header only.
 *
 *   static int32_t get(lucet_call *call, lucet_string key, lucet_bytes_out value);
 *   static int32_t draw(lucet_call *call, points line, uint8_t colour, uint32_t style);
 *   static const lucet_host_function rows[] = {
 *     LUCET_HOST("get", get, int32_t, LUCET_WITH(lucet_string, LUCET_MAX(256) | LUCET_COPY), lucet_bytes_out),
 *     LUCET_HOST_OR(-1, "draw", draw, int32_t, LUCET_IN(points), LUCET_UNSIGNED(uint8_t, 7), LUCET_FLAGS(uint32_t, 5)) };
 *
 * In the place of a parameter's type in LUCET_HOST and its sisters stands one of
 *
 *   lucet_bytes, lucet_string        bytes that the function reads; a lucet_string is valid UTF-8, without a NUL at its end
 *   lucet_bytes_out                  bytes that it writes, and does not read
 *   lucet_bytes_inout                bytes that it reads and writes
 *   LUCET_IN(S) LUCET_OUT(S) LUCET_INOUT(S)     elements: S is a struct made by LUCET_SLICE; the guest passes address and
 *                                    number of elements
 *   LUCET_OBJECT(T) LUCET_OBJECT_OUT(T) LUCET_OBJECT_INOUT(T)     one T: the guest passes its address; the function
 *                                    takes a const T * or a T *
 *   LUCET_WITH(P, options)           P, which is one of the above, with LUCET_MAX(elements), LUCET_ALIGN(bytes) and
 *                                    LUCET_COPY or'ed together
 *   LUCET_UNSIGNED(I, most) LUCET_SIGNED(I, bits) LUCET_CHAR(I)     an i32 of the guest as the integer type I, at most
 *                                    `most`; of so many bits; a Unicode scalar value. An enumeration is LUCET_UNSIGNED
 *   LUCET_FLAGS(I, mask) LUCET_ONE_OF(I, array)     no other bits; one of the uint32_t in a static const array
 *   LUCET_HANDLE(T, kind)            a handle that lucet_instance_handle_new has made of this lucet_handle_kind, which is
 *                                    static; the function takes the object, a T *
 *
 * A range must lie in memory 0, its address must be a multiple of the element's alignment, and one that is written to must
 * not overlap another one of the call. All of it is checked before the function runs. If something is wrong the function is
 * not called: the guest traps with LUCET_TRAP_HOST_ARGUMENT, or gets the answer of LUCET_HOST_OR.
 *
 * The pointers are good until the guest runs again, in a callback or after the function has returned. What they point at is
 * the guest's: with LUCET_COPY it is a copy, which no callback changes.
 *
 * Invariants: those of lucet/typed.h.
 *
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#ifndef LUCET_TYPED_H
#include "../lucet.h" /* and that brings this file, in the middle of typed.h */
#elif !defined(LUCET_ARGUMENTS_H)
#define LUCET_ARGUMENTS_H

/* ---- what the function takes ---- */

/* Bytes to read. */
typedef struct lucet_bytes {
  const uint8_t *data;
  size_t size;
} lucet_bytes;

/* Bytes to write. */
typedef struct lucet_bytes_out {
  uint8_t *data;
  size_t size;
} lucet_bytes_out;

/* Bytes to read and write. */
typedef struct lucet_bytes_inout {
  uint8_t *data;
  size_t size;
} lucet_bytes_inout;

/* Text in UTF-8. It may hold NUL bytes, and none follows it. */
typedef struct lucet_string {
  const char *data;
  size_t size;
} lucet_string;

/* Declares a type of elements: LUCET_SLICE(points, const struct point) to be read, without the const to be written. */
#define LUCET_SLICE(Name, Element)                                                                            \
  typedef struct Name {                                                                                       \
    Element *data;                                                                                            \
    size_t count;                                                                                             \
  } Name

LUCET_SLICE(lucet_u8s, const uint8_t);
LUCET_SLICE(lucet_i8s, const int8_t);
LUCET_SLICE(lucet_u16s, const uint16_t);
LUCET_SLICE(lucet_i16s, const int16_t);
LUCET_SLICE(lucet_u32s, const uint32_t);
LUCET_SLICE(lucet_i32s, const int32_t);
LUCET_SLICE(lucet_u64s, const uint64_t);
LUCET_SLICE(lucet_i64s, const int64_t);
LUCET_SLICE(lucet_f32s, const float);
LUCET_SLICE(lucet_f64s, const double);
LUCET_SLICE(lucet_u8s_out, uint8_t);
LUCET_SLICE(lucet_i8s_out, int8_t);
LUCET_SLICE(lucet_u16s_out, uint16_t);
LUCET_SLICE(lucet_i16s_out, int16_t);
LUCET_SLICE(lucet_u32s_out, uint32_t);
LUCET_SLICE(lucet_i32s_out, int32_t);
LUCET_SLICE(lucet_u64s_out, uint64_t);
LUCET_SLICE(lucet_i64s_out, int64_t);
LUCET_SLICE(lucet_f32s_out, float);
LUCET_SLICE(lucet_f64s_out, double);

/* ---- options of LUCET_WITH ---- */

/* At most so many elements: 1 to 4294967295. */
#define LUCET_MAX(elements) LUCET_MAX_(elements)
/* At an address that is a multiple of this: a power of two up to 128. */
#define LUCET_ALIGN(bytes) (LUCET_ALIGN_(bytes) << 32)
/* A copy on the function's stack; needs LUCET_MAX. The copies of one call take at most 4096 bytes together. */
#define LUCET_COPY (UINT64_C(1) << 40)

#ifdef __cplusplus
#include <type_traits>

#define LUCET_MAX_(elements) lucet_detail::most<(elements)>::value
#define LUCET_ALIGN_(bytes) lucet_detail::alignment<(bytes)>::value
#define LUCET_IN(Slice) lucet_detail::slice<Slice, LUCET_CHECK_READ>
#define LUCET_OUT(Slice) lucet_detail::slice<Slice, LUCET_CHECK_WRITE>
#define LUCET_INOUT(Slice) lucet_detail::slice<Slice, LUCET_CHECK_READ | LUCET_CHECK_WRITE>
#define LUCET_OBJECT(Type) lucet_detail::object<const Type, LUCET_CHECK_READ>
#define LUCET_OBJECT_OUT(Type) lucet_detail::object<Type, LUCET_CHECK_WRITE>
#define LUCET_OBJECT_INOUT(Type) lucet_detail::object<Type, LUCET_CHECK_READ | LUCET_CHECK_WRITE>
#define LUCET_WITH(Parameter, options) lucet_detail::with<Parameter, (options)>
#define LUCET_UNSIGNED(Type, most) lucet_detail::number<Type, LUCET_CHECK_UNSIGNED, (most)>
#define LUCET_SIGNED(Type, bits) lucet_detail::number<Type, LUCET_CHECK_SIGNED, (bits)>
#define LUCET_CHAR(Type) lucet_detail::number<Type, LUCET_CHECK_CHAR, 0>
#define LUCET_FLAGS(Type, mask) lucet_detail::number<Type, LUCET_CHECK_FLAGS, (mask)>
#define LUCET_ONE_OF(Type, array) lucet_detail::one_of<Type, sizeof(array) / sizeof *(array), array>
#define LUCET_HANDLE(Type, kind) lucet_detail::handle<Type, &kind>

namespace lucet_detail {
/* Stands for parameters with a check where types are counted. */
struct checked {};

inline lucet_check check_of(unsigned kind, size_t limit, size_t element, size_t align, const void *of) {
  lucet_check made = lucet_check();
  made.limit = static_cast<uint32_t>(limit);
  made.element = static_cast<uint16_t>(element);
  made.align = static_cast<uint8_t>(align);
  made.kind = static_cast<uint8_t>(kind);
  made.of = of;
  return made;
}

template <class Pointer> struct pointee;
template <class Type> struct pointee<Type *> {
  typedef Type type;
  static constexpr bool is_const = false;
};
template <class Type> struct pointee<const Type *> {
  typedef Type type;
  static constexpr bool is_const = true;
};

template <uint64_t elements> struct most {
  static_assert(elements - 1 < UINT64_C(0xffffffff), "LUCET_MAX is 1 to 4294967295");
  static constexpr uint64_t value = elements;
};
template <uint64_t bytes> struct alignment {
  static_assert(bytes - 1 < 128 && (bytes & (bytes - 1)) == 0, "LUCET_ALIGN is a power of two up to 128");
  static constexpr uint64_t value = bytes;
};
/* What may lie in a guest's memory: any bytes are one. */
template <class Type> struct in_memory {
  static_assert(sizeof(Type) < 65536 && alignof(Type) <= 128,
                "elements and objects are of less than 64 KiB, aligned to at most 128");
  static_assert(!std::is_pointer<Type>::value && !std::is_same<Type, bool>::value,
                "elements and objects are no pointers, and not bool, which may not be any byte");
};
/* A slice whose count has another name than LUCET_SLICE gives it. */
template <class Slice, unsigned access> struct bytes_of {
  typedef Slice type;
  typedef checked code_type;
  typedef pointee<decltype(Slice::data)> element;
  static_assert(sizeof(in_memory<typename element::type>) != 0, "an element");
  static_assert(std::is_standard_layout<Slice>::value && sizeof(Slice) == 16 && offsetof(Slice, data) == 0,
                "a slice is a struct made by LUCET_SLICE");
  static_assert(element::is_const == ((access & LUCET_CHECK_WRITE) == 0),
                "the elements of LUCET_IN are const, those of LUCET_OUT and LUCET_INOUT are not");
  static lucet_check check() {
    return check_of(LUCET_CHECK_SLICE | access, 0, sizeof(typename element::type),
                    alignof(typename element::type), nullptr);
  }
};
template <class Slice, unsigned access> struct slice : bytes_of<Slice, access> {
  static_assert(std::is_same<decltype(Slice::count), size_t>::value && offsetof(Slice, count) == 8,
                "a slice is a struct made by LUCET_SLICE");
};
template <class Type, unsigned access> struct object {
  typedef Type *type;
  typedef checked code_type;
  static_assert(sizeof(in_memory<typename std::remove_const<Type>::type>) != 0, "an object");
  static lucet_check check() {
    return check_of(LUCET_CHECK_OBJECT | access, 0, sizeof(Type), alignof(Type), nullptr);
  }
};
template <class Type, unsigned kind, uint32_t limit> struct number {
  typedef Type type;
  typedef checked code_type;
  static_assert(sizeof(Type) <= 4 && (std::is_integral<Type>::value || std::is_enum<Type>::value),
                "a check is about an i32");
  static_assert(kind == LUCET_CHECK_SIGNED ? limit <= 8 * sizeof(Type)
                : kind == LUCET_CHECK_CHAR ? sizeof(Type) == 4
                                           : static_cast<uint32_t>(static_cast<Type>(limit)) == limit,
                "the type cannot hold all allowed numbers");
  static lucet_check check() { return check_of(kind, limit, 0, 0, nullptr); }
};
template <class Type, const lucet_handle_kind *kind> struct handle {
  typedef Type *type;
  typedef checked code_type;
  static lucet_check check() { return check_of(LUCET_CHECK_HANDLE, 0, 0, 0, kind); }
};
template <class Type, size_t count, const uint32_t *list> struct one_of {
  typedef Type type;
  typedef checked code_type;
  static_assert(sizeof(Type) == 4 && (std::is_integral<Type>::value || std::is_enum<Type>::value),
                "a check is about an i32");
  static lucet_check check() { return check_of(LUCET_CHECK_ONE_OF, count, 0, 0, list); }
};

/* Values: no check. */
template <class Type> struct parameter {
  typedef Type type;
  typedef Type code_type;
  static lucet_check check() { return lucet_check(); }
};
template <class Slice, unsigned access> struct parameter<slice<Slice, access>> : slice<Slice, access> {};
template <class Type, unsigned access> struct parameter<object<Type, access>> : object<Type, access> {};
template <class Type, unsigned kind, uint32_t limit>
struct parameter<number<Type, kind, limit>> : number<Type, kind, limit> {};
template <class Type, size_t count, const uint32_t *list>
struct parameter<one_of<Type, count, list>> : one_of<Type, count, list> {};
template <class Type, const lucet_handle_kind *kind>
struct parameter<handle<Type, kind>> : handle<Type, kind> {};
template <> struct parameter<lucet_bytes> : bytes_of<lucet_bytes, LUCET_CHECK_READ> {};
template <> struct parameter<lucet_bytes_out> : bytes_of<lucet_bytes_out, LUCET_CHECK_WRITE> {};
template <>
struct parameter<lucet_bytes_inout> : bytes_of<lucet_bytes_inout, LUCET_CHECK_READ | LUCET_CHECK_WRITE> {};
template <> struct parameter<lucet_string> : bytes_of<lucet_string, LUCET_CHECK_READ | LUCET_CHECK_UTF8> {};

template <class Parameter, uint64_t options> struct with;
template <class Parameter, uint64_t options> struct parameter<with<Parameter, options>> : parameter<Parameter> {
  static lucet_check check() {
    lucet_check made = parameter<Parameter>::check();
    if (static_cast<uint32_t>(options)) made.limit = static_cast<uint32_t>(options);
    const uint8_t align = static_cast<uint8_t>(options >> 32);
    if (align > made.align) made.align = align;
    if (options & LUCET_COPY) made.kind |= LUCET_CHECK_COPY;
    return made;
  }
};
} // namespace lucet_detail

#else /* C */

/* An annotated parameter is a list in parentheses: (C type, limit, element, align, kind, of). */
#define LUCET_IN(Slice) LUCET_SLICE_(Slice, LUCET_CHECK_READ, LUCET_CONST_(Slice))
#define LUCET_OUT(Slice) LUCET_SLICE_(Slice, LUCET_CHECK_WRITE, !LUCET_CONST_(Slice))
#define LUCET_INOUT(Slice) LUCET_SLICE_(Slice, LUCET_CHECK_READ | LUCET_CHECK_WRITE, !LUCET_CONST_(Slice))
#define LUCET_OBJECT(Type) LUCET_OBJECT_(const Type *, Type, LUCET_CHECK_READ)
#define LUCET_OBJECT_OUT(Type) LUCET_OBJECT_(Type *, Type, LUCET_CHECK_WRITE)
#define LUCET_OBJECT_INOUT(Type) LUCET_OBJECT_(Type *, Type, LUCET_CHECK_READ | LUCET_CHECK_WRITE)
#define LUCET_WITH(Parameter, options)                                                                        \
  (LUCET_PART_(1, Parameter), LUCET_MORE_((uint32_t)(options), LUCET_PART_(2, Parameter)),                    \
   LUCET_PART_(3, Parameter), LUCET_MORE_((((options) >> 32) & 255), LUCET_PART_(4, Parameter)),              \
   LUCET_PART_(5, Parameter) | (((options) & LUCET_COPY) ? LUCET_CHECK_COPY : 0), LUCET_PART_(6, Parameter))
#define LUCET_UNSIGNED(Type, most)                                                                            \
  (Type, (most) + LUCET_FITS_(Type, (uint32_t)(Type)(most) == (most)), 0, 0, LUCET_CHECK_UNSIGNED, LUCET_NULL_)
#define LUCET_SIGNED(Type, bits)                                                                              \
  (Type, (bits) + LUCET_FITS_(Type, (bits) <= 8 * sizeof(Type)), 0, 0, LUCET_CHECK_SIGNED, LUCET_NULL_)
#define LUCET_CHAR(Type)                                                                                      \
  (Type, LUCET_FITS_(Type, sizeof(Type) == 4), 0, 0, LUCET_CHECK_CHAR, LUCET_NULL_)
#define LUCET_FLAGS(Type, mask)                                                                               \
  (Type, (mask) + LUCET_FITS_(Type, (uint32_t)(Type)(mask) == (mask)), 0, 0, LUCET_CHECK_FLAGS, LUCET_NULL_)
#define LUCET_ONE_OF(Type, array)                                                                             \
  (Type, sizeof(array) / sizeof *(array) + LUCET_FITS_(Type, sizeof(Type) == 4 && sizeof *(array) == 4), 0, 0, \
   LUCET_CHECK_ONE_OF, array)

#define LUCET_HANDLE(Type, kind)                                                                              \
  (Type *, LUCET_ASSERT_(LUCET_IS_(__typeof__(kind), const lucet_handle_kind), "not a const lucet_handle_kind", \
                         not_a_const_lucet_handle_kind),                                                      \
   0, 0, LUCET_CHECK_HANDLE, &(kind))

#define LUCET_SLICE_(Slice, access, right)                                                                    \
  (Slice, LUCET_IN_MEMORY_(__typeof__(*((Slice *)0)->data)), sizeof(*((Slice *)0)->data),                     \
   __alignof__(*((Slice *)0)->data),                                                                          \
   LUCET_CHECK_SLICE |                                                                                        \
       ((access) +                                                                                            \
        LUCET_ASSERT_(sizeof(Slice) == 16 && offsetof(Slice, data) == 0 && offsetof(Slice, count) == 8 &&     \
                          LUCET_IS_(__typeof__(((Slice *)0)->count), size_t),                                 \
                      "a slice is a struct made by LUCET_SLICE", not_made_by_LUCET_SLICE) +                   \
        LUCET_ASSERT_(right, "elements of LUCET_IN are const, those of LUCET_OUT and LUCET_INOUT are not",    \
                      const_elements_are_for_LUCET_IN)),                                                      \
   LUCET_NULL_)
#define LUCET_OBJECT_(Pointer, Type, access)                                                                  \
  (Pointer, LUCET_IN_MEMORY_(Type), sizeof(Type), __alignof__(Type), LUCET_CHECK_OBJECT | (access), LUCET_NULL_)
/* Any bytes are an element; not all are a bool. */
#define LUCET_POINTER_(Type) __builtin_choose_expr(__builtin_classify_type(*(Type *)0) == 5 /* pointers */, 1, 0)
#define LUCET_IN_MEMORY_(Type)                                                                                \
  (LUCET_ASSERT_(sizeof(Type) < 65536 && __alignof__(Type) <= 128,                                            \
                 "elements and objects are of less than 64 KiB, aligned to at most 128",                      \
                 elements_are_of_less_than_64_KiB) +                                                          \
   LUCET_ASSERT_(!LUCET_POINTER_(Type) && !LUCET_IS_(Type, _Bool),                                            \
                 "elements and objects are no pointers, and not bool, which may not be any byte",             \
                 elements_are_no_pointers_and_not_bool))
#define LUCET_MAX_(elements)                                                                                  \
  (LUCET_ASSERT_(UINT64_C(1) * (elements)-1 < UINT64_C(0xffffffff), "LUCET_MAX is 1 to 4294967295",           \
                 LUCET_MAX_is_1_to_4294967295) +                                                              \
   UINT64_C(1) * (elements))
#define LUCET_ALIGN_(bytes)                                                                                   \
  (LUCET_ASSERT_(UINT64_C(1) * (bytes)-1 < 128 && ((bytes) & ((bytes)-1)) == 0,                               \
                 "LUCET_ALIGN is a power of two up to 128", LUCET_ALIGN_is_a_power_of_two_up_to_128) +        \
   UINT64_C(1) * (bytes))
#define LUCET_CONST_(Slice)                                                                                   \
  LUCET_IS_(__typeof__(((Slice *)0)->data), const __typeof__(*((Slice *)0)->data) *)
#define LUCET_FITS_(Type, condition)                                                                          \
  LUCET_ASSERT_(sizeof((Type)0) <= 4 && !LUCET_IS_(Type, float) && (condition),                               \
                "the type cannot hold all allowed numbers", does_not_hold_all_allowed_numbers)
#define LUCET_MORE_(a, b) ((a) > (b) ? (a) : (b))

/* The list of any parameter: what is in parentheses is one. */
#define LUCET_SECOND_(a, b, ...) b
#define LUCET_SECOND_OF_(...) LUCET_SECOND_(__VA_ARGS__)
#define LUCET_PROBE_(...) ~, 1
#define LUCET_PARENTHESES_(a) LUCET_SECOND_OF_(LUCET_PROBE_ a, 0, ~)
#define LUCET_JOINED_(a, b) LUCET_JOIN_(a, b)
#define LUCET_LIST_(a) LUCET_JOINED_(LUCET_LIST_, LUCET_PARENTHESES_(a))(a)
#define LUCET_LIST_1(a) a
#define LUCET_LIST_0(a)                                                                                       \
  (a, 0, LUCET_PLAIN_(a) ? 1 : 0, LUCET_PLAIN_(a) ? 1 : 0, LUCET_PLAIN_(a), LUCET_NULL_)
#define LUCET_PLAIN_(a)                                                                                       \
  (LUCET_IS_(a, lucet_bytes)         ? LUCET_CHECK_SLICE | LUCET_CHECK_READ                                   \
   : LUCET_IS_(a, lucet_string)      ? LUCET_CHECK_SLICE | LUCET_CHECK_READ | LUCET_CHECK_UTF8                \
   : LUCET_IS_(a, lucet_bytes_out)   ? LUCET_CHECK_SLICE | LUCET_CHECK_WRITE                                  \
   : LUCET_IS_(a, lucet_bytes_inout) ? LUCET_CHECK_SLICE | LUCET_CHECK_READ | LUCET_CHECK_WRITE               \
                                     : 0)
#define LUCET_APPLY_(macro, list) macro list
#define LUCET_PART_(number, a) LUCET_APPLY_(LUCET_PART_##number, LUCET_LIST_(a))
#define LUCET_PART_1(a, b, c, d, e, f) a
#define LUCET_PART_2(a, b, c, d, e, f) b
#define LUCET_PART_3(a, b, c, d, e, f) c
#define LUCET_PART_4(a, b, c, d, e, f) d
#define LUCET_PART_5(a, b, c, d, e, f) e
#define LUCET_PART_6(a, b, c, d, e, f) f

/* From (result, parameters...): the C types with a comma before each, the checks, and the packed types. */
#define LUCET_PARAMETERS_(...) LUCET_EACH_(__VA_ARGS__)(LUCET_PARAMETER_, __VA_ARGS__)
#define LUCET_CHECKS_(...) LUCET_EACH_(__VA_ARGS__)(LUCET_CHECK_, __VA_ARGS__)
#define LUCET_HOST_TYPES_(...)                                                                                \
  (LUCET_RESULT_C_(LUCET_FIRST_(__VA_ARGS__, ~)) LUCET_EACH_(__VA_ARGS__)(LUCET_DIGIT_, __VA_ARGS__))
#define LUCET_RESULT_C_(a) LUCET_C_(a, 0)
#define LUCET_PARAMETER_(place, a) , LUCET_PART_(1, a)
#define LUCET_CHECK_(place, a) LUCET_APPLY_(LUCET_CHECK_OF_, LUCET_LIST_(a)),
#define LUCET_CHECK_OF_(a, b, c, d, e, f) {(uint32_t)(b), (uint16_t)(c), (uint8_t)(d), (uint8_t)(e), f}
#define LUCET_DIGIT_(place, a) | LUCET_APPLY_(LUCET_DIGIT_OF_, (place, LUCET_PART_(5, a), LUCET_PART_(1, a)))
#define LUCET_DIGIT_OF_(place, kind, type)                                                                    \
  ((kind) ? (uint64_t)LUCET_CHECKED << (4 * (place)) : LUCET_DIGIT_TYPE_(place, kind, type))
#define LUCET_DIGIT_TYPE_(place, kind, type)                                                                  \
  ((LUCET_CODE_(type) + LUCET_ASSERT_((kind) || LUCET_CODE_(type) != 15, #type " is not a WebAssembly type",  \
                                      not_a_webassembly_type))                                                \
   << (4 * (place)))
#define LUCET_EACH_(...)                                                                                      \
  LUCET_JOINED_(LUCET_EACH_, LUCET_MANY_(__VA_ARGS__, MANY, MANY, MANY, MANY, MANY, MANY, 13, 12, 11, 10, 9,  \
                                         8, 7, 6, 5, 4, 3, 2, 1, ~))
#define LUCET_EACH_1(M, result) LUCET_NONE_##M
#define LUCET_NONE_LUCET_PARAMETER_
#define LUCET_NONE_LUCET_CHECK_ {0, 0, 0, 0, LUCET_NULL_}
#define LUCET_NONE_LUCET_DIGIT_
#define LUCET_EACH_2(M, result, a) M(1, a)
#define LUCET_EACH_3(M, result, a, b) M(1, a) M(2, b)
#define LUCET_EACH_4(M, result, a, b, c) M(1, a) M(2, b) M(3, c)
#define LUCET_EACH_5(M, result, a, b, c, d) M(1, a) M(2, b) M(3, c) M(4, d)
#define LUCET_EACH_6(M, result, a, b, c, d, e) M(1, a) M(2, b) M(3, c) M(4, d) M(5, e)
#define LUCET_EACH_7(M, result, a, b, c, d, e, f) M(1, a) M(2, b) M(3, c) M(4, d) M(5, e) M(6, f)
#define LUCET_EACH_8(M, result, a, b, c, d, e, f, g)                                                          \
  M(1, a) M(2, b) M(3, c) M(4, d)                                                                             \
  M(5, e) M(6, f) M(7, g)
#define LUCET_EACH_9(M, result, a, b, c, d, e, f, g, h)                                                       \
  M(1, a) M(2, b) M(3, c) M(4, d)                                                                             \
  M(5, e) M(6, f) M(7, g) M(8, h)
#define LUCET_EACH_10(M, result, a, b, c, d, e, f, g, h, i)                                                   \
  M(1, a) M(2, b) M(3, c) M(4, d) M(5, e)                                                                     \
  M(6, f) M(7, g) M(8, h) M(9, i)
#define LUCET_EACH_11(M, result, a, b, c, d, e, f, g, h, i, j)                                                \
  M(1, a) M(2, b) M(3, c) M(4, d) M(5, e)                                                                     \
  M(6, f) M(7, g) M(8, h) M(9, i) M(10, j)
#define LUCET_EACH_12(M, result, a, b, c, d, e, f, g, h, i, j, k)                                             \
  M(1, a) M(2, b) M(3, c) M(4, d) M(5, e) M(6, f)                                                             \
  M(7, g) M(8, h) M(9, i) M(10, j) M(11, k)
#define LUCET_EACH_13(M, result, a, b, c, d, e, f, g, h, i, j, k, l)                                          \
  M(1, a) M(2, b) M(3, c) M(4, d) M(5, e) M(6, f)                                                             \
  M(7, g) M(8, h) M(9, i) M(10, j) M(11, k) M(12, l)
#define LUCET_EACH_MANY(M, ...) LUCET_MANY_MORE_(M)
#define LUCET_MANY_MORE_(M) LUCET_MANY_##M
#define LUCET_MANY_LUCET_PARAMETER_ , ...
#define LUCET_MANY_LUCET_CHECK_
#define LUCET_MANY_LUCET_DIGIT_ +LUCET_ASSERT_(0, "at most 12 parameters", at_most_12_parameters)

#endif
#endif
