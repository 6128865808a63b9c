//! The log's sink, which is one for the whole process: one test of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests fail by panicking"
)]

mod common;

use std::sync::{Arc, Mutex};

use common::{Form, applications, scorer};
use fieldscore_mobile::{LogFailed, LogLevel, LogSink, set_log};

#[derive(Default)]
struct Lines {
    lines: Mutex<Vec<(LogLevel, String)>>,
    fails: bool,
}

impl LogSink for Lines {
    fn line(&self, level: LogLevel, text: String) -> Result<(), LogFailed> {
        self.lines.lock().unwrap().push((level, text));
        match self.fails {
            true => Err(LogFailed::Thrown),
            false => Ok(()),
        }
    }
}

#[test]
fn lines_reach_the_sink_from_its_level_up_and_a_failing_one_harms_nothing() {
    let kept = Arc::new(Lines::default());
    set_log(LogLevel::Trace, Some(kept.clone())).unwrap();
    let scorer = scorer();
    scorer.self_test().unwrap();
    let [application, typed] =
        [Form::Written, Form::Typed].map(|form| applications(&scorer, form, 1).remove(0));
    let decision = scorer.score(&application).unwrap();
    assert_eq!(scorer.score(&typed).unwrap(), decision);
    let lines = std::mem::take(&mut *kept.lines.lock().unwrap());
    let opened = |(level, text): &(LogLevel, String)| {
        *level == LogLevel::Info && text.starts_with("bundle opened")
    };
    assert!(lines.iter().any(opened), "{lines:?}");
    assert!(
        lines
            .iter()
            .all(|(_, text)| !text.contains(&application.id))
    );

    set_log(LogLevel::Error, Some(kept.clone())).unwrap();
    common::scorer();
    assert!(kept.lines.lock().unwrap().is_empty(), "info is below error");

    let failing = Arc::new(Lines {
        fails: true,
        ..Lines::default()
    });
    set_log(LogLevel::Trace, Some(failing.clone())).unwrap();
    let again = common::scorer().score(&application).unwrap();
    assert_eq!(again, decision);
    assert!(!failing.lines.lock().unwrap().is_empty());

    set_log(LogLevel::Trace, None).unwrap();
    let before = failing.lines.lock().unwrap().len();
    common::scorer();
    assert_eq!(
        failing.lines.lock().unwrap().len(),
        before,
        "no sink, no line"
    );
}
