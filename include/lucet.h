/* lucet.h: run untrusted WebAssembly guests inside a C or C++ server.
 *
 * Generated from src/abi.rs and src/capi by `cargo xtask header`: change those, not this file.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */

#ifndef LUCET_LUCET_H
#define LUCET_LUCET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A result that must be looked at. */
#ifndef LUCET_MUST_USE
#if defined(__GNUC__) || defined(__clang__)
#define LUCET_MUST_USE __attribute__((warn_unused_result))
#else
#define LUCET_MUST_USE
#endif
#endif

// `lucet_outcome.kind`: the guest was not entered.
#define LUCET_NOT_RUN 0

// `lucet_outcome.kind`: the function returned.
#define LUCET_RETURNED 1

// `lucet_outcome.kind`: a host function suspended the guest.
#define LUCET_SUSPENDED 2

// `lucet_outcome.kind`: the time slice ended.
#define LUCET_PREEMPTED 3

// `lucet_outcome.kind`: the guest trapped.
#define LUCET_TRAPPED 4

// `lucet_outcome.kind`: the guest was ended from outside.
#define LUCET_TERMINATED 5

// `lucet_outcome.detail` of terminated: by a host function.
#define LUCET_STOP_HOST 1

// `lucet_outcome.detail` of terminated: by a kill handle.
#define LUCET_STOP_KILL 2

// `lucet_outcome.detail` of terminated: the deadline passed, its own or that of a guest whose host function ran it.
#define LUCET_STOP_DEADLINE 3

// `lucet_outcome.detail` of terminated: the CPU budget is used up, its own or that of a guest whose host function ran it.
#define LUCET_STOP_CPU 4

// `lucet_outcome.detail` of terminated: reserved for fuel; nothing answers it.
#define LUCET_STOP_FUEL 5

// `lucet_outcome.detail` of terminated: the guest called `proc_exit`; `token` is its status.
#define LUCET_STOP_EXIT 6

// `lucet_outcome.detail` of terminated: a callback into the guest went on for too long after the slice had ended; or the slice of a guest
// whose host function ran this one.
#define LUCET_STOP_NESTED 7

// `lucet_outcome.detail` of terminated: the guest of another instance, which is linked to this one and had called it, was stopped.
#define LUCET_STOP_LINKED 8

// `unreachable` was executed.
#define LUCET_TRAP_UNREACHABLE 1

// An access outside of linear memory.
#define LUCET_TRAP_MEMORY 2

// An access outside of a table.
#define LUCET_TRAP_TABLE 3

// An indirect call of a null reference.
#define LUCET_TRAP_NULL_CALL 4

// An indirect call of a function of another type.
#define LUCET_TRAP_CALL_TYPE 5

// An integer division by zero.
#define LUCET_TRAP_DIVIDE_BY_ZERO 6

// An integer division whose result does not fit.
#define LUCET_TRAP_INTEGER_OVERFLOW 7

// A float that does not fit the integer it is converted to.
#define LUCET_TRAP_CONVERSION 8

// The guest's stack is used up.
#define LUCET_TRAP_STACK 9

// Too many nested callbacks, or too little host stack for another one.
#define LUCET_TRAP_DEPTH 10

// A host function was given a bad argument by the guest.
#define LUCET_TRAP_HOST_ARGUMENT 11

// A host function failed or is not defined, or the instance that was called cannot be entered.
#define LUCET_TRAP_HOST 12

// An atomic access to an unaligned address.
#define LUCET_TRAP_UNALIGNED 13

// A null reference where none may be.
#define LUCET_TRAP_NULL_REFERENCE 14

// An exception that nobody caught: see lucet_instance_exception.
#define LUCET_TRAP_EXCEPTION 15

// The system, or a table of the library, had no room for what the guest needed.
#define LUCET_TRAP_RESOURCE 16

// The guest waited for a notification on a memory that is not shared, where none can come.
#define LUCET_TRAP_UNSHARED_WAIT 17

// No room for another exception: see lucet_limits.exception_bytes.
#define LUCET_TRAP_EXCEPTIONS 18

// The major version of this header.
#define LUCET_VERSION_MAJOR 0

// The minor version of this header. While the major version is 0, the ABI may change with it.
#define LUCET_VERSION_MINOR 1

// The patch version of this header.
#define LUCET_VERSION_PATCH 0

// The version of this header in one number: major << 16 | minor << 8 | patch.
#define LUCET_VERSION 256

// `lucet_host_function.flags`: when an argument is refused, the guest gets `answer` instead of the trap LUCET_TRAP_HOST_ARGUMENT,
// and the function is not called.
#define LUCET_ANSWER 2

// `lucet_check.kind`: an i32 that is at most `limit`, unsigned.
#define LUCET_CHECK_UNSIGNED 1

// `lucet_check.kind`: an i32 that fits `limit` bits, the sign included.
#define LUCET_CHECK_SIGNED 2

// `lucet_check.kind`: an i32 that is a Unicode scalar value: a code point that is no surrogate.
#define LUCET_CHECK_CHAR 3

// `lucet_check.kind`: an i32 without other bits than those of `limit`.
#define LUCET_CHECK_FLAGS 4

// `lucet_check.kind`: an i32 that is one of the `limit` numbers in the `uint32_t` array at `of`, which outlives all modules.
#define LUCET_CHECK_ONE_OF 5

// `lucet_check.kind`: an i32 that is a handle of the kind at `of`, a `lucet_handle_kind` that outlives all modules. The function takes
// the object, a pointer.
#define LUCET_CHECK_HANDLE 6

// `lucet_check.kind`: two i32, address and number of elements. The function takes a struct of pointer and `size_t`.
#define LUCET_CHECK_SLICE 7

// `lucet_check.kind`: an i32, the address of one object. The function takes a pointer.
#define LUCET_CHECK_OBJECT 8

// `lucet_check.kind`: the function reads the range.
#define LUCET_CHECK_READ 16

// `lucet_check.kind`: the function writes the range; the kernel may, too. It shares no byte with another range of the call.
#define LUCET_CHECK_WRITE 32

// `lucet_check.kind`: the range is text in UTF-8.
#define LUCET_CHECK_UTF8 64

// `lucet_check.kind`: the function gets a copy, on its stack. The copies of a call take at most 4096 bytes together.
#define LUCET_CHECK_COPY 128

// `lucet_host_function.flags`: the function runs on the guest's own stack, without a change of stacks. It must need less
// than the region's `leaf_stack_bytes`, must not call back, end the guest, block or use much time, and may use its
// lucet_call for reading only.
#define LUCET_LEAF 1

// `lucet_load_options.flags`, for files: map the file itself instead of a copy. The caller promises that the file never changes,
// from the call on and while the module lives; if it does, the process may crash or worse. The part of the file that only backtraces
// read is compared with its checksum by the first of them: where it is damaged, they lack names and offsets.
#define LUCET_LOAD_IN_PLACE 1

// With LUCET_LOAD_IN_PLACE: do not compare the checksum either, nor look through the lists that describe code. For hosts that know the
// file to be as lucetc wrote it, because it was loaded before or is protected by other means: damage in its code, or in what says where
// its functions are, goes unnoticed.
#define LUCET_LOAD_TRUSTED 2

// `lucet_extern.kind`: a function.
#define LUCET_EXTERN_FUNCTION 0

// `lucet_extern.kind`: a table.
#define LUCET_EXTERN_TABLE 1

// `lucet_extern.kind`: a memory.
#define LUCET_EXTERN_MEMORY 2

// `lucet_extern.kind`: a global.
#define LUCET_EXTERN_GLOBAL 3

// `lucet_extern.kind`: a tag of exceptions.
#define LUCET_EXTERN_TAG 4

// `lucet_extern.flags`: a global that can be changed.
#define LUCET_EXTERN_MUTABLE 1

// `lucet_extern.flags`: `maximum` means something.
#define LUCET_EXTERN_BOUNDED 2

// `lucet_extern.flags`: a memory or table whose indices have 64 bits.
#define LUCET_EXTERN_INDEX_64 4

// Flag of a region, for tests and for finding out who writes to guests that are gone: what a new guest finds is compared with
// what it should find, each time that an instance is made, reset or released: memory up to its maximum, globals, tables, dropped segments, page
// protections. A difference is logged, and is LUCET_POISONED. Costs up to milliseconds each time.
#define LUCET_REGION_VERIFY 1

// Flag of a region: slots have no guards and no mappings of their own, so that a process can have hundreds of thousands of them. Only
// modules compiled with `lucetc --memory=bounds` fit in. A slot takes pages of memory for what its guest uses only.
// Guests stop handler_stack_bytes before the end of their stack. Handlers of the host that run on it and need more write over
// another guest's memory, so all must have SA_ONSTACK: lucet_region_new looks, and answers LUCET_BAD_STATE.
#define LUCET_REGION_COMPACT 2

// Log level: something failed.
#define LUCET_LOG_ERROR 0

// Log level: something is odd.
#define LUCET_LOG_WARNING 1

// Log level: for information.
#define LUCET_LOG_INFO 2

// Log level: a line that a guest wrote through the WASI functions, control characters escaped.
#define LUCET_LOG_GUEST 3

// `lucet_kill`: the guest is running and is being left. If it was just returning, its next entry ends at once.
#define LUCET_KILL_STOPPING 1

// `lucet_kill`: the guest has called a host function and will be left when that returns.
#define LUCET_KILL_WHEN_HOST_RETURNS 2

// `lucet_kill`: the guest is not running, or is suspended or preempted; its next entry or resume ends at once.
#define LUCET_KILL_NOT_RUNNING 3

// `lucet_kill`: there is nothing to kill: it has trapped or was terminated, or has been reset or released since.
#define LUCET_KILL_FINISHED 4

// `lucet_signals_install`: the host installs handlers of its own and calls lucet_signal_handle in them; the library installs none.
#define LUCET_SIGNALS_HOST 1

// `lucet_signals_install`: adds SA_ONSTACK to every handler that the host has set, so that a signal which interrupts a guest does
// not need room on the guest's stack.
#define LUCET_SIGNALS_ONSTACK 2

// One call of a host function; dead when that returns.
typedef struct lucet_call lucet_call;

// An exported function, looked up once. Belongs to its module, and to every module linked from that: borrowed, never released.
typedef struct lucet_func lucet_func;

// An instance of a module in a slot of a region. One thread at a time may use it, not always the same one. This is a handle that
// is never followed: using it after the release is LUCET_STALE, not undefined.
typedef struct lucet_instance lucet_instance;

// Host functions and globals by module and name. Used by one thread at a time. Read while a module is linked, and not
// needed afterwards.
typedef struct lucet_linker lucet_linker;

// A module: checked and mapped code, linked or only to be looked at. Any thread may use it, several at a time.
// A module file holds native code: load only what lucetc of a matching version wrote and nobody else could change. Its
// checksum tells damage, not malice.
typedef struct lucet_module lucet_module;

// Slots for instances: address space reserved once, used over and over. Any thread may use it, several at a time. Belongs to
// the process that made it.
typedef struct lucet_region lucet_region;

// A tag of exceptions that host and guests throw to each other. Two tags are different even if their types are equal. Any thread may use it.
typedef struct lucet_tag lucet_tag;

// What a function answers: `LUCET_OK`, or why not. `lucet_last_error` has a sentence.
typedef int32_t lucet_status;

// A function pointer of any type, which C converts to and from without loss.
typedef void (*lucet_function)(void);

// What a parameter of a host function means beyond its type. Written with the macros of lucet/arguments.h; the rows of other
// languages fill it in. 16 bytes, for ever.
typedef struct lucet_check {
  // `LUCET_CHECK_SLICE`: elements at most, 0 for no limit. Numbers: see the kind.
  uint32_t limit;
  // Bytes of an element or object.
  uint16_t element;
  // What its address is a multiple of: a power of two.
  uint8_t align;
  // `LUCET_CHECK_UNSIGNED` and so on; ranges of memory: or'ed with `LUCET_CHECK_READ` and so on. 0: no check.
  uint8_t kind;
  // See the kind; else NULL.
  const void *of;
} lucet_check;

// A row of a table of host functions. Written with LUCET_HOST and LUCET_HOST_LEAF of lucet/typed.h, which compare
// the types that they are given with the C function's own.
typedef struct lucet_host_function {
  // The import's name.
  const char *name;
  // The function. Its first parameter is the `lucet_call *`.
  lucet_function function;
  // Its type: four bits each, lowest first: the result (0: none), then at most 12 parameters. LUCET_CHECKED: see `checks`.
  uint64_t types;
  // LUCET_LEAF and LUCET_ANSWER, or 0.
  uint32_t flags;
  // 0.
  uint32_t reserved;
  // With LUCET_ANSWER: what the guest gets as the result of a call whose arguments are refused; the bits of a float.
  uint64_t answer;
  // For each parameter what it means; zero for values.
  struct lucet_check checks[12];
} lucet_host_function;

// A value type, or `LUCET_VOID`.
typedef uint8_t lucet_type;

// 128 bits.
typedef struct lucet_v128 {
  // The low 64 bits.
  uint64_t lo;
  // The high 64 bits.
  uint64_t hi;
} lucet_v128;

// A reference to a function, as one instance has it. 0 is `ref.null func`. Means nothing to another instance, and
// nothing after a reset.
typedef struct lucet_funcref {
  // Not to be interpreted.
  uint64_t opaque;
} lucet_funcref;

// A reference to an object of the host. NULL is `ref.null extern`. The host keeps the object alive until
// the instance is reset or released.
typedef struct lucet_externref {
  // The host's object.
  void *host;
} lucet_externref;

// A reference to an exception of one instance. 0 is `ref.null exn`. Means nothing in another instance. Holding it does not keep the
// exception: it is good until the guest's next entry.
typedef struct lucet_exnref {
  // Not to be interpreted.
  uint64_t opaque;
} lucet_exnref;

// The content of a value.
typedef union lucet_payload {
  // `LUCET_V128`
  struct lucet_v128 v128;
  // `LUCET_I32`
  int32_t i32;
  // `LUCET_I64`
  int64_t i64;
  // `LUCET_F32`
  float f32;
  // `LUCET_F64`
  double f64;
  // `LUCET_FUNCREF`
  struct lucet_funcref funcref;
  // `LUCET_EXTERNREF`
  struct lucet_externref externref;
  // `LUCET_EXNREF`
  struct lucet_exnref exnref;
} lucet_payload;

// A value with its type: 24 bytes, for ever.
typedef struct lucet_value {
  // `LUCET_I32` and so on.
  uint32_t type;
  // Zero.
  uint32_t reserved;
  // The content, by type.
  union lucet_payload of;
} lucet_value;

// A C function whose results and parameters are given as arrays.
typedef void (*lucet_dynamic_function)(struct lucet_call *call, void *data, const struct lucet_value *arguments, struct lucet_value *results);

// How an entry into a guest ended. 64 bytes, for ever.
typedef struct lucet_outcome {
  // `LUCET_RETURNED` and so on; `LUCET_NOT_RUN`: see the status, the guest is as it was.
  uint32_t kind;
  // Trapped: `LUCET_TRAP_*`. Terminated: `LUCET_STOP_*`.
  uint32_t detail;
  // Terminated: the reason that was given to it. Suspended: the token.
  uint64_t token;
  // Returned: the results, the instance's until its next entry, reset or release.
  const struct lucet_value *values;
  // How many results.
  size_t value_count;
  // CPU time since new or reset in nanoseconds; 0 where it is not measured.
  uint64_t cpu_ns;
  // Zero.
  uint64_t reserved[3];
} lucet_outcome;

// An exception that nobody has caught. Start from zero bytes and `struct_size`; in C `lucet_exception exception = {.struct_size = sizeof exception};`.
typedef struct lucet_exception {
  // sizeof(lucet_exception)
  size_t struct_size;
  // The tag, if it is one of the host's: what lucet_tag_new gave. For comparing; it may have been released. NULL: the guest's own.
  const struct lucet_tag *tag;
  // The tag's name as an export of the guest's module, or else as an import: bytes of its own, not terminated. NULL: it has none.
  const char *name;
  // Bytes of the name.
  size_t name_length;
  // The tag's index in the module's index space of tags.
  uint32_t index;
  // 0.
  uint32_t reserved0;
  // What it carries: the instance's until its next entry, reset or release, or the next call of this function.
  const struct lucet_value *values;
  // How many.
  size_t value_count;
  // 0.
  uint64_t reserved[2];
} lucet_exception;

// Options of loading and linking. Start from lucet_load_options_default().
typedef struct lucet_load_options {
  // sizeof(lucet_load_options)
  size_t struct_size;
  // If not NULL: called once for each import that cannot be resolved, with a sentence that is valid during the call.
  void (*problem)(void *data, const char *text, size_t length);
  // The callback's first argument.
  void *data;
  // 0, or LUCET_LOAD_IN_PLACE, or both LUCET_LOAD_IN_PLACE and LUCET_LOAD_TRUSTED.
  uint32_t flags;
  // 0.
  uint32_t reserved0;
  // 0.
  uint64_t reserved[4];
} lucet_load_options;

// An import or export. What it points at is the module's. Names are UTF-8 without NUL at the end, and may contain any
// character.
typedef struct lucet_extern {
  // Imports: the module part of the name. Exports: NULL.
  const char *module;
  // Its length in bytes.
  size_t module_length;
  // The name.
  const char *name;
  // Its length in bytes.
  size_t name_length;
  // LUCET_EXTERN_FUNCTION and so on.
  uint32_t kind;
  // LUCET_EXTERN_MUTABLE, LUCET_EXTERN_BOUNDED, LUCET_EXTERN_INDEX_64.
  uint32_t flags;
  // Functions: the types of the parameters. Tags: of what exceptions carry.
  const lucet_type *parameters;
  // How many.
  size_t parameter_count;
  // Functions: the types of the results.
  const lucet_type *results;
  // How many.
  size_t result_count;
  // Globals: their type. Tables: that of their elements.
  uint32_t value_type;
  // Memories: bytes of a page: 65536, or 1.
  uint32_t page_bytes;
  // Tables: elements at first. Memories: pages at first.
  uint64_t minimum;
  // With LUCET_EXTERN_BOUNDED: the same at most.
  uint64_t maximum;
} lucet_extern;

// What instances of a module need, in bytes unless it says otherwise. lucet_region_config_fit raises a configuration to it.
typedef struct lucet_requirements {
  // sizeof(lucet_requirements)
  size_t struct_size;
  // The largest linear memory at first.
  uint64_t memory_bytes;
  // The most that a linear memory can grow to, by the module's own declaration.
  uint64_t memory_maximum_bytes;
  // Elements of all tables at first.
  uint64_t table_elements;
  // Globals and other state.
  uint64_t state_bytes;
  // Parameters or results of the largest call.
  uint64_t values;
  // Address space reserved for memory 0; 0: code compares each address with the memory's length.
  uint64_t reservation_bytes;
  // Inaccessible address space behind it.
  uint64_t guard_bytes;
  // CPU features that the code uses, a bit each, from bit 0 on: sse3, ssse3, sse4.1, sse4.2, popcnt, cmpxchg16b, avx, avx2, fma, bmi1, bmi2, lzcnt,
  // avx512f, avx512dq, avx512vl, avx512vbmi, avx512bitalg, avxvnni. Loading has compared them with the processor's.
  uint64_t cpu_features;
  // Linear memories, memory 0 included.
  uint64_t memories;
  // Inaccessible address space below the stack.
  uint64_t stack_guard_bytes;
  // 0.
  uint64_t reserved[4];
} lucet_requirements;

// How to make a region. Start from lucet_region_config_default(); a field that is 0 means its default, which stands in brackets.
// Sizes are in bytes and for one instance.
typedef struct lucet_region_config {
  // sizeof(lucet_region_config)
  size_t struct_size;
  // The most instances at a time [64].
  uint32_t instances;
  // The most nested callbacks into an instance [8].
  uint32_t callback_depth;
  // The most elements of all tables together [10000].
  uint64_t table_elements;
  // The most of each linear memory [16 MiB]; at most 1 TiB. At least 4 GiB of address space are reserved for memory 0.
  uint64_t memory_bytes;
  // The guest's stack [128 KiB].
  uint64_t stack_bytes;
  // Room for globals and other state [16 KiB]. Where this and table_elements are small, they share a page with the stack's end: 256 and
  // 1 are raised to what a module needs by lucet_region_config_fit.
  uint64_t state_bytes;
  // Memory that an idle slot may keep [1 MiB]; a quarter as much of its stack.
  uint64_t keep_resident_bytes;
  // What a leaf host function finds on the guest's stack at least [16 KiB].
  uint64_t leaf_stack_bytes;
  // What must be left of the host's stack for a callback into the guest [32 KiB].
  uint64_t host_stack_bytes;
  // The most parameters, or results, of one call [32].
  uint32_t values;
  // LUCET_REGION_*, or 0.
  uint32_t flags;
  // If not NULL: gets log lines, on the thread where they arise, with a LUCET_LOG_* level. The text is valid during the call.
  void (*log)(void *data, int level, const char *text, size_t length);
  // The callback's first argument.
  void *log_data;
  // What guests compiled with lucetc --stack-check leave of their stack for signal handlers of the host's that were installed
  // without SA_ONSTACK [the kernel's signal frame and 16 KiB]. Other guests may use their stack to the last byte.
  uint64_t handler_stack_bytes;
  // The most linear memories, memory 0 included [1].
  uint32_t memories;
  // 0.
  uint32_t reserved0;
  // What slots may keep in memory for their next guests, all of them together: a budget, 0 for none. What guests use while they
  // run does not count. When the budget is used up, the slots that have been idle for longest give their memory back; if there are none,
  // this slot does, at each reset and release, and its next guest waits for the kernel.
  uint64_t budget_bytes;
  // 0.
  uint64_t reserved[3];
} lucet_region_config;

// What has happened in a region.
typedef struct lucet_region_stats {
  // sizeof(lucet_region_stats)
  size_t struct_size;
  // Slots.
  uint64_t capacity;
  // Slots with an instance.
  uint64_t live;
  // Instances made so far.
  uint64_t created;
  // Resets so far.
  uint64_t reset;
  // Instances released so far.
  uint64_t released;
  // Entries that ended in a trap.
  uint64_t trapped;
  // Entries that were terminated.
  uint64_t terminated;
  // Bytes of slots that are in memory now.
  uint64_t resident_bytes;
  // Bytes of address space.
  uint64_t reserved_bytes;
  // Traps by LUCET_TRAP_*.
  uint64_t traps[32];
  // Instances that are suspended or preempted now.
  uint64_t waiting;
  // Stops that had to wait until a host function returned.
  uint64_t stops_deferred;
  // Signals of the host's that were lost because their handler has no SA_ONSTACK and a guest had used up its stack. Of the process.
  uint64_t signals_lost;
  // Bytes that slots keep in memory for their next guests, as budget_bytes counts them: an upper bound.
  uint64_t kept_bytes;
  // How often a slot gave them back, because of budget_bytes or lucet_region_trim.
  uint64_t given_back;
  // Resets and releases that restored memory by copying alone: guests had written the pages that guests of the module write.
  uint64_t resets_fast;
  // Those that needed system calls for memory: a slot's first ones, after growth, after writes elsewhere, for want of budget.
  uint64_t resets_slow;
  // How often a guest or its host wrote to pages that guests of the module had not written before: one fault each.
  uint64_t slots_opened;
  // 0.
  uint64_t reserved[3];
} lucet_region_stats;

// What one instance may use; 0: no limit but the region's. Start from lucet_limits_default().
typedef struct lucet_limits {
  // sizeof(lucet_limits)
  size_t struct_size;
  // Bytes of all linear memories together. The guest's memory.grow gives -1 beyond.
  uint64_t memory_bytes;
  // Elements of all tables. The guest's table.grow gives -1 beyond.
  uint64_t table_elements;
  // When the guest must have ended, in nanoseconds of CLOCK_MONOTONIC: one value for all entries and resumes of a request.
  // LUCET_TERMINATED with LUCET_STOP_DEADLINE, at once if it has passed already. So do other instances that are run by a host function
  // of the guest, as with its CPU budget: the host function sees that outcome, and the guest ends when it returns.
  uint64_t deadline_ns;
  // CPU time of all entries since new or reset, 200000 at least. LUCET_TERMINATED with LUCET_STOP_CPU after between 1 and 1.125 times of
  // it, never before. What host functions use counts. UINT64_MAX: no limit, but the time is measured, by two system calls an entry, as it
  // is for limits below 2000000.
  uint64_t cpu_ns;
  // Reserved: must be 0.
  uint64_t fuel;
  // The time of one entry or resume, 100000 at least: LUCET_PREEMPTED at its end, and lucet_instance_resume goes on from there. Slices
  // from 8000000 on end at the system's next tick, a few milliseconds later, and cost a tenth.
  uint64_t slice_ns;
  // What a callback into the guest may take beyond the slice's end, since it cannot be preempted then: LUCET_TERMINATED with
  // LUCET_STOP_NESTED. 0: as much as a slice. The same for another instance that is run by a host function of the guest; that one
  // ends then, and the guest is preempted when its host function returns.
  uint64_t nested_ns;
  // Bytes of the host's memory for the exceptions that exist at a time; the guest ends with LUCET_TRAP_EXCEPTIONS beyond. 0: 65536, which
  // is several hundred. One is kept until it is caught without a reference to it being asked for, or until nothing refers to it.
  uint64_t exception_bytes;
  // 0.
  uint64_t reserved[3];
} lucet_limits;

// What an instance has used since new or reset.
typedef struct lucet_instance_stats {
  // sizeof(lucet_instance_stats)
  size_t struct_size;
  // CPU time in nanoseconds, as far as a limit of CPU time made it be measured.
  uint64_t cpu_ns;
  // Entries from outside; a resume is not one.
  uint64_t entries;
  // Suspensions by host functions.
  uint64_t suspensions;
  // Slices that ended.
  uint64_t slices;
  // Calls of host functions, leaves included.
  uint64_t host_calls;
  // Bytes of all linear memories.
  uint64_t memory_bytes;
  // The most bytes of linear memory that it has had.
  uint64_t peak_memory_bytes;
  // 0.
  uint64_t reserved[4];
} lucet_instance_stats;

// A frame of a backtrace.
typedef struct lucet_frame {
  // The function's name from the guest: bytes of its own, not terminated, not escaped. NULL: it has none.
  const char *name;
  // Bytes of the name.
  size_t name_length;
  // Its index in the function index space.
  uint32_t function;
  // Zero.
  uint32_t reserved;
  // Offset in the wasm file; `UINT64_MAX`: not known.
  uint64_t wasm_offset;
} lucet_frame;

// Names a guest to be killed: an instance between new or reset and the next reset or release. A value: copy it as you like. All zero
// names nothing. It may outlive the instance and the region, and then does nothing.
typedef struct lucet_kill_handle {
  // Not to be interpreted.
  uint64_t opaque[2];
} lucet_kill_handle;

// A linear memory as it is now.
typedef struct lucet_memory {
  // Its first byte. Valid until the next growth, reset or release.
  const uint8_t *data;
  // Its length in bytes.
  size_t size;
} lucet_memory;

// A kind of objects of the host that guests know by number. The address of this struct tells kinds apart; it outlives every object of the
// kind.
typedef struct lucet_handle_kind {
  // For people.
  const char *name;
  // Called once for each object when its handle is dropped, or its instance is reset or released; NULL: nothing to do. It
  // must not use the instance.
  void (*release)(void *object);
} lucet_handle_kind;

// What WASI guests find as arguments and environment. Start from lucet_wasi_options_default().
typedef struct lucet_wasi_options {
  // sizeof(lucet_wasi_options)
  size_t struct_size;
  // The arguments, the program's name first.
  const char *const *arguments;
  // How many.
  size_t argument_count;
  // The environment, each "NAME=value".
  const char *const *environment;
  // How many.
  size_t environment_count;
  // 0.
  uint64_t reserved[4];
} lucet_wasi_options;

// Done.
#define LUCET_OK 0

// A pointer that must not be NULL is.
#define LUCET_NULL_ARGUMENT 1

// An argument has a value that makes no sense, or is an object of another kind.
#define LUCET_BAD_ARGUMENT 2

// `struct_size` or a reserved field of a struct is wrong.
#define LUCET_BAD_STRUCT 3

// The object is not in a state for this.
#define LUCET_BAD_STATE 4

// The instance is running.
#define LUCET_RUNNING 5

// The instance trapped or was terminated, and has not been reset since.
#define LUCET_NEEDS_RESET 6

// The instance has been released.
#define LUCET_STALE 7

// The region, or an instance that is linked to, was made by another process: they do not survive fork.
#define LUCET_WRONG_PROCESS 8

// The system has no memory left.
#define LUCET_NO_MEMORY 9

// A system call failed.
#define LUCET_SYSTEM 10

// Every slot of the region is taken.
#define LUCET_REGION_FULL 11

// More than the region or the limits allow.
#define LUCET_LIMIT 12

// No such file, export or import.
#define LUCET_NOT_FOUND 13

// Types differ.
#define LUCET_TYPE_MISMATCH 14

// The module was loaded without a linker.
#define LUCET_UNLINKED 15

// Not a module, or a damaged one.
#define LUCET_BAD_MODULE 16

// The module needs another CPU, library or region.
#define LUCET_INCOMPATIBLE 17

// Outside of the memory or table.
#define LUCET_OUT_OF_BOUNDS 18

// Too many nested callbacks, or too little host stack for another one.
#define LUCET_DEPTH 19

// The signal handlers are not installed, or not any more.
#define LUCET_NO_SIGNALS 20

// Not in this release.
#define LUCET_UNSUPPORTED 21

// An internal error was caught, or a region with LUCET_REGION_VERIFY has found a difference. What was worked on should only be released.
#define LUCET_POISONED 22

// Modules that are linked to the instance need it as it is: see lucet_linker_define_instance.
#define LUCET_LINKED 23

// No value: the end of a list of types.
#define LUCET_VOID 0

// A 32-bit integer.
#define LUCET_I32 1

// A 64-bit integer.
#define LUCET_I64 2

// A 32-bit float.
#define LUCET_F32 3

// A 64-bit float.
#define LUCET_F64 4

// A 128-bit vector.
#define LUCET_V128 5

// A reference to a function of the instance, or null.
#define LUCET_FUNCREF 6

// A reference to an object of the host, or null.
#define LUCET_EXTERNREF 7

// A reference to an exception of the instance, or null. Not for typed functions.
#define LUCET_EXNREF 9

// In `lucet_host_function.types`: a parameter with a check.
#define LUCET_CHECKED 8

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The name of a status, as "LUCET_LIMIT", for messages; "unknown status" for other numbers. Static. Any thread. Since 0.1.
const char *lucet_status_name(lucet_status status);

// A sentence about the latest failure on this thread: what, where, what was expected. Never NULL; "" before the first
// failure. The library's; valid until the thread's next failure or end. Any thread. Since 0.1.
const char *lucet_last_error(void);

// What a trap means, for messages: "integer divide by zero"; "unknown trap" for other numbers. Static. Any thread. Since 0.1.
const char *lucet_trap_name(uint32_t trap);

// The version of the library that is running, as `LUCET_VERSION`. Any thread. Since 0.1.
uint32_t lucet_version(void);

// Makes an empty linker.
// Owner: the caller, who releases it. Errors: NULL_ARGUMENT, NO_MEMORY. Any thread. Since 0.1.
lucet_status lucet_linker_new(struct lucet_linker **out_linker);

// Ends a linker. Modules that were linked with it go on. NULL is allowed. One thread at a time. Since 0.1.
void lucet_linker_release(struct lucet_linker *linker);

// Defines `count` functions with the import module name `module`. `data` is what lucet_call_data answers in them; it must
// live as long as modules linked with it. Defines all or none.
// Rows and names are copied. Errors: NULL_ARGUMENT; BAD_ARGUMENT: a name is taken, types or flags make no sense; NO_MEMORY. One thread at a time. Since 0.1.
lucet_status lucet_linker_define(struct lucet_linker *linker, const char *module, const struct lucet_host_function *rows, size_t count, void *data);

// Defines one function whose type is given by lists, and which is called with arrays: any number of parameters and results.
// `release`, if not NULL, is called with `data` when the linker and every module linked with it are gone; on failure it is not
// called, and `data` stays the caller's.
// Errors: NULL_ARGUMENT; BAD_ARGUMENT: the name is taken, or a type is none; NO_MEMORY. One thread at a time. Since 0.1.
lucet_status lucet_linker_define_dynamic(struct lucet_linker *linker, const char *module, const char *name, const lucet_type *parameters, size_t parameter_count, const lucet_type *results, size_t result_count, lucet_dynamic_function function, void *data, void (*release)(void *data));

// Defines an immutable global.
// Errors: NULL_ARGUMENT; BAD_ARGUMENT: the name is taken, the type is none, or a funcref that is not null; NO_MEMORY. One thread at a time. Since 0.1.
lucet_status lucet_linker_define_global(struct lucet_linker *linker, const char *module, const char *name, const struct lucet_value *value);

// Defines what an instance exports, under the import module name `module`: functions, memories, tables, globals and tags, as they are in
// that instance, so that both see what either changes. See docs/linking.md. The linker keeps nothing of the instance. Modules linked with
// it that import anything of the instance do, until they and their instances are released: meanwhile it can be neither reset nor
// released (LUCET_LINKED). Instances that are linked to each other, directly or not, are used by one thread at a time.
// Defines all or none. Errors: NULL_ARGUMENT; BAD_ARGUMENT: a name is taken; STALE; WRONG_PROCESS; NO_MEMORY. The instance's
// thread, and one thread at a time. Since 0.1.
lucet_status lucet_linker_define_instance(struct lucet_linker *linker, const char *module, const struct lucet_instance *instance);

// From now on, functions that are imported but not defined trap with LUCET_TRAP_HOST when they are called, instead of
// failing the link. Errors: NULL_ARGUMENT. One thread at a time. Since 0.1.
lucet_status lucet_linker_trap_missing(struct lucet_linker *linker);

// From now on, modules are linked for debugging: what checked parameters point to, and the views that a
// host function asks for while it runs, are copies in pages of their own, written back
// when something was changed, and gone when the function has returned. A host that kept a pointer then faults at the place where
// it uses it; so does one that reads behind a range, writes to one that it said it reads, or reads a range again after a callback.
// Costs system calls for each range of each call. Errors: NULL_ARGUMENT. One thread at a time. Since 0.1.
lucet_status lucet_linker_poison_views(struct lucet_linker *linker);

// The instance that calls. NULL outside of a host function. The host function's thread. Since 0.1.
struct lucet_instance *lucet_call_instance(const struct lucet_call *call);

// The `data` with which the host function was defined. NULL outside of a host function. The host function's thread. Since 0.1.
void *lucet_call_data(const struct lucet_call *call);

// The `data` with which the calling instance was made. NULL outside of a host function. The host function's thread. Since 0.1.
void *lucet_call_instance_data(const struct lucet_call *call);

// Ends the guest when the host function returns, whatever it returns: the outcome is LUCET_TERMINATED, LUCET_STOP_HOST,
// with `reason` as its token.
// Errors: NULL_ARGUMENT; BAD_STATE: in a leaf function, or outside. The host function's thread. Since 0.1.
lucet_status lucet_call_terminate(struct lucet_call *call, uint64_t reason);

// Ends the guest with a trap when the host function returns, whatever it returns. `trap` is one of LUCET_TRAP_*: usually
// LUCET_TRAP_HOST_ARGUMENT for a pointer or number that the guest should not have passed, or LUCET_TRAP_HOST.
// Errors: NULL_ARGUMENT; BAD_ARGUMENT: not a trap; BAD_STATE: in a leaf function, or outside. The host function's thread. Since 0.1.
lucet_status lucet_call_trap(struct lucet_call *call, uint32_t trap);

// Suspends the guest when the host function returns, whatever it returns: the outcome is LUCET_SUSPENDED with `token`, and
// lucet_instance_resume delivers later, from any thread, what the guest sees as this call's results.
// Errors: NULL_ARGUMENT; BAD_STATE: in a leaf function, in a callback (the host function that called it has not returned), after
// the guest's end was asked for, or outside. The host function's thread. Since 0.1.
lucet_status lucet_call_suspend(struct lucet_call *call, uint64_t token);

// Calls an exported function of the calling instance, on its stack, below the frames that are there. A callback that traps
// or is terminated ends the outer guest in the same way when the host function returns, unless lucet_instance_keep is called
// before.
// `out_outcome` may be NULL; the values in it are valid until the next entry.
// Errors: as lucet_instance_run, and DEPTH: too many callbacks, or too little host stack; the guest traps with
// LUCET_TRAP_DEPTH when the host function returns. BAD_STATE: in a leaf function, or after the guest's end was asked for.
// The host function's thread. Since 0.1.
lucet_status lucet_call_run(struct lucet_call *call, const char *name, const struct lucet_value *arguments, size_t count, struct lucet_outcome *out_outcome);

// As lucet_call_run, with a function that was looked up before. Errors: also BAD_ARGUMENT: another module's function. The host function's thread. Since 0.1.
lucet_status lucet_call_func(struct lucet_call *call, const struct lucet_func *func, const struct lucet_value *arguments, size_t count, struct lucet_outcome *out_outcome);

// As lucet_call_run, with a reference that the guest has passed. Errors: also BAD_ARGUMENT: null, or not the instance's. The host function's thread. Since 0.1.
lucet_status lucet_call_funcref(struct lucet_call *call, struct lucet_funcref function, const struct lucet_value *arguments, size_t count, struct lucet_outcome *out_outcome);

// Makes a tag of exceptions that carry values of these types.
// Owner: the caller, who releases it. Errors: NULL_ARGUMENT; BAD_ARGUMENT: a type is none; NO_MEMORY. Any thread. Since 0.1.
lucet_status lucet_tag_new(const lucet_type *parameters, size_t count, struct lucet_tag **out_tag);

// Ends a tag. Linkers and modules that use it keep what they need of it. NULL is allowed. Any thread. Since 0.1.
void lucet_tag_release(struct lucet_tag *tag);

// Defines a tag that guests can import.
// Errors: NULL_ARGUMENT; BAD_ARGUMENT: the name is taken; NO_MEMORY. One thread at a time. Since 0.1.
lucet_status lucet_linker_define_tag(struct lucet_linker *linker, const char *module, const char *name, const struct lucet_tag *tag);

// Throws an exception when the host function returns; what that returns is not used then. The guest goes on in the handler, if
// one between here and the entry catches it; else it ends with LUCET_TRAP_EXCEPTION. An exception does not cross a host function: in a
// callback, one that nobody catches ends the callback, see lucet_call_rethrow.
// `tag` is one that the guest's module imports; see lucet_call_throw_export for others.
// Errors: NULL_ARGUMENT; BAD_ARGUMENT: it does not import it, or a reference is not the instance's; TYPE_MISMATCH: the values; BAD_STATE: in
// a leaf, or when the guest's end, suspension or an exception has been asked for; LIMIT: too many exceptions, the guest ends with
// LUCET_TRAP_EXCEPTIONS. The host function's thread. Since 0.1.
lucet_status lucet_call_throw(struct lucet_call *call, const struct lucet_tag *tag, const struct lucet_value *values, size_t count);

// As lucet_call_throw, with a tag that the guest's module exports.
// Errors: also NOT_FOUND: it exports no such tag. The host function's thread. Since 0.1.
lucet_status lucet_call_throw_export(struct lucet_call *call, const char *name, const struct lucet_value *values, size_t count);

// Throws the exception again that has just ended a callback, as if it had come through the host function. Instead of
// lucet_instance_keep.
// Errors: NULL_ARGUMENT; BAD_STATE: no callback has just ended with an exception. The host function's thread. Since 0.1.
lucet_status lucet_call_rethrow(struct lucet_call *call);

// The exception that the latest entry has ended with: LUCET_TRAPPED with LUCET_TRAP_EXCEPTION. Also in a host function, for a
// callback. `out_exception->struct_size` is set by the caller.
// Errors: NULL_ARGUMENT, BAD_STRUCT; NOT_FOUND: it has ended otherwise; STALE, WRONG_PROCESS, NO_MEMORY. The instance's thread. Since 0.1.
lucet_status lucet_instance_exception(const struct lucet_instance *instance, struct lucet_exception *out_exception);

// Loads a module file. With a linker it is also linked; without (NULL) it can be looked at, and linked later.
// By default the file is copied, so it may change or go afterwards. `options` may be NULL.
// Owner: the caller, who releases it; instances keep what they need. Errors: NULL_ARGUMENT; BAD_STRUCT; NOT_FOUND: no such file;
// SYSTEM; BAD_MODULE: damaged, or no module; INCOMPATIBLE: for another library version or CPU; and those of lucet_module_link.
// Any thread. Since 0.1.
lucet_status lucet_module_load_file(const char *path, const struct lucet_linker *linker, const struct lucet_load_options *options, struct lucet_module **out_module);

// As lucet_module_load_file, from an open descriptor of a regular file, which is read from its start and stays open, its position
// as it was. Errors: also BAD_ARGUMENT: not a regular file, or no descriptor. Any thread. Since 0.1.
lucet_status lucet_module_load_fd(int fd, const struct lucet_linker *linker, const struct lucet_load_options *options, struct lucet_module **out_module);

// As lucet_module_load_file, from the content of a module file, which is copied. Any thread. Since 0.1.
lucet_status lucet_module_load_bytes(const void *bytes, size_t length, const struct lucet_linker *linker, const struct lucet_load_options *options, struct lucet_module **out_module);

// Makes a linked module from a loaded one, which may be linked itself: its code is shared, its lucet_funcs are good for both.
// Every import must be defined with its very type; each one that is not goes to `options->problem`.
// Owner: the caller, who releases it; `module` can be released before. Errors: NULL_ARGUMENT; BAD_STRUCT; BAD_ARGUMENT: unknown flags;
// TYPE_MISMATCH, UNSUPPORTED (of another instance: functions, tables and globals with references to exceptions, tags that carry references to
// functions or exceptions) or NOT_FOUND: the first of these that some import has; STALE: an instance that the linker offers has been released;
// WRONG_PROCESS: it was made before a fork; LIMIT: the module's tables start with more than 10000000 elements; BAD_MODULE: damaged; NO_MEMORY;
// SYSTEM. Any thread, while nobody changes the linker. Since 0.1.
lucet_status lucet_module_link(const struct lucet_module *module, const struct lucet_linker *linker, const struct lucet_load_options *options, struct lucet_module **out_module);

// Gives a module up. Instances of it go on. NULL is allowed. Any thread. Since 0.1.
void lucet_module_release(struct lucet_module *module);

// The build id in 40 hexadecimal digits: equal for equal files, else different. Also the ELF note that readelf -n shows.
// The module's; NULL for no module, or without memory. Any thread. Since 0.1.
const char *lucet_module_build_id(const struct lucet_module *module);

// Which compiler made it, as "lucetc 0.1.0". The module's; NULL for no module, or without memory. Any thread. Since 0.1.
const char *lucet_module_producer(const struct lucet_module *module);

// Looks up an exported function, for lucet_instance_call. It is the module's: valid while the module, one linked from it, or
// an instance of these lives. Errors: NULL_ARGUMENT, NOT_FOUND, NO_MEMORY. Any thread. Since 0.1.
lucet_status lucet_module_func(const struct lucet_module *module, const char *name, const struct lucet_func **out_func);

// As lucet_module_func, by the export's index, as in lucet_module_export: also for names that C cannot write.
// Errors: NULL_ARGUMENT; NOT_FOUND: there is no such export, or it is not a function; NO_MEMORY. Any thread. Since 0.1.
lucet_status lucet_module_func_at(const struct lucet_module *module, size_t index, const struct lucet_func **out_func);

// What LUCET_FIND of lucet/typed.h uses: the typed entry of an exported function, a C function of type
// `uint32_t (lucet_instance *, result *, parameters...)` that answers with the outcome's kind; lucet_instance_outcome has the rest:
// which trap, or who ended the guest and why. LUCET_NOT_RUN: the guest was not entered, see lucet_last_error.
// `types` is as in lucet_host_function. The entry is valid as long as a lucet_func would be.
// NULL on failure, see lucet_last_error: not found, another type, more than 12 parameters or several results, not linked.
// Any thread. Since 0.1.
lucet_function lucet_module_entry(const struct lucet_module *module, const char *name, uint64_t types);

// How many imports a module has; 0 for no module. Any thread. Since 0.1.
size_t lucet_module_import_count(const struct lucet_module *module);

// An import, in the order of the wasm file. Errors: NULL_ARGUMENT, OUT_OF_BOUNDS. Any thread. Since 0.1.
lucet_status lucet_module_import(const struct lucet_module *module, size_t index, struct lucet_extern *out_import);

// How many exports a module has; 0 for no module. Any thread. Since 0.1.
size_t lucet_module_export_count(const struct lucet_module *module);

// An export, sorted by name. Errors: NULL_ARGUMENT, OUT_OF_BOUNDS. Any thread. Since 0.1.
lucet_status lucet_module_export(const struct lucet_module *module, size_t index, struct lucet_extern *out_export);

// What a region must offer. `out_requirements->struct_size` is set by the caller.
// Errors: NULL_ARGUMENT, BAD_STRUCT. Any thread. Since 0.1.
lucet_status lucet_module_requirements(const struct lucet_module *module, struct lucet_requirements *out_requirements);

// Raises what is too small in `config` for instances of `module`, linked or not. Can be called for several modules. Says whether the sizes
// are possible, too, before there are signal handlers: a server can do so where it reads its configuration.
// Errors: NULL_ARGUMENT; BAD_STRUCT; INCOMPATIBLE: no region can be large enough; LIMIT: lucet_region_new would say so. Any thread. Since 0.1.
lucet_status lucet_region_config_fit(struct lucet_region_config *config, const struct lucet_module *module);

// Reserves a region. `config` may be NULL, for the defaults. Needs lucet_signals_install before. Takes no memory to speak of
// until instances run, but about 6 GiB of address space for each, and what memories beyond 4 GiB and beyond the first may have: a
// process has 128 TiB.
// Owner: the caller, who releases it. Errors: NULL_ARGUMENT, BAD_STRUCT, BAD_ARGUMENT, NO_SIGNALS; BAD_STATE: see
// LUCET_REGION_COMPACT; LIMIT: impossible sizes; NO_MEMORY; SYSTEM; UNSUPPORTED: a processor of before 2006. Any thread. Since 0.1.
lucet_status lucet_region_new(const struct lucet_region_config *config, struct lucet_region **out_region);

// Whether instances of `module` can be made in `region`: what lucet_instance_new would check first.
// Errors: INCOMPATIBLE, lucet_last_error names what is too small; NULL_ARGUMENT; WRONG_PROCESS. Any thread. Since 0.1.
lucet_status lucet_region_check(const struct lucet_region *region, const struct lucet_module *module);

// The region's statistics. `out_stats->struct_size` is set by the caller. Counts pages, so it takes some microseconds a used slot.
// Errors: NULL_ARGUMENT, BAD_STRUCT, WRONG_PROCESS. Any thread. Since 0.1.
lucet_status lucet_region_get_stats(const struct lucet_region *region, struct lucet_region_stats *out_stats);

// Has idle slots give memory back that they keep for their next guests, until all slots together keep at most `keep_bytes`: 0 for
// as little as possible. Those that have been idle for longest come first; slots with instances are left alone. In a process that
// locks its memory nothing can be given back. Errors: NULL_ARGUMENT; WRONG_PROCESS. Any thread. Since 0.1.
lucet_status lucet_region_trim(struct lucet_region *region, uint64_t keep_bytes);

// Makes up to `instances` idle slots ready for instances of `module`, so that the first requests do not wait for the kernel: maps their
// memory, and makes resident what every guest uses and what guests of this module have been seen to write. Without effect on
// slots with instances; slots of other modules are taken when there are no others. Other threads can go on using the region.
// Errors: NULL_ARGUMENT; UNLINKED; INCOMPATIBLE; LIMIT: budget_bytes is used up; NO_MEMORY; SYSTEM; WRONG_PROCESS. The slots that are ready
// by then stay so. Any thread. Since 0.1.
lucet_status lucet_region_prefault(struct lucet_region *region, const struct lucet_module *module, uint32_t instances);

// Gives a region up. It goes when its last instance does. NULL is allowed. Any thread. Since 0.1.
void lucet_region_release(struct lucet_region *region);

// Makes an instance of a linked module in a free slot. No guest code runs. `data` is the host's, for lucet_instance_data and
// lucet_call_instance_data. `limits` may be NULL.
// Owner: the caller, who releases it. Keeps what it needs of region and module. Errors: NULL_ARGUMENT; BAD_STRUCT; UNLINKED;
// UNSUPPORTED: a limit that is not in this release; BAD_ARGUMENT: nested_ns without slice_ns, or less in slice_ns or cpu_ns than there can be; NO_SIGNALS: limits of time without a
// stop signal; INCOMPATIBLE: the region is too small for the module, see
// lucet_region_config_fit; LIMIT: the module starts with more than `limits` allows, or no handles are left for the slot; REGION_FULL;
// WRONG_PROCESS: the region, or an instance that the module is linked to, was made before a fork; NO_MEMORY; SYSTEM; POISONED: a region with
// LUCET_REGION_VERIFY has found a difference, the slot is never used again. Any thread. Since 0.1.
lucet_status lucet_instance_new(struct lucet_region *region, const struct lucet_module *module, void *data, const struct lucet_limits *limits, struct lucet_instance **out_instance);

// Makes an instance as it was when new, whatever the guest did: memory, globals, tables. Keeps `data` and limits. The guest can see nothing
// of what was before; docs/recycling.md says what stays in memory. Pointers into its memory and its results are void.
// Errors: NULL_ARGUMENT, RUNNING, STALE, WRONG_PROCESS; LINKED: linked modules import from it, nothing has happened; NO_MEMORY, SYSTEM: it
// needs another reset, or a release; POISONED: a region with LUCET_REGION_VERIFY has found a difference, it can only be released. The
// instance's thread. Since 0.1.
lucet_status lucet_instance_reset(struct lucet_instance *instance);

// Ends an instance. No later instance can see anything of it; docs/recycling.md says what stays in memory. NULL is allowed.
// Errors: RUNNING: it goes on; LINKED: linked modules import from it, nothing has happened; STALE; WRONG_PROCESS; NO_MEMORY, SYSTEM: its memory
// could not be cleaned, which is tried again before the slot's next instance; POISONED: a region with LUCET_REGION_VERIFY has found a
// difference, the slot is never used again. After the last three it is released all the same, and the handle is void. The instance's thread.
// Since 0.1.
lucet_status lucet_instance_release(struct lucet_instance *instance);

// The `data` that the instance was made with; NULL when it is stale. The instance's thread. Since 0.1.
void *lucet_instance_data(const struct lucet_instance *instance);

// Sets the limits, from now on. What the guest has beyond them it keeps.
// Errors: NULL_ARGUMENT, BAD_STRUCT, UNSUPPORTED, BAD_ARGUMENT, NO_SIGNALS, RUNNING, STALE, WRONG_PROCESS. The instance's thread. Since 0.1.
lucet_status lucet_instance_set_limits(struct lucet_instance *instance, const struct lucet_limits *limits);

// What the instance has used since new or reset. `out_stats->struct_size` is set by the caller.
// Errors: NULL_ARGUMENT, BAD_STRUCT, STALE, WRONG_PROCESS. The instance's thread. Since 0.1.
lucet_status lucet_instance_get_stats(const struct lucet_instance *instance, struct lucet_instance_stats *out_stats);

// Instantiates: runs what the first entry would run before anything else, which is the module's start function. Optional.
// LUCET_OK says that the outcome tells what happened: LUCET_RETURNED, or how the start function ended. `out_outcome` may be NULL.
// Errors: NULL_ARGUMENT, STALE, RUNNING, NEEDS_RESET, WRONG_PROCESS; BAD_STATE, LIMIT, UNSUPPORTED, NO_MEMORY, SYSTEM: as lucet_instance_run. The
// instance's thread. Since 0.1.
lucet_status lucet_instance_start(struct lucet_instance *instance, struct lucet_outcome *out_outcome);

// Calls an exported function by its name. LUCET_OK says that the guest ran and the outcome tells how that ended; any other
// status, that it has not run and is as it was (`out_outcome->kind` is LUCET_NOT_RUN). `out_outcome` may be NULL.
// The arguments are copied. Results are in the outcome, the instance's until its next entry, reset or release.
// Errors: NULL_ARGUMENT; NOT_FOUND: no such function; TYPE_MISMATCH: number or types of arguments; BAD_ARGUMENT: a funcref that
// is not the instance's; BAD_STATE: it waits, suspended or preempted; RUNNING; NEEDS_RESET; STALE; WRONG_PROCESS. At the thread's first run,
// when it cannot be prepared: BAD_STATE: it is on its alternate signal stack, in a signal handler; LIMIT: 65536 threads run guests already;
// UNSUPPORTED: it has a shadow stack; NO_MEMORY; SYSTEM: for one, there is no timer left (RLIMIT_SIGPENDING). The instance's thread. Since 0.1.
lucet_status lucet_instance_run(struct lucet_instance *instance, const char *name, const struct lucet_value *arguments, size_t count, struct lucet_outcome *out_outcome);

// As lucet_instance_run, with a function that was looked up before. Errors: also BAD_ARGUMENT: another module's function.
// The instance's thread. Since 0.1.
lucet_status lucet_instance_call(struct lucet_instance *instance, const struct lucet_func *func, const struct lucet_value *arguments, size_t count, struct lucet_outcome *out_outcome);

// As lucet_instance_run, with a reference that this instance has passed or returned. Errors: also BAD_ARGUMENT: null, or not the
// instance's. The instance's thread. Since 0.1.
lucet_status lucet_instance_call_funcref(struct lucet_instance *instance, struct lucet_funcref function, const struct lucet_value *arguments, size_t count, struct lucet_outcome *out_outcome);

// Goes on with a guest whose outcome was LUCET_SUSPENDED, as if its host function had returned `results` now; or with one that was
// LUCET_PREEMPTED, at the very instruction, without results. The outcome is that of the entry that was interrupted, or the guest waits again.
// Works from any thread, and as soon as a host function has passed the token on: if the run that it suspended has not returned yet,
// that is RUNNING. A deadline that has passed meanwhile ends the guest now.
// Errors: TYPE_MISMATCH: number or types of results; BAD_ARGUMENT: a funcref that is not the instance's; BAD_STATE: it waits
// for nothing; RUNNING; NEEDS_RESET; NULL_ARGUMENT; STALE; WRONG_PROCESS; and when the thread cannot be prepared, as in lucet_instance_run. The
// guest waits on then. Any thread, one at a time. Since 0.1.
lucet_status lucet_instance_resume(struct lucet_instance *instance, const struct lucet_value *results, size_t count, struct lucet_outcome *out_outcome);

// Lets an instance be entered again after a trap or a termination without a reset, its memory as the guest left it: for hosts
// that know their guest. Inside a host function whose callback ended badly: lets the outer guest go on.
// Errors: BAD_STATE: it was not stopped; NULL_ARGUMENT, STALE, WRONG_PROCESS. The instance's thread. Since 0.1.
lucet_status lucet_instance_keep(struct lucet_instance *instance);

// Says that a run is over which the host has left by longjmp, from within a host function past the call that began the run. The
// instance is then as after a termination: reset or release it. A host that leaves runs of several instances at once abandons the innermost
// first. In a host function that has caught a jump out of callbacks which it has made: says that these are over, as if they had been
// terminated; the guest ends when the host function returns, unless lucet_instance_keep is called. Not for guest code that was left by siglongjmp
// from a signal handler, nor, but for whole runs, on stacks of the host's making.
// A thread that ends in a host function (pthread_exit, cancellation; C only) has to do the same before it is gone, in a handler that it has
// pushed by pthread_cleanup_push around the run: without this the instance stays LUCET_RUNNING for good, and its slot is lost.
// Errors: NULL_ARGUMENT, STALE, WRONG_PROCESS; BAD_STATE, which is one of these:
// * the instance is in no host function;
// * another thread entered it;
// * its host function has not been left; this cannot be told in callbacks, nor, where a host has no unwind tables, from a function further down
//   the stack than the run was;
// * what was left is a callback, and calls of linked instances with it: leave the run.
//
// The thread that entered the instance. Since 0.1.
lucet_status lucet_instance_abandon(struct lucet_instance *instance);

// The outcome of the latest entry; LUCET_NOT_RUN when there was none since new or reset.
// Errors: NULL_ARGUMENT, STALE, WRONG_PROCESS. The instance's thread. Since 0.1.
lucet_status lucet_instance_outcome(const struct lucet_instance *instance, struct lucet_outcome *out_outcome);

// The guest functions that were active when the guest trapped or was terminated, innermost first, at most 64.
// The frames are the instance's until its next entry, reset or release. None after a return.
// Errors: NULL_ARGUMENT, RUNNING, STALE, WRONG_PROCESS, NO_MEMORY. The instance's thread. Since 0.1.
lucet_status lucet_instance_backtrace(const struct lucet_instance *instance, const struct lucet_frame **out_frames, size_t *out_count);

// Describes the latest outcome in one line: what, in which function, at which offset of the wasm file, called by whom. Bytes
// that come from the guest are escaped, so the line is safe for logs.
// Works like snprintf: writes at most `size` bytes, NUL included, and returns the length of the whole line without the NUL.
// 0 when the instance is stale. The instance's thread. Since 0.1.
size_t lucet_instance_describe(const struct lucet_instance *instance, char *buffer, size_t size);

// The handle that kills an instance as it is now, until it is reset or released.
// Errors: NULL_ARGUMENT, STALE, WRONG_PROCESS. The instance's thread, also in its host functions. Since 0.1.
lucet_status lucet_instance_kill_handle(const struct lucet_instance *instance, struct lucet_kill_handle *out_handle);

// Ends a guest for good: the outcome of its entry is LUCET_TERMINATED, LUCET_STOP_KILL, with `reason` as its token. Answers
// LUCET_KILL_*: what the kill has met. It does not wait for the guest to be gone: the run's return says that. A kill holds until
// reset, release or lucet_instance_keep. When several kills meet, the reason of one of them is reported.
// Any thread; signal handlers, also on top of the guest: async-signal-safe, errno stays. In another process than the instance's
// it does nothing. Since 0.1.
int32_t lucet_kill(struct lucet_kill_handle kill_handle, uint64_t reason);

// A memory as a whole; `{NULL, 0}` when the instance is stale or has no such memory. The instance's thread. Since 0.1.
struct lucet_memory lucet_instance_memory(const struct lucet_instance *instance, uint32_t index);

// A checked range of a memory, for reading, valid until the next growth, reset or release. What a guest has given is hostile: it
// may be changed by the guest's next run, so copy before checking what is in it.
// Errors: NULL_ARGUMENT; OUT_OF_BOUNDS; NOT_FOUND: no such memory; STALE; WRONG_PROCESS; NO_MEMORY: for the copy, with lucet_linker_poison_views. The
// instance's thread. Since 0.1.
lucet_status lucet_instance_view(const struct lucet_instance *instance, uint32_t memory, uint64_t address, uint64_t length, const uint8_t **out_data);

// As lucet_instance_view, for writing too: by the program, or by the kernel in read(2).
// Errors: also BAD_STATE: the guest is preempted; SYSTEM: the pages could not be made writable. The instance's thread. Since 0.1.
lucet_status lucet_instance_view_mut(struct lucet_instance *instance, uint32_t memory, uint64_t address, uint64_t length, uint8_t **out_data);

// Copies bytes out of a memory, all or none. Errors: NULL_ARGUMENT, OUT_OF_BOUNDS, NOT_FOUND, STALE, WRONG_PROCESS. The instance's thread. Since 0.1.
lucet_status lucet_instance_read(const struct lucet_instance *instance, uint32_t memory, uint64_t address, void *buffer, size_t length);

// Copies bytes into a memory, all or none. Errors: NULL_ARGUMENT; OUT_OF_BOUNDS; NOT_FOUND: no such memory; BAD_STATE: the guest is preempted;
// SYSTEM: the pages could not be made writable; STALE; WRONG_PROCESS. The instance's thread. Since 0.1.
lucet_status lucet_instance_write(struct lucet_instance *instance, uint32_t memory, uint64_t address, const void *bytes, size_t length);

// Grows a memory by pages (lucet_extern.page_bytes), as memory.grow does. `out_old_pages` may be NULL.
// Errors: LIMIT: the module's maximum, the region, the limits or the system do not allow it, nothing has changed; BAD_STATE: the guest is preempted;
// NOT_FOUND, STALE, WRONG_PROCESS. The instance's thread. Since 0.1.
lucet_status lucet_instance_memory_grow(struct lucet_instance *instance, uint32_t memory, uint64_t pages, uint64_t *out_old_pages);

// Asks the guest for memory, by its export `cabi_realloc(old, old_size, align, size)`. The range that it answers is checked to
// lie in its memory and to be aligned, and not to start at 0 unless `size` is 0: that is an allocator without memory. `out_outcome`
// may be NULL.
// Errors: NOT_FOUND: no such export; OUT_OF_BOUNDS: the answer is no such range; BAD_STATE: the guest has run and did not return an address, see the
// outcome, or it cannot be entered, as in lucet_instance_run: `out_outcome->kind` is LUCET_NOT_RUN then; LIMIT: more than 4 GiB; BAD_ARGUMENT:
// `align` is not a power of two; and those of lucet_instance_run. The instance's thread. Since 0.1.
lucet_status lucet_instance_alloc(struct lucet_instance *instance, size_t size, size_t align, uint64_t *out_address, struct lucet_outcome *out_outcome);

// The value of an exported global. Errors: NULL_ARGUMENT; NOT_FOUND; BAD_STATE: the guest is preempted; STALE; WRONG_PROCESS; NO_MEMORY, LIMIT: a
// reference in a global of another instance cannot be handed over. The instance's thread. Since 0.1.
lucet_status lucet_instance_global_get(const struct lucet_instance *instance, const char *name, struct lucet_value *out_value);

// Changes an exported mutable global. Errors: NULL_ARGUMENT; NOT_FOUND; BAD_ARGUMENT: it is immutable, or a funcref that is not the
// instance's; TYPE_MISMATCH; and as lucet_instance_global_get. The instance's thread. Since 0.1.
lucet_status lucet_instance_global_set(struct lucet_instance *instance, const char *name, const struct lucet_value *value);

// How many elements an exported table has. Errors: NULL_ARGUMENT; NOT_FOUND; BAD_STATE: the guest is preempted; STALE; WRONG_PROCESS. The instance's
// thread. Since 0.1.
lucet_status lucet_instance_table_size(const struct lucet_instance *instance, const char *name, uint64_t *out_size);

// An element of an exported table. Errors: OUT_OF_BOUNDS; NO_MEMORY: a reference in a table of another instance cannot be handed over; and as
// lucet_instance_table_size. The instance's thread. Since 0.1.
lucet_status lucet_instance_table_get(const struct lucet_instance *instance, const char *name, uint64_t index, struct lucet_value *out_value);

// Changes an element of an exported table. Errors: OUT_OF_BOUNDS; TYPE_MISMATCH; BAD_ARGUMENT: a funcref that is not the instance's;
// and as lucet_instance_table_get. The instance's thread. Since 0.1.
lucet_status lucet_instance_table_set(struct lucet_instance *instance, const char *name, uint64_t index, const struct lucet_value *value);

// Grows an exported table by `delta` elements that are `value`. `out_old_size` may be NULL.
// Errors: LIMIT: the table's maximum, the region or the limits do not allow it; and as lucet_instance_table_set. The instance's thread.
// Since 0.1.
lucet_status lucet_instance_table_grow(struct lucet_instance *instance, const char *name, uint64_t delta, const struct lucet_value *value, uint64_t *out_old_size);

// Makes a handle: a number that is not 0, by which the guest of this instance names `object`, which is not NULL. The object is
// released when the handle is dropped, or the instance is reset or released. An instance has at most 65536 handles at a time.
// Errors: NULL_ARGUMENT, LIMIT, NO_MEMORY, STALE, WRONG_PROCESS; the object stays the caller's then. The instance's thread. Since 0.1.
lucet_status lucet_instance_handle_new(struct lucet_instance *instance, const struct lucet_handle_kind *kind, void *object, uint32_t *out_handle);

// The object that a handle stands for. Errors: NULL_ARGUMENT; NOT_FOUND: no handle, one that has ended, or one of another kind;
// STALE, WRONG_PROCESS. The instance's thread. Since 0.1.
lucet_status lucet_instance_handle_get(const struct lucet_instance *instance, const struct lucet_handle_kind *kind, uint32_t number, void **out_object);

// Ends a handle without releasing its object, which becomes the caller's. Errors: as lucet_instance_handle_get. The
// instance's thread. Since 0.1.
lucet_status lucet_instance_handle_take(struct lucet_instance *instance, const struct lucet_handle_kind *kind, uint32_t number, void **out_object);

// Ends a handle and releases its object. Errors: as lucet_instance_handle_get. The instance's thread. Since 0.1.
lucet_status lucet_instance_handle_drop(struct lucet_instance *instance, const struct lucet_handle_kind *kind, uint32_t number);

// Installs the handlers for SIGSEGV, SIGBUS and SIGILL that turn a guest's faults into traps, and one for the signal by which guests
// are stopped, see lucet_signals_choose_stop. Other faults go to the handlers
// that were there before, as if the library was not. Once per process, before the first region; again is no error. `flags` is 0
// or some of LUCET_SIGNALS_*.
// Errors: BAD_ARGUMENT: unknown flags; BAD_STATE: installed before with another choice of LUCET_SIGNALS_HOST, or the host has a handler
// for the stop signal; SYSTEM. Any thread;
// no other thread changes handlers meanwhile. Since 0.1.
lucet_status lucet_signals_install(uint32_t flags);

// Chooses the signal by which running guests are stopped: when they are killed and when their time is over. A real-time one; without
// this call, or with 0, lucet_signals_install takes the highest that nobody handles. A host that handles signals itself
// (LUCET_SIGNALS_HOST) must choose one here before, give it a handler like the others, with SA_RESTART, and call
// lucet_signal_handle in it; else guests have no limits of time, and kills wait for host functions. Before lucet_signals_install;
// the choice stays until the process ends. After lucet_signals_remove the signal is ignored.
// Errors: BAD_ARGUMENT: not a real-time signal; BAD_STATE: another one is in use already. Any thread. Since 0.1.
lucet_status lucet_signals_choose_stop(int signal);

// Puts the handlers back that were there before. No guest may run then or later. Errors: NO_SIGNALS: nothing is installed;
// BAD_STATE: somebody has installed a handler since, another copy of this library for one, nothing has changed; SYSTEM. Any thread. Since 0.1.
lucet_status lucet_signals_remove(void);

// Whether the handlers are still in place, for hosts that load other libraries. Another copy of this library in the process is somebody
// else: it passes on what is not its own, so both work, but the copy that installed first answers BAD_STATE here until the other has
// called lucet_signals_remove.
// Errors: NO_SIGNALS: nothing is installed; BAD_STATE: somebody has installed a handler since; SYSTEM. Any thread. Since 0.1.
lucet_status lucet_signals_check(void);

// For handlers of the host: true if the signal was a guest's and has been dealt with: return from the handler at once. False: it
// is the host's. Takes what a SA_SIGINFO handler is given: `siginfo_t *` and `ucontext_t *`. Async-signal-safe. Any thread. Since 0.1.
bool lucet_signal_handle(int signal, void *siginfo, void *ucontext);

// Undoes what the thread's first run did: gives back its alternate signal stack and its timer, and blocks the library's signals again that
// were blocked before. Stack and timer go by themselves when a thread ends; only needed by hosts that replace alternate stacks themselves, and for
// threads that go on without guests. Does nothing in a host function on the thread's own stack; not to be called in one
// on a stack that the host has made. Looks at every slot of the process. Since 0.1.
void lucet_thread_detach(void);

// Defines the functions of wasi_snapshot_preview1, so that guests from a stock clang or rustc for wasm32-wasi load and start:
// arguments, environment, clocks (in steps of a microsecond), random bytes; what they write to descriptors 1 and 2 goes to the
// region's log, level LUCET_LOG_GUEST; proc_exit ends the guest with LUCET_TERMINATED, LUCET_STOP_EXIT, its status being the token.
// Everything else answers ENOSYS: there are no files and no sockets. A bad pointer answers EFAULT.
// A function of the same name that the host has defined before stays the host's.
// `options` may be NULL; its texts are copied. Errors: NULL_ARGUMENT; BAD_STRUCT; NO_MEMORY: nothing is added. One thread at a time. Since 0.1.
lucet_status lucet_linker_define_wasi_stub(struct lucet_linker *linker, const struct lucet_wasi_options *options);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* LUCET_LUCET_H */

#include "lucet/typed.h" /* IWYU pragma: export */
