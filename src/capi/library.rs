//! The library itself.

/// The major version of this header.
pub const LUCET_VERSION_MAJOR: u32 = 0;
/// The minor version of this header. While the major version is 0, the ABI may change with it.
pub const LUCET_VERSION_MINOR: u32 = 1;
/// The patch version of this header.
pub const LUCET_VERSION_PATCH: u32 = 0;
/// The version of this header in one number: major << 16 | minor << 8 | patch.
pub const LUCET_VERSION: u32 = 256;

const _: () = assert!(
    LUCET_VERSION == LUCET_VERSION_MAJOR << 16 | LUCET_VERSION_MINOR << 8 | LUCET_VERSION_PATCH
);

/// The version of the library that is running, as `LUCET_VERSION`. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn lucet_version() -> u32 {
    LUCET_VERSION
}
