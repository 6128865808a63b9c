//! The runtime's log, sent to whatever the platform has: logcat, os_log, a file.

use std::sync::{Arc, PoisonError, RwLock};

use log::{Level, LevelFilter, Log, Metadata, Record};
use uniffi::UnexpectedUniFFICallbackError;

use crate::error::FieldscoreError;

/// How severe a line is, or from where on lines are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something fell back.
    Warn,
    /// What was opened, and which kernels serve.
    Info,
    /// More of it.
    Debug,
    /// All of it.
    Trace,
}

impl LogLevel {
    fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::Error,
            Self::Warn => LevelFilter::Warn,
            Self::Info => LevelFilter::Info,
            Self::Debug => LevelFilter::Debug,
            Self::Trace => LevelFilter::Trace,
        }
    }
}

impl From<Level> for LogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::Error,
            Level::Warn => Self::Warn,
            Level::Info => Self::Info,
            Level::Debug => Self::Debug,
            Level::Trace => Self::Trace,
        }
    }
}

/// A sink that threw: the line is lost, nothing else happens.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Error)]
pub enum LogFailed {
    /// It threw.
    Thrown,
}

impl std::fmt::Display for LogFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the log's sink failed")
    }
}

impl std::error::Error for LogFailed {}

impl From<UnexpectedUniFFICallbackError> for LogFailed {
    fn from(_: UnexpectedUniFFICallbackError) -> Self {
        Self::Thrown
    }
}

/// Where the runtime's log goes. No line holds an applicant's value.
#[uniffi::export(with_foreign)]
pub trait LogSink: Send + Sync {
    /// Takes one line; it may come from any thread.
    ///
    /// # Errors
    /// Whatever is thrown is dropped.
    fn line(&self, level: LogLevel, text: String) -> Result<(), LogFailed>;
}

struct Forward;

static SINK: RwLock<Option<Arc<dyn LogSink>>> = RwLock::new(None);

impl Log for Forward {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let sink = SINK.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(sink) = sink {
            // A sink that fails must not fail what it reports on.
            let _ = sink.line(record.level().into(), record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// Sends the runtime's log to `sink`, from `level` up; without a sink, nowhere. The last call counts,
/// for the whole process.
///
/// # Errors
/// None today.
#[uniffi::export]
pub fn set_log(level: LogLevel, sink: Option<Arc<dyn LogSink>>) -> Result<(), FieldscoreError> {
    // Fails where it is set already, by an earlier call: then there is nothing left to do.
    let _ = log::set_logger(&Forward);
    let filter = match sink {
        Some(_) => level.filter(),
        None => LevelFilter::Off,
    };
    *SINK.write().unwrap_or_else(PoisonError::into_inner) = sink;
    log::set_max_level(filter);
    Ok(())
}
