//! Why a compilation failed: one sentence each, with the byte offset where the input is at fault.
//!
//! Invariant: whatever the input, the library answers with one of these and never panics.

/// The result of a compilation step.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a compilation failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text format could not be read.
    #[error("invalid text: {0}")]
    Text(String),
    /// The module is malformed or invalid.
    #[error("invalid module at offset {offset:#x}: {message}")]
    Invalid {
        /// Where in the input.
        offset: u64,
        /// What is wrong.
        message: String,
    },
    /// The module needs a WebAssembly proposal that is not supported.
    #[error("unsupported proposal `{proposal}` at offset {offset:#x}: {message}")]
    Unsupported {
        /// The proposal's name.
        proposal: &'static str,
        /// Where in the input.
        offset: u64,
        /// What needs it.
        message: String,
    },
    /// The module exceeds one of the compiler's limits.
    #[error("limit exceeded: {what}: {actual}, at most {limit}")]
    Limit {
        /// What is too much.
        what: &'static str,
        /// How much there is.
        actual: u64,
        /// How much there may be.
        limit: u64,
    },
    /// The wanted target cannot be compiled for.
    #[error("unsupported target: {0}")]
    Target(String),
    /// A function is beyond what the code generator can do.
    #[error("function {function} cannot be compiled: {message}")]
    Function {
        /// Its function index.
        function: u32,
        /// Why.
        message: String,
    },
    /// A bindings file could not be read, or the module does not suit it.
    #[error("bindings: {0}")]
    Bindings(String),
    /// A mistake in the compiler itself.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// The validator's refusal, as one line: some of its messages are drawn over several.
    pub(crate) fn invalid(error: &wasmparser::Error) -> Error {
        Error::Invalid {
            offset: error.offset(),
            message: message(error),
        }
    }
}

/// The message of the validator's refusal, on one line.
pub(crate) fn message(error: &wasmparser::Error) -> String {
    error
        .message()
        .lines()
        .map(str::trim)
        .collect::<Vec<_>>()
        .join(" ")
}
