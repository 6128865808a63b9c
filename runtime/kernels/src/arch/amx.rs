//! x86-64 with AMX: 32 rows at a time against 16 × 64 tiles of weights, which is how panels lie
//! already. Fewer rows, and layers too small to pay for setting the tiles up, go the way of
//! AVX512-VNNI.
//!
//! The instructions are written as assembly: their intrinsics are not stable yet. The operating
//! system gives a process the tiles on request (Linux, `Documentation/arch/x86/xstate.rst`);
//! `docs/adr/0008` says what that means for the host.

use std::arch::asm;
use std::arch::x86_64::__cpuid_count;
use std::sync::OnceLock;

use crate::arch::tile::Checked;
use crate::arch::x86_64::{avx512_vnni, zmm};
use crate::{DEPTH, Kernels, LANES, Requantise, Shape};

/// Rows of a tile, and groups of four inputs in its 64 bytes.
const TILE: usize = 16;
/// Rows of a block: two tiles.
const ROWS: usize = 2 * TILE;
/// Below so many multiply-adds a call is over before the tiles are set up.
const WORTH: usize = 1 << 16;

/// AVX-512 with AMX, if the processor has it and the system lets us use it.
pub fn amx() -> Option<Kernels> {
    static TILES: OnceLock<bool> = OnceLock::new();
    let vnni = avx512_vnni()?;
    TILES.get_or_init(tiles_granted).then_some(Kernels {
        name: "avx512-amx",
        dense_u8,
        dense_f32,
        sums,
        ..vnni
    })
}

/// Whether the processor has int8 tiles and the system grants this process their state.
fn tiles_granted() -> bool {
    const AMX_TILE: u32 = 1 << 24;
    const AMX_INT8: u32 = 1 << 25;
    const SYS_ARCH_PRCTL: i64 = 158;
    const ARCH_REQ_XCOMP_PERM: u64 = 0x1023;
    const XFEATURE_XTILEDATA: u64 = 18;
    let features = __cpuid_count(7, 0).edx;
    if features & AMX_TILE == 0 || features & AMX_INT8 == 0 {
        return false;
    }
    let result: i64;
    // SAFETY: the call takes two numbers and touches no memory of ours; what the kernel clobbers is
    // declared. Where it does not know the request, or refuses it, nothing has changed.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") SYS_ARCH_PRCTL => result,
            in("rdi") ARCH_REQ_XCOMP_PERM,
            in("rsi") XFEATURE_XTILEDATA,
            out("rcx") _,
            out("r11") _,
            options(nostack),
        );
    }
    result == 0
}

/// What `ldtilecfg` reads: palette 1, every tile 16 rows of 64 bytes.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    bytes_per_row: [u16; 16],
    rows: [u8; 16],
}

const CONFIGURATION: Configuration = {
    let mut bytes_per_row = [0; 16];
    let mut rows = [0; 16];
    let mut tile = 0;
    while tile < 8 {
        bytes_per_row[tile] = 64;
        rows[tile] = TILE as u8;
        tile += 1;
    }
    Configuration {
        palette: 1,
        start_row: 0,
        reserved: [0; 14],
        bytes_per_row,
        rows,
    }
};

/// The sums of a block: two tiles of rows times two panels, tile behind tile.
#[repr(C, align(64))]
struct Sums([[[i32; LANES]; TILE]; 4]);

/// The last groups of two panels where they do not fill a tile, zeros behind them: what rows hold
/// behind their last input is not defined, and is multiplied by zero.
#[repr(C, align(64))]
struct Rest([[u8; TILE * DEPTH * LANES]; 2]);

/// Whether a call has a block of rows, and enough to do.
#[inline]
fn worth(shape: Shape) -> bool {
    shape.rows >= ROWS && shape.rows * shape.inputs * shape.outputs >= WORTH
}

/// Whether whole tiles can be read from a call's input.
fn serves(c: &Checked<'_>) -> bool {
    let Shape {
        rows, input_stride, ..
    } = c.shape;
    let tiles = c.padded.next_multiple_of(TILE * DEPTH);
    tiles <= input_stride && (rows - 1) * input_stride + tiles <= c.input.len()
}

/// Hands the sums of the rows of whole blocks to `finish`, for two panels at a time, and says how
/// many rows those are.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
fn blocks(
    c: &Checked<'_>,
    mut finish: impl FnMut(zmm::Acc, Option<zmm::Acc>, [&[u8]; 2], usize),
) -> usize {
    if !serves(c) {
        return 0;
    }
    let groups = c.padded / DEPTH;
    let (whole, rest) = (groups / TILE, groups % TILE);
    let mut sums = Sums([[[0; LANES]; TILE]; 4]);
    let mut last = Rest([[0; TILE * DEPTH * LANES]; 2]);
    // SAFETY: loads 64 bytes from a live configuration that is sound; the process may use tiles,
    // which the constructor has checked. The compiler itself never uses them.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &CONFIGURATION, options(nostack, readonly)) };
    let done = c.shape.rows / ROWS * ROWS;
    for panel in (0..c.count).step_by(2) {
        // A last panel without a second one is computed twice.
        let two = [panel, (panel + 1).min(c.count - 1)];
        let panels = two.map(|p| &c.panels[p * c.panel_bytes..][..c.panel_bytes]);
        let weights = panels.map(|panel| &panel[LANES * 4..panel.len() - LANES * 4]);
        for (last, weights) in last.0.iter_mut().zip(weights) {
            let behind = &weights[whole * TILE * DEPTH * LANES..];
            last[..behind.len()].copy_from_slice(behind);
        }
        for row in (0..done).step_by(ROWS) {
            let input = c.input[row * c.shape.input_stride..].as_ptr();
            // SAFETY: `serves` has found that whole tiles of 32 rows are in the input; the weights
            // hold `whole` tiles, `last` one more for each panel, `sums` four. All that is written
            // are `sums` and the tiles, which nothing else uses until they are released.
            unsafe {
                asm!(
                    "tilezero tmm0",
                    "tilezero tmm1",
                    "tilezero tmm2",
                    "tilezero tmm3",
                    "test {whole}, {whole}",
                    "jz 3f",
                    "2:",
                    "tileloadd tmm4, [{rows} + {stride}]",
                    "tileloadd tmm5, [{more_rows} + {stride}]",
                    "tileloadd tmm6, [{first} + {line}]",
                    "tileloadd tmm7, [{second} + {line}]",
                    "tdpbusd tmm0, tmm4, tmm6",
                    "tdpbusd tmm1, tmm4, tmm7",
                    "tdpbusd tmm2, tmm5, tmm6",
                    "tdpbusd tmm3, tmm5, tmm7",
                    "add {rows}, 64",
                    "add {more_rows}, 64",
                    "add {first}, 1024",
                    "add {second}, 1024",
                    "dec {whole}",
                    "jnz 2b",
                    "3:",
                    "test {rest}, {rest}",
                    "jz 4f",
                    "tileloadd tmm4, [{rows} + {stride}]",
                    "tileloadd tmm5, [{more_rows} + {stride}]",
                    "tileloadd tmm6, [{last} + {line}]",
                    "tileloadd tmm7, [{last} + {line} + 1024]",
                    "tdpbusd tmm0, tmm4, tmm6",
                    "tdpbusd tmm1, tmm4, tmm7",
                    "tdpbusd tmm2, tmm5, tmm6",
                    "tdpbusd tmm3, tmm5, tmm7",
                    "4:",
                    "tilestored [{sums} + {line}], tmm0",
                    "tilestored [{sums} + {line} + 1024], tmm1",
                    "tilestored [{sums} + {line} + 2048], tmm2",
                    "tilestored [{sums} + {line} + 3072], tmm3",
                    rows = inout(reg) input => _,
                    more_rows = inout(reg) input.add(TILE * c.shape.input_stride) => _,
                    stride = in(reg) c.shape.input_stride,
                    first = inout(reg) weights[0].as_ptr() => _,
                    second = inout(reg) weights[1].as_ptr() => _,
                    line = in(reg) 64usize,
                    whole = inout(reg) whole => _,
                    rest = in(reg) rest,
                    last = in(reg) &raw const last,
                    sums = in(reg) &raw mut sums,
                    options(nostack),
                );
            }
            let [above, below] = [&sums.0[..2], &sums.0[2..]];
            for (tile, sums) in [above, below].into_iter().enumerate() {
                for (r, (first, second)) in sums[0].iter().zip(&sums[1]).enumerate() {
                    let row = row + tile * TILE + r;
                    let at = row * c.shape.output_stride + panel * LANES;
                    let second = (two[0] != two[1]).then(|| zmm::load(second));
                    finish(zmm::load(first), second, panels, at);
                }
            }
        }
    }
    // SAFETY: puts the tiles back to their initial state, so that switching threads stays cheap.
    unsafe { asm!("tilerelease", options(nostack, nomem)) };
    done
}

/// The rows of a call from `done` on.
fn rest<'a, T>(
    c: &Checked<'a>,
    done: usize,
    output: &'a mut [T],
) -> (Shape, &'a [u8], &'a mut [T]) {
    let shape = c.shape.of(c.shape.rows - done);
    let input = &c.input[done * c.shape.input_stride..];
    (shape, input, &mut output[done * c.shape.output_stride..])
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
fn blocks_u8(c: &Checked<'_>, to: Requantise, output: &mut [u8]) -> usize {
    let range = zmm::range(to);
    blocks(c, |first, second, panels, at| match second {
        Some(second) => {
            let output = &mut output[at..at + 2 * LANES];
            zmm::finish_two_u8([first, second], panels, range, output);
        }
        None => zmm::finish_u8(first, panels[0], range, &mut output[at..at + LANES]),
    })
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
fn blocks_f32(c: &Checked<'_>, relu: bool, output: &mut [f32]) -> usize {
    blocks(c, |first, second, panels, at| {
        zmm::finish_f32(first, panels[0], relu, &mut output[at..at + LANES]);
        if let Some(second) = second {
            let output = &mut output[at + LANES..at + 2 * LANES];
            zmm::finish_f32(second, panels[1], relu, output);
        }
    })
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
fn blocks_sums(c: &Checked<'_>, output: &mut [i32]) -> usize {
    blocks(c, |first, second, _, at| {
        zmm::store(first, &mut output[at..at + LANES]);
        if let Some(second) = second {
            zmm::store(second, &mut output[at + LANES..at + 2 * LANES]);
        }
    })
}

/// int8 dense to bytes; only reached through the constructor that checks the processor.
fn dense_u8(shape: Shape, panels: &[u8], input: &[u8], to: Requantise, output: &mut [u8]) {
    if !worth(shape) {
        return avx512_vnni::dense_u8(shape, panels, input, to, output);
    }
    let c = Checked::new(shape, panels, input, output.len());
    // SAFETY: the constructor has checked that the processor has these features.
    let done = unsafe { blocks_u8(&c, to, output) };
    if done < shape.rows {
        let (shape, input, output) = rest(&c, done, output);
        avx512_vnni::dense_u8(shape, panels, input, to, output);
    }
}

/// int8 dense to f32; only reached through the constructor that checks the processor.
fn dense_f32(shape: Shape, panels: &[u8], input: &[u8], relu: bool, output: &mut [f32]) {
    if !worth(shape) {
        return avx512_vnni::dense_f32(shape, panels, input, relu, output);
    }
    let c = Checked::new(shape, panels, input, output.len());
    // SAFETY: the constructor has checked that the processor has these features.
    let done = unsafe { blocks_f32(&c, relu, output) };
    if done < shape.rows {
        let (shape, input, output) = rest(&c, done, output);
        avx512_vnni::dense_f32(shape, panels, input, relu, output);
    }
}

/// The products' sums; only reached through the constructor that checks the processor.
fn sums(shape: Shape, panels: &[u8], input: &[u8], output: &mut [i32]) {
    if !worth(shape) {
        return avx512_vnni::sums(shape, panels, input, output);
    }
    let c = Checked::new(shape, panels, input, output.len());
    // SAFETY: the constructor has checked that the processor has these features.
    let done = unsafe { blocks_sums(&c, output) };
    if done < shape.rows {
        let (shape, input, output) = rest(&c, done, output);
        avx512_vnni::sums(shape, panels, input, output);
    }
}
