//! `lucetc` compiles a WebAssembly module to a native module for `liblucet`.

#![forbid(unsafe_code)]

pub mod code;
pub mod module;
pub mod options;
