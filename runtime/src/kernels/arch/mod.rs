//! One module for each instruction set; all `unsafe` of the runtime's arithmetic lies below here.

pub mod fp_state;
pub mod scalar;
#[cfg(target_arch = "x86_64")]
pub mod x86_64;
