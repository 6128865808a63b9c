//! One module for each instruction set; all `unsafe` of the runtime's arithmetic lies below here.

pub mod fp_state;
pub mod scalar;
