//! The runtime's log, in the console.

use log::{Level, LevelFilter, Log, Metadata, Record};
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console, js_name = error)]
    fn console_error(text: &str);
    #[wasm_bindgen(js_namespace = console, js_name = warn)]
    fn console_warn(text: &str);
    #[wasm_bindgen(js_namespace = console, js_name = info)]
    fn console_info(text: &str);
    #[wasm_bindgen(js_namespace = console, js_name = debug)]
    fn console_debug(text: &str);
}

struct Console;

impl Log for Console {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let text = format!("fieldscore: {}", record.args());
        match record.level() {
            Level::Error => console_error(&text),
            Level::Warn => console_warn(&text),
            Level::Info => console_info(&text),
            Level::Debug | Level::Trace => console_debug(&text),
        }
    }

    fn flush(&self) {}
}

/// Lets through what is at `level` or more severe.
pub fn set(level: u8) {
    let filter = LevelFilter::iter()
        .nth(usize::from(level))
        .unwrap_or(LevelFilter::Trace);
    // Fails where it is set already, by an earlier call: then there is nothing left to do.
    let _ = log::set_logger(&Console);
    log::set_max_level(filter);
}
