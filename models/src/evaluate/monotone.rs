//! Whether the score of a bundle rises, or falls, with a field: searched with the bundle's own
//! scorer, where the build has not proved it.
//!
//! An applicant's other fields are held, the field goes through its grid, and every pair of scores is
//! compared. Applicants are drawn: half with each field taken from another row of the data, so that
//! values are likely ones and the applicant nobody, half from the schema's ranges; then come real
//! rows. A counter-example names a drawn applicant's values, never a row's.

use std::sync::Arc;

use fieldscore_runtime::decide::RecordValue;
use fieldscore_runtime::schema::Schema;
use fieldscore_runtime::{Application, Date, Scorer};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::given::{self, Given};
use crate::build::draw;
use crate::error::Result;

/// Scores that a whole search may cost, all fields together.
const MOST_SCORES: usize = 200_000;

/// Real rows that are tried, at most.
const MOST_REAL: usize = 500;

/// Where a field has more values than these, so many are spread evenly and as many taken from the
/// data.
const SPREAD: usize = 32;

/// Which way the score goes as a field rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// It never falls.
    Rising,
    /// It never rises.
    Falling,
}

/// What is known of a field that the recipe calls monotone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Monotone {
    /// The field.
    pub field: String,
    /// Which way the score is to go as it rises.
    pub direction: Direction,
    /// Whether it does.
    pub verdict: Verdict,
}

/// Whether a score is monotone in a field.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// For every applicant, by the model's own structure.
    Proved,
    /// Nothing was found against it.
    Searched {
        /// Neighbouring values that were compared.
        pairs: usize,
        /// Applicants that they were compared for.
        applicants: usize,
    },
    /// It is not.
    Broken(CounterExample),
}

/// Two applicants who differ in one field only, and whose scores are the wrong way round.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CounterExample {
    /// The field's lesser and greater value.
    pub values: [String; 2],
    /// What these score.
    pub scores: [i32; 2],
    /// The other fields of the applicant drawn, in the order of forms; empty where only a row of
    /// the data shows it, which stays unsaid.
    pub others: Vec<(String, String)>,
}

impl CounterExample {
    /// Points between the two scores.
    fn gap(&self) -> u32 {
        self.scores[0].abs_diff(self.scores[1])
    }
}

impl Monotone {
    /// Whether nothing speaks against it.
    pub fn holds(&self) -> bool {
        !matches!(self.verdict, Verdict::Broken(_))
    }

    /// The verdict in words.
    pub fn said(&self) -> String {
        match &self.verdict {
            Verdict::Proved => "proved".to_owned(),
            Verdict::Searched { pairs, applicants } => {
                format!("searched {pairs} pairs of {applicants} applicants, none found")
            }
            Verdict::Broken(example) => {
                let [low, high] = &example.values;
                let [before, after] = example.scores;
                let others: Vec<String> = example
                    .others
                    .iter()
                    .map(|(name, value)| format!("{name} {value}"))
                    .collect();
                let rest = match others.is_empty() {
                    true => "of a row of the data".to_owned(),
                    false => others.join(", "),
                };
                format!("BROKEN: {low} scores {before}, {high} scores {after}; {rest}")
            }
        }
    }
}

/// Applicants to try.
pub struct Search {
    drawn: Vec<Application>,
    real: Vec<Application>,
    /// The data's values.
    rows: Vec<Given>,
}

impl Search {
    /// Draws applicants for a scorer's schema, and takes some of the real ones.
    ///
    /// # Errors
    /// Never for applications of this schema.
    pub fn new(scorer: &Scorer, applications: Vec<Application>) -> Result<Self> {
        let schema = scorer.schema();
        let rows: Vec<Given> = applications
            .iter()
            .map(given::given)
            .collect::<Result<_>>()?;
        let mut random = ChaCha8Rng::seed_from_u64(27);
        let day = applications.first().map(Application::as_of);
        let day = day.or(Date::from_ymd(2026, 1, 1));
        let scalar = schema.fields().iter().all(|field| field.kind.cells() == 0);
        let mut drawn = Vec::new();
        for number in 0..MOST_REAL * 2 {
            let Some(day) = day else { break };
            let applicant = if number % 2 == 0 && scalar && !rows.is_empty() {
                mixed(schema, day, &rows, &mut random)?
            } else {
                draw(schema, "", day, &mut random)?
            };
            // A field may refuse what was drawn.
            drawn.extend(Some(applicant).filter(|one| scorer.score(one).is_ok()));
        }
        let step = applications.len().div_ceil(MOST_REAL).max(1);
        Ok(Self {
            drawn,
            real: applications.into_iter().step_by(step).collect(),
            rows,
        })
    }

    /// Looks for a counter-example among at most `MOST_SCORES` scores divided by `fields`, the
    /// number of fields that are searched. The field at `index` must be a number.
    ///
    /// # Errors
    /// Where the field is no number.
    pub fn run(
        &mut self,
        scorer: &Scorer,
        index: usize,
        direction: Direction,
        fields: usize,
    ) -> Result<Verdict> {
        let grid = self.grid(scorer.schema(), index);
        let budget = MOST_SCORES / fields.max(1) / grid.len().max(1);
        let (mut pairs, mut applicants) = (0, 0);
        // Of those drawn, the one that shows it most; of real rows one that shows it is enough.
        let mut worst: Option<CounterExample> = None;
        let share = budget
            .div_ceil(2)
            .max(budget.saturating_sub(self.real.len()));
        for applicant in self.drawn.iter_mut().take(share) {
            let walk = walk(scorer, applicant, index, &grid, direction)?;
            pairs += walk.compared;
            applicants += 1;
            let known = worst.as_ref().map_or(0, CounterExample::gap);
            worst = walk.broken.filter(|new| new.gap() > known).or(worst);
        }
        if let Some(worst) = worst {
            return Ok(Verdict::Broken(worst));
        }
        for applicant in self.real.iter_mut().take(budget - applicants) {
            let walk = walk(scorer, applicant, index, &grid, direction)?;
            pairs += walk.compared;
            applicants += 1;
            if let Some(mut example) = walk.broken {
                example.others.clear();
                return Ok(Verdict::Broken(example));
            }
        }
        Ok(Verdict::Searched { pairs, applicants })
    }

    /// The values that a field goes through, rising.
    fn grid(&self, schema: &Schema, index: usize) -> Vec<i64> {
        let range = schema.fields().get(index).and_then(|field| field.range);
        let mut grid = Vec::new();
        if let Some((low, high)) = range {
            let span = i128::from(high) - i128::from(low);
            let steps = span.min(2 * SPREAD as i128);
            let steps = if span > steps { SPREAD as i128 } else { steps };
            let at = |step: i128| (i128::from(low) + span * step / steps.max(1)) as i64;
            grid.extend((0..=steps).map(at));
        }
        let numbers = self.rows.iter().filter_map(|row| match row.get(index)? {
            Some(RecordValue::Number(number)) => Some(*number),
            _ => None,
        });
        let mut numbers: Vec<i64> = numbers
            .filter(|number| range.is_none_or(|(low, high)| (low..=high).contains(number)))
            .collect();
        numbers.sort_unstable();
        let last = numbers.len().saturating_sub(1);
        let quantiles = (0..=SPREAD).filter_map(|step| numbers.get(step * last / SPREAD));
        grid.extend(quantiles.copied());
        grid.sort_unstable();
        grid.dedup();
        grid
    }
}

/// An applicant whose every field is another row's.
fn mixed(
    schema: &Arc<Schema>,
    day: Date,
    rows: &[Given],
    random: &mut ChaCha8Rng,
) -> Result<Application> {
    let values = (0..schema.fields().len()).map(|at| {
        let row = (random.next_u64() % rows.len() as u64) as usize;
        rows[row].get(at).cloned().flatten()
    });
    given::application(schema, day, &values.collect::<Vec<_>>())
}

/// One applicant along a field's values.
struct Walk {
    compared: usize,
    broken: Option<CounterExample>,
}

fn walk(
    scorer: &Scorer,
    applicant: &mut Application,
    index: usize,
    grid: &[i64],
    direction: Direction,
) -> Result<Walk> {
    let schema = Arc::clone(applicant.schema());
    let field = schema.field_at(index)?;
    let own = given::given(applicant)?;
    // The least value with the greatest (or the least) score so far: all pairs are held against it.
    let mut furthest: Option<(i64, i32)> = None;
    let mut compared = 0;
    let mut broken: Option<CounterExample> = None;
    for &value in grid {
        applicant.set_at(index, given::typed(field, value))?;
        let Ok(decision) = scorer.score(applicant) else {
            continue;
        };
        let (at, score) = furthest.unwrap_or((value, decision.score));
        compared += usize::from(furthest.is_some());
        let (wrong, further) = match direction {
            Direction::Rising => (decision.score < score, decision.score > score),
            Direction::Falling => (decision.score > score, decision.score < score),
        };
        let known = broken.as_ref().map_or(0, CounterExample::gap);
        if wrong && decision.score.abs_diff(score) > known {
            let others = schema.fields().iter().zip(&own).enumerate();
            let others = others.filter(|(other, _)| *other != index);
            broken = Some(CounterExample {
                values: [at, value]
                    .map(|number| given::shown(field, Some(&RecordValue::Number(number)))),
                scores: [score, decision.score],
                others: others
                    .map(|(_, (field, value))| {
                        (field.name.clone(), given::shown(field, value.as_ref()))
                    })
                    .collect(),
            });
        }
        if further || furthest.is_none() {
            furthest = Some((value, decision.score));
        }
    }
    // As it was, for the next field.
    let before = match own.get(index) {
        Some(Some(RecordValue::Number(number))) => given::typed(field, *number),
        _ => fieldscore_runtime::Value::Missing,
    };
    applicant.set_at(index, before)?;
    Ok(Walk { compared, broken })
}
