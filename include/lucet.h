/* lucet.h: run untrusted WebAssembly guests inside a C or C++ server.   (DRAFT: to be generated from src/capi) */
#ifndef LUCET_LUCET_H
#define LUCET_LUCET_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LUCET_VERSION_MAJOR 0
#define LUCET_VERSION_MINOR 1
#define LUCET_VERSION_PATCH 0
#define LUCET_VERSION 0x000100u /* major << 16 | minor << 8 | patch */

typedef struct lucet_linker lucet_linker;     /* one thread at a time; read while a module is linked, not kept */
typedef struct lucet_module lucet_module;     /* shareable; verified code, linked or only to be looked at */
typedef struct lucet_region lucet_region;     /* shareable; slots for instances, of the process that made it */
typedef struct lucet_instance lucet_instance; /* one thread at a time, may move; a handle, never a pointer to look through */
typedef struct lucet_call lucet_call;         /* one call of a host function, dead when that returns */
typedef struct lucet_func lucet_func;         /* shareable; an export looked up and typed once; its module's, borrowed */
typedef void (*lucet_function)(void);         /* a function pointer of any type */

typedef int32_t lucet_status;
#define LUCET_OK 0
#define LUCET_NULL_ARGUMENT 1
#define LUCET_BAD_ARGUMENT 2
#define LUCET_BAD_STRUCT 3
#define LUCET_BAD_STATE 4
#define LUCET_RUNNING 5
#define LUCET_NEEDS_RESET 6
#define LUCET_STALE 7
#define LUCET_WRONG_PROCESS 8
#define LUCET_NO_MEMORY 9
#define LUCET_SYSTEM 10
#define LUCET_REGION_FULL 11
#define LUCET_LIMIT 12
#define LUCET_NOT_FOUND 13
#define LUCET_TYPE_MISMATCH 14
#define LUCET_UNLINKED 15
#define LUCET_BAD_MODULE 16
#define LUCET_INCOMPATIBLE 17
#define LUCET_OUT_OF_BOUNDS 18
#define LUCET_DEPTH 19
#define LUCET_NO_SIGNALS 20
#define LUCET_UNSUPPORTED 21
#define LUCET_POISONED 22   /* an internal error (panic) was caught; the object can only be released */

typedef uint8_t lucet_type;     /* value types; LUCET_VOID ends a list */
#define LUCET_VOID 0
#define LUCET_I32 1
#define LUCET_I64 2
#define LUCET_F32 3
#define LUCET_F64 4
#define LUCET_V128 5
#define LUCET_FUNCREF 6
#define LUCET_EXTERNREF 7

typedef struct lucet_v128 { uint64_t lo, hi; } lucet_v128;
typedef struct lucet_externref { void *host; } lucet_externref;  /* NULL is ref.null */
typedef struct lucet_funcref { uint64_t opaque; } lucet_funcref; /* of one instance; 0 is ref.null */
typedef union lucet_payload {
  lucet_v128 v128; int32_t i32; int64_t i64; float f32; double f64; lucet_funcref funcref; lucet_externref externref;
} lucet_payload;
typedef struct lucet_value { uint32_t type; uint32_t reserved; union lucet_payload of; } lucet_value; /* 24 bytes, frozen */

/* ---- library ---- */
uint32_t lucet_version(void);
const char *lucet_status_name(lucet_status status);
const char *lucet_last_error(void);
const char *lucet_trap_name(uint32_t trap);

/* ---- linker, host functions ---- */
typedef struct lucet_host_function { const char *name; lucet_function function; uint64_t types; uint32_t flags, reserved; } lucet_host_function;
#define LUCET_LEAF 1u
typedef void (*lucet_dynamic_function)(lucet_call *call, void *data, const lucet_value *arguments, lucet_value *results);
lucet_status lucet_linker_new(lucet_linker **out_linker);
void lucet_linker_release(lucet_linker *linker);
lucet_status lucet_linker_define(lucet_linker *linker, const char *module, const lucet_host_function *rows, size_t count, void *data);
lucet_status lucet_linker_define_dynamic(lucet_linker *linker, const char *module, const char *name, const lucet_type *parameters, size_t parameter_count,
                                         const lucet_type *results, size_t result_count, lucet_dynamic_function function, void *data, void (*release)(void *data));
lucet_status lucet_linker_define_global(lucet_linker *linker, const char *module, const char *name, const lucet_value *value);
lucet_status lucet_linker_define_wasi_stub(lucet_linker *linker, const struct lucet_wasi_options *options); /* NULL: no arguments, no environment */
lucet_status lucet_linker_trap_missing(lucet_linker *linker); /* function imports nobody defined trap when called, instead of failing the load */

/* inside a host function */
lucet_instance *lucet_call_instance(const lucet_call *call);
void *lucet_call_data(const lucet_call *call);                         /* the data of its definition */
void *lucet_call_instance_data(const lucet_call *call);                /* = lucet_instance_data(lucet_call_instance(call)) */
lucet_status lucet_call_terminate(lucet_call *call, uint64_t reason);  /* then return anything */
lucet_status lucet_call_trap(lucet_call *call, uint32_t trap);         /* then return anything */
lucet_status lucet_call_suspend(lucet_call *call, uint64_t token);     /* LUCET_UNSUPPORTED in 0.1 */
lucet_status lucet_call_run(lucet_call *call, const char *name, const lucet_value *arguments, size_t count, struct lucet_outcome *out_outcome);       /* callbacks into the same instance */
lucet_status lucet_call_func(lucet_call *call, const lucet_func *func, const lucet_value *arguments, size_t count, struct lucet_outcome *out_outcome);
lucet_status lucet_call_funcref(lucet_call *call, lucet_funcref function, const lucet_value *arguments, size_t count, struct lucet_outcome *out_outcome);

/* ---- modules ---- */
typedef struct lucet_load_options { size_t struct_size; void (*problem)(void *data, const char *text, size_t length); void *data; uint32_t flags, reserved0; uint64_t reserved[4]; } lucet_load_options;
#define LUCET_LOAD_IN_PLACE 1u /* load_file, load_fd: map the file itself; the caller promises that it never changes */
lucet_status lucet_module_load_file(const char *path, const lucet_linker *linker, const lucet_load_options *options, lucet_module **out_module);
lucet_status lucet_module_load_fd(int fd, const lucet_linker *linker, const lucet_load_options *options, lucet_module **out_module);
lucet_status lucet_module_load_bytes(const void *bytes, size_t length, const lucet_linker *linker, const lucet_load_options *options, lucet_module **out_module);
lucet_status lucet_module_link(const lucet_module *module, const lucet_linker *linker, const lucet_load_options *options, lucet_module **out_module);
void lucet_module_release(lucet_module *module);
const char *lucet_module_build_id(const lucet_module *module); /* hex */
const char *lucet_module_producer(const lucet_module *module);
typedef struct lucet_extern {  /* an import or export, strings borrowed from the module and NUL-terminated only by chance: use the lengths */
  const char *module; size_t module_length;   /* imports only */
  const char *name; size_t name_length;
  uint32_t kind;                              /* LUCET_EXTERN_* */
  uint32_t flags;                             /* LUCET_EXTERN_MUTABLE: a global the guest may change; LUCET_EXTERN_BOUNDED: maximum is meaningful */
  const lucet_type *parameters; size_t parameter_count;  /* functions */
  const lucet_type *results; size_t result_count;
  uint32_t value_type, reserved;              /* globals: their type; tables: their elements' */
  uint64_t minimum, maximum;                  /* tables: elements; memories: pages of 64 KiB */
} lucet_extern;
#define LUCET_EXTERN_FUNCTION 0u
#define LUCET_EXTERN_TABLE 1u
#define LUCET_EXTERN_MEMORY 2u
#define LUCET_EXTERN_GLOBAL 3u
#define LUCET_EXTERN_MUTABLE 1u
#define LUCET_EXTERN_BOUNDED 2u
size_t lucet_module_import_count(const lucet_module *module);
lucet_status lucet_module_import(const lucet_module *module, size_t index, lucet_extern *out_import);
size_t lucet_module_export_count(const lucet_module *module);
lucet_status lucet_module_export(const lucet_module *module, size_t index, lucet_extern *out_export);
typedef struct lucet_requirements { size_t struct_size; uint64_t memory_bytes, memory_maximum_bytes, table_elements, state_bytes, values, reservation_bytes, guard_bytes, cpu_features, reserved[4]; } lucet_requirements;
lucet_status lucet_module_requirements(const lucet_module *module, lucet_requirements *out_requirements);
lucet_status lucet_module_func(const lucet_module *module, const char *name, const lucet_func **out_func);
lucet_function lucet_module_entry(const lucet_module *module, const char *name, uint64_t types); /* for LUCET_FIND; NULL: see lucet_last_error */

/* ---- regions ---- */
typedef struct lucet_region_config {
  size_t struct_size;
  uint32_t instances, callback_depth;      /* 64, 8 */
  uint64_t table_elements;                 /* 10000, of all tables of one instance */
  uint64_t memory_bytes, stack_bytes, state_bytes, keep_resident_bytes; /* of one instance: 16 MiB, 128 KiB, 16 KiB, 1 MiB */
  uint64_t leaf_stack_bytes, host_stack_bytes; /* 16 KiB must be left for a leaf function; 32 KiB of host stack for a callback */
  uint32_t values, flags;                  /* 32 values at most in one call; 0 */
  void (*log)(void *data, int level, const char *text, size_t length);
  void *log_data; uint64_t reserved[6];
} lucet_region_config;
#define LUCET_LOG_ERROR 0
#define LUCET_LOG_WARNING 1
#define LUCET_LOG_INFO 2
#define LUCET_LOG_GUEST 3  /* what a guest wrote through the WASI stub */
typedef struct lucet_region_stats { size_t struct_size; uint64_t capacity, live, created, reset, released, trapped, terminated, resident_bytes, reserved_bytes, traps[32], reserved[8]; } lucet_region_stats; /* traps: by LUCET_TRAP_* */
lucet_status lucet_region_config_fit(lucet_region_config *config, const lucet_module *module); /* raises what is too small */
lucet_status lucet_region_new(const lucet_region_config *config, lucet_region **out_region);
lucet_status lucet_region_get_stats(const lucet_region *region, lucet_region_stats *out_stats);
void lucet_region_release(lucet_region *region);

/* ---- instances ---- */
#define LUCET_NOT_RUN 0u
#define LUCET_RETURNED 1u
#define LUCET_SUSPENDED 2u
#define LUCET_PREEMPTED 3u
#define LUCET_TRAPPED 4u
#define LUCET_TERMINATED 5u
#define LUCET_STOP_HOST 1u
#define LUCET_STOP_KILL 2u
#define LUCET_STOP_DEADLINE 3u
#define LUCET_STOP_CPU 4u
#define LUCET_STOP_FUEL 5u
#define LUCET_STOP_EXIT 6u  /* the guest called proc_exit; token is its status */
#define LUCET_TRAP_UNREACHABLE 1u
#define LUCET_TRAP_MEMORY 2u
#define LUCET_TRAP_TABLE 3u
#define LUCET_TRAP_NULL_CALL 4u
#define LUCET_TRAP_CALL_TYPE 5u
#define LUCET_TRAP_DIVIDE_BY_ZERO 6u
#define LUCET_TRAP_INTEGER_OVERFLOW 7u
#define LUCET_TRAP_CONVERSION 8u
#define LUCET_TRAP_STACK 9u
#define LUCET_TRAP_DEPTH 10u
#define LUCET_TRAP_HOST_ARGUMENT 11u
#define LUCET_TRAP_HOST 12u
#define LUCET_TRAP_UNALIGNED 13u
#define LUCET_TRAP_NULL_REFERENCE 14u
#define LUCET_TRAP_EXCEPTION 15u
#define LUCET_TRAP_RESOURCE 16u
typedef struct lucet_outcome { /* 64 bytes, frozen */
  uint32_t kind, detail; uint64_t token; const lucet_value *values; size_t value_count; uint64_t cpu_ns; uint64_t reserved[3];
} lucet_outcome;
typedef struct lucet_limits { size_t struct_size; uint64_t memory_bytes, table_elements, deadline_ns, cpu_ns, fuel, slice_ns, reserved[5]; } lucet_limits; /* 0: none; the time fields and fuel are refused (LUCET_UNSUPPORTED) until they work */
typedef struct lucet_frame { const char *name; size_t name_length; uint32_t function, reserved; uint64_t wasm_offset; } lucet_frame; /* wasm_offset UINT64_MAX: unknown */
lucet_status lucet_instance_new(lucet_region *region, const lucet_module *module, void *data, const lucet_limits *limits, lucet_instance **out_instance);
lucet_status lucet_instance_reset(lucet_instance *instance);
lucet_status lucet_instance_release(lucet_instance *instance);
void *lucet_instance_data(const lucet_instance *instance);
lucet_status lucet_instance_set_limits(lucet_instance *instance, const lucet_limits *limits);
lucet_status lucet_instance_start(lucet_instance *instance, lucet_outcome *out_outcome); /* instantiation only: what the first entry would do at its head */
lucet_status lucet_instance_run(lucet_instance *instance, const char *name, const lucet_value *arguments, size_t count, lucet_outcome *out_outcome);
lucet_status lucet_instance_call(lucet_instance *instance, const lucet_func *func, const lucet_value *arguments, size_t count, lucet_outcome *out_outcome);
lucet_status lucet_instance_call_funcref(lucet_instance *instance, lucet_funcref function, const lucet_value *arguments, size_t count, lucet_outcome *out_outcome);
lucet_status lucet_instance_resume(lucet_instance *instance, const lucet_value *results, size_t count, lucet_outcome *out_outcome); /* 0.1: LUCET_BAD_STATE always */
lucet_status lucet_instance_keep(lucet_instance *instance);
lucet_status lucet_instance_outcome(const lucet_instance *instance, lucet_outcome *out_outcome);
lucet_status lucet_instance_backtrace(const lucet_instance *instance, const lucet_frame **out_frames, size_t *out_count); /* innermost first; the instance's until its next entry, reset or release */
size_t lucet_instance_describe(const lucet_instance *instance, char *buffer, size_t size); /* like snprintf: the full length without NUL; one escaped line */
typedef struct lucet_memory { const uint8_t *data; size_t size; } lucet_memory;
lucet_memory lucet_instance_memory(const lucet_instance *instance, uint32_t index); /* {NULL, 0}: no such memory, stale */
lucet_status lucet_instance_view(const lucet_instance *instance, uint32_t memory, uint64_t address, uint64_t length, const uint8_t **out_data); /* checked, until the next growth or reset */
lucet_status lucet_instance_view_mut(lucet_instance *instance, uint32_t memory, uint64_t address, uint64_t length, uint8_t **out_data);
lucet_status lucet_instance_read(const lucet_instance *instance, uint32_t memory, uint64_t address, void *buffer, size_t length);
lucet_status lucet_instance_write(lucet_instance *instance, uint32_t memory, uint64_t address, const void *bytes, size_t length);
lucet_status lucet_instance_memory_grow(lucet_instance *instance, uint32_t memory, uint64_t pages, uint64_t *out_old_pages); /* LUCET_LIMIT: refused */
lucet_status lucet_instance_global_get(const lucet_instance *instance, const char *name, lucet_value *out_value);
lucet_status lucet_instance_global_set(lucet_instance *instance, const char *name, const lucet_value *value);
lucet_status lucet_instance_table_size(const lucet_instance *instance, const char *name, uint64_t *out_size);
lucet_status lucet_instance_table_get(const lucet_instance *instance, const char *name, uint64_t index, lucet_value *out_value);
lucet_status lucet_instance_table_set(lucet_instance *instance, const char *name, uint64_t index, const lucet_value *value);
lucet_status lucet_instance_table_grow(lucet_instance *instance, const char *name, uint64_t delta, const lucet_value *value, uint64_t *out_old_size);
lucet_status lucet_instance_alloc(lucet_instance *instance, size_t size, size_t align, uint64_t *out_address, lucet_outcome *out_outcome); /* the guest's cabi_realloc */

/* ---- process and thread ---- */
#define LUCET_SIGNALS_HOST 1u
#define LUCET_SIGNALS_ONSTACK 2u
lucet_status lucet_signals_install(uint32_t flags);
lucet_status lucet_signals_remove(void);
lucet_status lucet_signals_check(void);
bool lucet_signal_handle(int signal, void *siginfo, void *ucontext);
void lucet_thread_detach(void);

typedef struct lucet_wasi_options { size_t struct_size; const char *const *arguments; size_t argument_count; const char *const *environment; size_t environment_count; uint64_t reserved[4]; } lucet_wasi_options;
#include "lucet/typed.h"
#endif
