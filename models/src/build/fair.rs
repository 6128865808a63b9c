//! How a bundle's outcomes treat groups, beside those of the model that it was made from.

use fieldscore_runtime::Outcome;
use indexmap::IndexMap;

use crate::data::{self, Table};
use crate::error::{Error, Result};
use crate::evaluate::bands::{Pair, by_decile, by_policy};
use crate::evaluate::fairness::{Fairness, Limits, Rows};
use crate::evaluate::scored::Scored;
use crate::recipe::GroupColumn;

/// Compares the treatment of groups, whose columns are in the table, by two models on its rows: the one
/// handed in, where it is known, and the bundle. `cut_offs` are the least scores that are referred and
/// approved; flips are shown by the scores of the model handed in.
///
/// # Errors
/// Where a column is missing or cannot be cut into groups.
pub fn treatment(
    (table, groups, missing): (&Table, &IndexMap<String, GroupColumn>, &[String]),
    (float, bundle): (Option<&Scored>, &Scored),
    cut_offs: [i32; 2],
    bad: &[bool],
    limits: Limits,
) -> Result<Fairness> {
    let rows = Rows {
        group: &[],
        now: &bundle.outcome[..],
        before: float.map(|float| &float.outcome[..]),
        approve: &Outcome::Approve,
        bad: Some(bad),
    };
    let columns = data::compare_groups(table, groups, missing, rows, limits)?;
    let bands = float.map(|float| {
        let pair = Pair {
            before: &float.outcome[..],
            now: &bundle.outcome[..],
            approve: &Outcome::Approve,
        };
        Ok(vec![
            by_policy(&float.score, cut_offs, pair)?,
            by_decile(&float.score, pair)?,
        ])
    });
    let bands = bands
        .transpose()
        .map_err(|e: crate::evaluate::metrics::MetricsError| {
            Error::input("data", format!("rows that can be compared ({e})"))
        })?;
    Ok(Fairness::new(limits, columns, bands.unwrap_or_default()))
}
