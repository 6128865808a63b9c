//! A plugin for qemu that counts executed instructions: `qemu-arm -plugin libfieldscore_counter.so
//! -d plugin PROGRAM` ends its log with `instructions N`.
//!
//! qemu translates a program block by block, a block being what runs from its first instruction to
//! its last. The plugin is told of every block that is translated, has itself called whenever that
//! block runs, and adds up the instructions. `docs/devel/tcg-plugins.rst` in qemu's source
//! describes the functions; those used here are the same from version 0 of the interface on.

use std::ffi::{CString, c_char, c_int, c_uint, c_void};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU64, Ordering};

/// A translated block, which qemu only lets one point to.
#[repr(C)]
pub struct Block {
    _opaque: [u8; 0],
}

type Translated = extern "C" fn(u64, *mut Block);
type Executed = extern "C" fn(c_uint, *mut c_void);
type Ended = extern "C" fn(u64, *mut c_void);

// Of the program that loads the plugin.
unsafe extern "C" {
    fn qemu_plugin_register_vcpu_tb_trans_cb(id: u64, call: Translated);
    fn qemu_plugin_tb_n_insns(block: *const Block) -> usize;
    fn qemu_plugin_register_vcpu_tb_exec_cb(
        block: *mut Block,
        call: Executed,
        registers: c_int,
        given: *mut c_void,
    );
    fn qemu_plugin_register_atexit_cb(id: u64, call: Ended, given: *mut c_void);
    fn qemu_plugin_outs(text: *const c_char);
}

/// `QEMU_PLUGIN_CB_NO_REGS`: the callback reads no registers.
const NO_REGISTERS: c_int = 0;

/// The version of the interface, which qemu reads before anything else.
#[unsafe(export_name = "qemu_plugin_version")]
pub static VERSION: c_int = if cfg!(feature = "qemu-9") { 2 } else { 1 };

static EXECUTED: AtomicU64 = AtomicU64::new(0);

/// Called once, as qemu loads the plugin; 0 for success.
#[unsafe(export_name = "qemu_plugin_install")]
pub extern "C" fn install(
    id: u64,
    _machine: *const c_void,
    _count: c_int,
    _arguments: *const *const c_char,
) -> c_int {
    // SAFETY: qemu's own functions with the id that it just gave; both callbacks are functions of
    // this library, which stays loaded until qemu ends.
    unsafe {
        qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
        qemu_plugin_register_atexit_cb(id, ended, null_mut());
    }
    0
}

extern "C" fn translated(_: u64, block: *mut Block) {
    // SAFETY: the block is valid during this call. The number travels as the pointer that qemu
    // hands back; nothing reads through it.
    unsafe {
        let instructions = qemu_plugin_tb_n_insns(block);
        let given = std::ptr::without_provenance_mut(instructions);
        qemu_plugin_register_vcpu_tb_exec_cb(block, executed, NO_REGISTERS, given);
    }
}

extern "C" fn executed(_: c_uint, instructions: *mut c_void) {
    EXECUTED.fetch_add(instructions.addr() as u64, Ordering::Relaxed);
}

extern "C" fn ended(_: u64, _: *mut c_void) {
    let text = format!("instructions {}\n", EXECUTED.load(Ordering::Relaxed));
    if let Ok(text) = CString::new(text) {
        // SAFETY: a terminated text that lives until the call returns.
        unsafe { qemu_plugin_outs(text.as_ptr()) };
    }
}
