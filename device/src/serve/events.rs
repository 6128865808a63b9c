//! What happened, for the log on stderr and the page of status. Never an applicant's value.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use fieldscore_cli::say;
use serde_json::{Value, json};

/// How many are remembered.
const KEPT: usize = 32;

/// One thing that happened.
#[derive(Debug, PartialEq, Eq)]
struct Event {
    /// What it is about: `bundle NAME`, `records`, `data`, `stick`.
    about: String,
    code: &'static str,
    text: String,
    times: u64,
}

/// The latest events, oldest first.
#[derive(Debug, Default)]
pub struct Events(Mutex<VecDeque<Event>>);

impl Events {
    /// Says it on stderr and remembers it. What was the last word on the same matter already is only
    /// counted: a stick that stays full must not fill the log.
    pub fn add(&self, about: impl Into<String>, code: &'static str, text: impl Into<String>) {
        let (about, text) = (about.into(), text.into());
        let mut events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = events.iter_mut().rev().find(|event| event.about == about);
        if let Some(last) = last
            && (last.code, &last.text) == (code, &text)
        {
            last.times += 1;
            return;
        }
        match code {
            "ok" => say::note(format!("{about}: {text}")),
            _ => say::warn(format!("{about}: {text} [{code}]")),
        }
        if events.len() == KEPT {
            events.pop_front();
        }
        events.push_back(Event {
            about,
            code,
            text,
            times: 1,
        });
    }

    /// As JSON, oldest first.
    pub fn json(&self) -> Vec<Value> {
        let events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let each = events.iter().map(|event| {
            json!({
                "about": event.about, "code": event.code, "text": event.text, "times": event.times,
            })
        });
        each.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_the_same_is_counted_and_the_oldest_are_forgotten() {
        let events = Events::default();
        events.add("stick", "disk.full", "full");
        events.add("bundle a", "ok", "installed");
        events.add("stick", "disk.full", "full");
        let found = events.json();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0]["times"], 2);
        events.add("stick", "ok", "room again");
        events.add("stick", "disk.full", "full");
        assert_eq!(events.json().len(), 4);
        for index in 0..100 {
            events.add(format!("bundle {index}"), "ok", "");
        }
        assert_eq!(events.json().len(), KEPT);
    }
}
