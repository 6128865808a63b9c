//! One module for each instruction set; all `unsafe` of the runtime's arithmetic lies below here.

#[cfg(target_arch = "aarch64")]
pub mod aarch64;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub mod amx;
#[cfg(target_arch = "x86_64")]
mod forest;
pub mod fp_state;
#[cfg(feature = "tensors")]
pub mod gather;
#[cfg(all(
    feature = "tensors",
    any(
        all(target_arch = "x86_64", feature = "vectors"),
        target_arch = "aarch64",
        all(target_arch = "wasm32", target_feature = "simd128")
    )
))]
pub(crate) mod lanes;
pub mod scalar;
#[cfg(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    all(target_arch = "wasm32", target_feature = "simd128")
))]
mod tile;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub mod wasm32;
#[cfg(target_arch = "x86_64")]
pub mod x86_64;
