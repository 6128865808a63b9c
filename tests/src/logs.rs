//! Everything that goes to the `log` crate, captured.

use std::sync::{Mutex, Once, PoisonError};

struct Capture;

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());
static START: Once = Once::new();

impl log::Log for Capture {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let from_us = record.target().starts_with("fieldscore");
        let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
        // Other tests log as well; the last lines are enough and take no memory.
        if lines.len() > 10_000 {
            lines.clear();
        }
        if from_us {
            lines.push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// Begins to capture, at every level.
pub fn start() {
    START.call_once(|| {
        log::set_logger(&Capture).expect("no other logger");
        log::set_max_level(log::LevelFilter::Trace);
    });
}

/// The lines so far, of all threads.
pub fn lines() -> Vec<String> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
