//! A progress bar on stderr, for work over a second on a terminal that shows nothing else.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How long work goes on before it is worth a bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// Progress that shows itself once it takes long.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    started: Instant,
    shown: bool,
}

impl Progress {
    /// Progress over `total` bytes, or over an unknown amount.
    pub fn bytes(total: Option<u64>) -> Self {
        let (bar, template) = match total {
            Some(total) => (
                ProgressBar::new(total),
                "{bar:30} {percent:>3} %  {msg}  {eta} left",
            ),
            None => (ProgressBar::no_length(), "{spinner} {msg}  {elapsed}"),
        };
        Self::new(bar, template)
    }

    /// Progress over `total` items of work.
    pub fn items(total: u64) -> Self {
        Self::new(
            ProgressBar::new(total),
            "{bar:30} {pos}/{len}  {msg}  {eta} left",
        )
    }

    fn new(bar: ProgressBar, template: &str) -> Self {
        bar.set_draw_target(ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        Self {
            bar,
            started: Instant::now(),
            shown: false,
        }
    }

    /// Says how far the work is. Nothing shows before a second has passed, and nothing ever where
    /// stderr is no terminal.
    pub fn at(&mut self, position: u64, text: impl FnOnce() -> String) {
        if !self.shown {
            if self.started.elapsed() < PATIENCE {
                return;
            }
            self.shown = true;
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        if !self.bar.is_hidden() {
            self.bar.set_message(text());
            self.bar.set_position(position);
        }
    }

    /// Removes the bar and says how long it took.
    pub fn finish(&self) -> Duration {
        self.bar.finish_and_clear();
        self.started.elapsed()
    }
}
