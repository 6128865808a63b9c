//! Timing by rounds: each round measures everything in turn, so that whatever else the machine
//! does falls on all of it alike, and the median over the rounds is kept.

use std::time::{Duration, Instant};

use crate::failure::Result;

/// How long one sample lasts at least: short, so that most samples are not interrupted, and long
/// against the clock's own cost.
const SAMPLE: Duration = Duration::from_micros(400);
/// What no sample repeats more often.
const MOST: u32 = 20_000;

/// Something to measure: makes that many calls and says how long they took.
type Run<'w> = Box<dyn FnMut(u32) -> Result<Duration> + 'w>;

/// Something to measure.
pub struct Work<'w> {
    run: Run<'w>,
    /// Calls in a sample.
    repeat: u32,
    samples: Vec<f64>,
}

impl<'w> Work<'w> {
    /// Measures calls of `call`, which is told how many there were before.
    pub fn new(mut call: impl FnMut(usize) -> Result<()> + 'w) -> Self {
        let mut calls = 0;
        Self::of(Box::new(move |repeat| {
            let start = Instant::now();
            for _ in 0..repeat {
                call(calls)?;
                calls += 1;
            }
            Ok(start.elapsed())
        }))
    }

    /// Measures how long `make` takes, but neither `ready`, whose result it is given, nor the end
    /// of what it makes.
    pub fn making<R, T>(
        mut ready: impl FnMut() -> R + 'w,
        mut make: impl FnMut(R) -> Result<T> + 'w,
    ) -> Self {
        Self::of(Box::new(move |repeat| {
            let mut sum = Duration::ZERO;
            for _ in 0..repeat {
                let given = ready();
                let start = Instant::now();
                let made = make(given)?;
                sum += start.elapsed();
                drop(std::hint::black_box(made));
            }
            Ok(sum)
        }))
    }

    fn of(run: Run<'w>) -> Self {
        Self {
            run,
            repeat: 1,
            samples: Vec::new(),
        }
    }

    /// Finds out how many calls make a sample.
    fn calibrate(&mut self) -> Result<()> {
        (self.run)(1)?;
        loop {
            let took = (self.run)(self.repeat)?;
            if took >= SAMPLE || self.repeat >= MOST {
                return Ok(());
            }
            let wanted = SAMPLE.as_secs_f64() / took.as_secs_f64().max(1e-9) * 1.1;
            let wanted = (f64::from(self.repeat) * wanted).ceil();
            self.repeat = (wanted as u32).clamp(self.repeat + 1, MOST);
        }
    }

    fn sample(&mut self) -> Result<()> {
        // The others have had the caches.
        (self.run)(self.repeat.div_ceil(4))?;
        let took = (self.run)(self.repeat)?;
        self.samples
            .push(took.as_secs_f64() * 1e9 / f64::from(self.repeat));
        Ok(())
    }
}

/// The median nanoseconds of one call, for each work, in order.
///
/// # Errors
/// Those of the works.
pub fn medians(mut works: Vec<Work<'_>>, rounds: usize) -> Result<Vec<f64>> {
    for work in &mut works {
        work.calibrate()?;
    }
    let count = works.len();
    for round in 0..rounds {
        // Nothing always follows the same neighbour's start.
        for at in 0..count {
            works[(at + round) % count].sample()?;
        }
    }
    Ok(works.into_iter().map(|work| median(work.samples)).collect())
}

/// The middle one, or the mean of the middle two.
pub fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    let (low, high) = (samples.len().saturating_sub(1) / 2, samples.len() / 2);
    match (samples.get(low), samples.get(high)) {
        (Some(low), Some(high)) => (low + high) / 2.0,
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn every_round_measures_everything() {
        let counts = [0; 2].map(std::cell::Cell::new);
        let works = counts
            .iter()
            .map(|count| {
                Work::making(
                    || count.set(count.get() + 1),
                    |()| {
                        std::thread::sleep(SAMPLE);
                        Ok(())
                    },
                )
            })
            .collect();
        let medians = medians(works, 3).unwrap_or_default();
        assert_eq!(medians.len(), 2);
        assert!(medians.iter().all(|ns| *ns >= SAMPLE.as_secs_f64() * 1e9));
        assert_eq!(counts[0].get(), counts[1].get());
    }
}
