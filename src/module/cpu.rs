//! Whether this CPU has the features that a module's code uses.

use crate::error::{Result, Status, error};
use lucet_format::contract::CpuFeatures;
use std::fmt;
use std::sync::OnceLock;

/// Refuses a module whose code would not run here.
///
/// # Errors
///
/// `Incompatible`, naming what is missing.
pub(super) fn check(wanted: u64) -> Result<()> {
    static AVAILABLE: OnceLock<CpuFeatures> = OnceLock::new();
    // Found out outside of the cell, so that a process that is forked meanwhile finds nobody at work in it.
    let available = match AVAILABLE.get() {
        Some(known) => *known,
        None => {
            let found = available();
            *AVAILABLE.get_or_init(|| found)
        }
    };
    let missing = CpuFeatures(wanted).missing_from(available);
    if missing.is_empty() {
        return Ok(());
    }
    Err(error!(
        Status::Incompatible,
        "the module's code needs CPU features that this machine lacks: {}; compile it with another --target-cpu, such as x86-64-v2",
        Names(missing)
    ))
}

macro_rules! detected {
    ($($name:tt)*) => {
        [$(($name, std::arch::is_x86_feature_detected!($name))),*]
    };
}

/// What this CPU and its operating system offer.
fn available() -> CpuFeatures {
    let detected = detected!("sse3" "ssse3" "sse4.1" "sse4.2" "popcnt" "cmpxchg16b" "avx" "avx2" "fma" "bmi1" "bmi2" "lzcnt"
        "avx512f" "avx512dq" "avx512vl" "avx512vbmi" "avx512bitalg" "avxvnni");
    let present = detected.into_iter().filter(|(_, present)| *present);
    present
        .filter_map(|(name, _)| CpuFeatures::named(name))
        .fold(CpuFeatures(0), CpuFeatures::union)
}

struct Names(CpuFeatures);

impl fmt::Display for Names {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut known = CpuFeatures(0);
        for (index, name) in self.0.names().enumerate() {
            out.write_str(if index == 0 { "" } else { ", " })?;
            out.write_str(name)?;
            known = CpuFeatures::named(name).map_or(known, |bit| known.union(bit));
        }
        let unknown = self.0.missing_from(known);
        if unknown.is_empty() {
            Ok(())
        } else {
            write!(out, " (and unknown ones: {:#x})", unknown.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lucet_format::contract::CPU_FEATURES;

    #[test]
    fn every_feature_of_the_format_can_be_detected() {
        let names = ["sse3", "avx512bitalg", "avxvnni", "lzcnt"];
        assert!(names.iter().all(|name| CpuFeatures::named(name).is_some()));
        let all = CPU_FEATURES.iter().fold(0, |all, (_, bit)| all | bit);
        assert_eq!(available().0 & !all, 0);
        assert!(
            CpuFeatures::X86_64_V3.missing_from(available()).is_empty(),
            "tests need x86-64-v3, which modules are compiled for by default"
        );
    }

    #[test]
    fn missing_features_are_named() {
        assert_eq!(Names(CpuFeatures(1 << 7 | 1)).to_string(), "sse3, avx2");
        assert_eq!(
            check(1 << 60).expect_err("no CPU has it").status,
            Status::Incompatible
        );
    }
}
