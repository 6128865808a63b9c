//! How the shared library is linked, for Android and for Linux alike: what is tested here is what a
//! phone loads.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let system = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if system == "android" || system == "linux" {
        for argument in FLAGS {
            println!("cargo:rustc-cdylib-link-arg=-Wl,{argument}");
        }
    }
}

const FLAGS: [&str; 5] = [
    // Phones with pages of 16 KB refuse what is aligned to less.
    "-z,max-page-size=16384",
    "--gc-sections",
    "--as-needed",
    // Its own functions are bound when it is linked, and nobody else's take their place.
    "-Bsymbolic",
    "--exclude-libs,ALL",
];
