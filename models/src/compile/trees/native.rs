//! A converter's file beside the library's own: how many rows end in another leaf.

use std::path::Path;

use serde::Serialize;

use super::{Forest, Grown};
use crate::compile::net::Rows;
use crate::error::{Error, Result};

/// What the test part says of a conversion.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Native {
    /// The library whose own file was given.
    pub library: &'static str,
    /// Rows compared.
    pub rows: usize,
    /// Rows of which at least one tree answers otherwise: converters round thresholds to f32.
    pub rows_that_change_leaf: usize,
    /// The greatest difference of two log-odds.
    pub largest_difference: f64,
}

impl Native {
    /// Compares a converted forest with the file of the library that grew it.
    ///
    /// # Errors
    /// Where the file is no LightGBM or XGBoost model, or has other trees.
    pub fn compare(path: &Path, converted: &Forest, rows: &Rows<f64>) -> Result<Self> {
        let place = path.display().to_string();
        let Some(Grown { forest: own, .. }) = super::read(path)? else {
            return Err(Error::input(
                place,
                "the model file of LightGBM or XGBoost that model.file was converted from",
            ));
        };
        if own.link != converted.link {
            return Err(Error::input(
                place,
                "an objective that model.file makes the same of: both log-odds, or neither",
            ));
        }
        if own.trees.len() != converted.trees.len() || own.features.len() < converted.features.len()
        {
            return Err(Error::input(
                place,
                format!(
                    "the {} trees that model.file has, not {}",
                    converted.trees.len(),
                    own.trees.len()
                ),
            ));
        }
        let mut changed = 0;
        let mut largest = 0.0_f64;
        for row in rows.iter() {
            changed += usize::from(!same_leaves(&own, converted, row));
            largest = largest.max((own.margin(row) - converted.margin(row)).abs());
        }
        Ok(Self {
            library: own.library.name(),
            rows: rows.len(),
            rows_that_change_leaf: changed,
            largest_difference: largest,
        })
    }
}

/// Whether every tree gives the same answer. Converters number leaves anew, so that leaves are told
/// apart by their values, as an f32.
fn same_leaves(own: &Forest, converted: &Forest, row: &[f64]) -> bool {
    let values = |forest: &Forest| {
        let row = forest.row(row);
        let value = |(value, _): (f64, u32)| value as f32;
        let trees = forest.trees.iter();
        trees
            .map(|tree| tree.walk(&row).map(value))
            .collect::<Vec<_>>()
    };
    let close = |a: f32, b: f32| (a - b).abs() <= a.abs().max(b.abs()) * 4.0 * f32::EPSILON;
    let pairs = values(own).into_iter().zip(values(converted));
    pairs
        .into_iter()
        .all(|pair| matches!(pair, (Some(a), Some(b)) if close(a, b)))
}
