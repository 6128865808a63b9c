//! A task's steps: announced with the time since the start, and summed up at the end.

use std::time::{Duration, Instant};

use crate::run::Result;

/// Steps that ran, and how long they took.
#[derive(Debug)]
pub struct Steps {
    task: &'static str,
    started: Instant,
    done: Vec<(&'static str, Duration, bool)>,
}

impl Steps {
    /// No step yet.
    pub fn of(task: &'static str) -> Self {
        Self {
            task,
            started: Instant::now(),
            done: Vec::new(),
        }
    }

    /// Runs one step; the first that fails is to end the task.
    pub fn step(&mut self, name: &'static str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let task = self.task;
        eprintln!("\n== {} {task}: {name}", clock(self.started.elapsed()));
        let started = Instant::now();
        let result = work();
        self.done.push((name, started.elapsed(), result.is_ok()));
        result
    }
}

impl Drop for Steps {
    /// The table, whether or not every step passed.
    fn drop(&mut self) {
        eprintln!(
            "\n== {} {}: summary",
            clock(self.started.elapsed()),
            self.task
        );
        for (name, taken, passed) in &self.done {
            let verdict = if *passed { "ok" } else { "FAILED" };
            eprintln!("{name:<28} {:>8}  {verdict}", clock(*taken));
        }
    }
}

/// Minutes and seconds.
fn clock(taken: Duration) -> String {
    let seconds = taken.as_secs();
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}
