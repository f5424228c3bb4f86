//! The modules.

mod build;
mod code;
mod control;
mod exceptions;
mod inlining;
mod locals;
mod loops;
mod parameters;
mod pressure;
pub mod sections;
mod values;

use super::Bomb;

/// Every module.
pub const ALL: [fn() -> Bomb; 78] = [
    sections::many_types,
    sections::many_functions,
    sections::some_functions,
    sections::functions_with_many_parameters,
    sections::many_imports_with_many_parameters,
    sections::many_globals,
    sections::some_globals,
    sections::many_data_segments,
    sections::many_data_bytes,
    sections::data_near_the_limit,
    sections::large_module,
    sections::many_element_items,
    sections::many_exports,
    locals::declared_locals,
    locals::declared_locals_of_many_functions,
    locals::too_many_locals,
    locals::large_body,
    locals::live_locals_in_loop,
    locals::live_locals_in_loops,
    locals::live_locals_across_calls,
    locals::locals_in_nested_loops,
    locals::locals_over_many_joins,
    control::deep_blocks,
    control::blocks_at_the_limit,
    control::deep_loops,
    control::deep_ifs,
    control::long_branch_table,
    control::many_branch_tables,
    values::branch_table_with_values,
    values::branches_with_values,
    values::blocks_with_values,
    values::calls_with_values,
    values::returns_with_values,
    values::tail_calls_with_values,
    code::deep_operand_stack,
    code::long_sum,
    code::long_reassociable_chain,
    code::many_loads,
    code::many_vector_constants,
    code::many_shuffles,
    sections::long_constant_expressions,
    exceptions::handlers_around_calls,
    exceptions::handlers_of_one_table,
    exceptions::nested_tables,
    exceptions::tables_beyond_the_limit,
    exceptions::some_locals_of_a_handler,
    exceptions::many_locals_of_a_handler,
    exceptions::many_tables,
    exceptions::values_of_exceptions,
    exceptions::many_throws,
    exceptions::many_tags,
    exceptions::atomics,
    loops::calls_of_imports,
    loops::beyond_the_limit,
    loops::at_the_limit,
    loops::untouched_locals,
    loops::many_variables,
    loops::many_loops,
    loops::chain_of_sums,
    loops::tables_into_loops,
    loops::edges,
    parameters::rotated_locals,
    parameters::results_of_a_block,
    parameters::indices_in_a_loop,
    parameters::masked_bytes,
    parameters::descending_addresses,
    parameters::accesses_with_one_index,
    pressure::vectors,
    pressure::values,
    pressure::indirect_calls,
    pressure::divisions,
    pressure::divisions_at_the_limit,
    inlining::doubling,
    inlining::callers,
    inlining::loops,
    inlining::tail_calls,
    sections::long_names,
    sections::names_of_functions,
];
