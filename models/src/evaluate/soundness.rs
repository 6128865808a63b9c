//! What `build` and `evaluate` say of a bundle's soundness beside its figures: calibration against
//! chance, monotone fields, each field by itself, lift by decile, other cut-offs.

use fieldscore_runtime::{Application, Scorer};
use serde::{Deserialize, Serialize};

use super::bootstrap::ece_by_chance;
use super::fields::{FieldBins, FieldFigures};
use super::given::{Given, given};
use super::lift::{Decile, lift};
use super::metrics::{MetricsError, ece};
use super::monotone::{Direction, Monotone, Search, Verdict};
use super::scored::Scored;
use super::what_if::{Profit, WhatIf, what_if};
use crate::error::{Error, Result};

/// The calibration error against what chance gives a perfectly calibrated model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CalibrationCheck {
    /// Over 10 bins of equal mass.
    pub ece: f64,
    /// What a perfectly calibrated model on as many rows stays at or below in `chance` of all cases.
    pub limit: f64,
    /// That share, 0.95 unless the recipe says another.
    pub chance: f64,
    /// What int8 adds, and what it may; none where nothing is quantised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub int8: Option<[f64; 2]>,
    /// Whether calibration was fitted, so that this is a gate and no mere report.
    pub gate: bool,
    /// Whether both limits hold.
    pub holds: bool,
}

impl CalibrationCheck {
    /// Measures probabilities on labelled rows. `float` has those before quantising, and what int8
    /// may add to their error.
    ///
    /// # Errors
    /// Where there are no rows.
    pub fn new(
        bad: &[bool],
        probability: &[f64],
        chance: f64,
        float: Option<(&[f64], f64)>,
        gate: bool,
    ) -> Result<Self> {
        let found = ece(bad, probability).map_err(unmeasurable)?;
        let limit = ece_by_chance(probability, chance).map_err(unmeasurable)?;
        let added = |(float, limit): (&[f64], f64)| {
            let before = ece(bad, float).map_err(unmeasurable)?;
            Ok::<_, Error>([found - before, limit])
        };
        let int8 = float.map(added).transpose()?;
        Ok(Self {
            ece: found,
            limit,
            chance,
            int8,
            gate,
            holds: found <= limit && int8.is_none_or(|[added, limit]| added <= limit),
        })
    }
}

/// What is said of a bundle on some labelled rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Soundness {
    /// Calibration against chance.
    pub calibration: CalibrationCheck,
    /// The fields that the recipe calls monotone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub monotone: Vec<Monotone>,
    /// Each field by itself.
    pub fields: Vec<FieldFigures>,
    /// Tenths of the rows, the riskiest first; none where no row is bad.
    pub lift: Vec<Decile>,
    /// Other cut-offs.
    pub what_if: Vec<WhatIf>,
}

impl Soundness {
    /// Whether nothing that is a gate speaks against the bundle.
    pub fn passed(&self) -> bool {
        (self.calibration.holds || !self.calibration.gate)
            && self.monotone.iter().all(Monotone::holds)
    }
}

/// What a bundle's card keeps, so that later rows can be held against the build's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The training part, field by field.
    #[serde(default)]
    pub bins: Vec<FieldBins>,
    /// The fields that the recipe calls monotone, and whether the build proved them.
    #[serde(default)]
    pub monotone: Vec<(String, Direction, bool)>,
    /// What an approved loan brings.
    #[serde(default)]
    pub profit: Option<Profit>,
}

impl Kept {
    /// Of the labelled rows of a training part.
    ///
    /// # Errors
    /// Never for applications of the scorer's schema.
    pub fn new(scorer: &Scorer, applications: &[Application], bad: &[bool]) -> Result<Self> {
        let rows = values(applications)?;
        let fields = scorer.schema().fields().iter().enumerate();
        let bins = fields.filter_map(|(at, field)| FieldBins::new(at, field, &rows, bad));
        Ok(Self {
            bins: bins.collect(),
            ..Self::default()
        })
    }

    /// Searches the fields that were not proved, among drawn applicants and these.
    ///
    /// # Errors
    /// Never for fields of the scorer's schema.
    pub fn search(&self, scorer: &Scorer, applications: Vec<Application>) -> Result<Vec<Monotone>> {
        let open = self.monotone.iter().filter(|(_, _, proved)| !proved);
        let open = open.count();
        let mut search = (open > 0)
            .then(|| Search::new(scorer, applications))
            .transpose()?;
        let each = self.monotone.iter().map(|(name, direction, _)| {
            let index = scorer.schema().index_of(name)?;
            let proved = self
                .monotone
                .iter()
                .any(|(other, _, proved)| other == name && *proved);
            let verdict = match &mut search {
                Some(search) if !proved => search.run(scorer, index, *direction, open)?,
                _ => Verdict::Proved,
            };
            Ok(Monotone {
                field: name.clone(),
                direction: *direction,
                verdict,
            })
        });
        each.collect()
    }

    /// The figures of labelled rows; `cut_offs` are tried.
    ///
    /// # Errors
    /// Where the rows cannot be measured.
    pub fn measure(
        &self,
        scorer: &Scorer,
        applications: Vec<Application>,
        (bad, scored): (&[bool], &Scored),
        cut_offs: &[i32],
        calibration: CalibrationCheck,
    ) -> Result<Soundness> {
        let rows = values(&applications)?;
        let schema = scorer.schema();
        let fields = self.bins.iter().filter_map(|bins| {
            let at = schema.index_of(&bins.field).ok()?;
            bins.measure(at, schema.fields().get(at)?, &rows, bad)
        });
        let deciles = match lift(bad, &scored.probability) {
            Err(MetricsError::OneClass { .. }) => Vec::new(),
            deciles => deciles.map_err(unmeasurable)?,
        };
        Ok(Soundness {
            calibration,
            fields: fields.collect(),
            lift: deciles,
            what_if: what_if(bad, &scored.score, cut_offs, self.profit).map_err(unmeasurable)?,
            monotone: self.search(scorer, applications)?,
        })
    }
}

fn values(applications: &[Application]) -> Result<Vec<Given>> {
    applications.iter().map(given).collect()
}

fn unmeasurable(error: MetricsError) -> Error {
    Error::input("data", format!("rows that can be measured ({error})"))
}
