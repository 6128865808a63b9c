//! The page of `evaluate --report`: one bundle on labelled rows.

use crate::error::Result;
use crate::evaluate::bootstrap::Discrimination;
use crate::evaluate::report::{Report, Section, Table};
use crate::evaluate::scored::Scored;
use crate::pages::{FIGURES, cut_off_rows, discrimination_table, failed, figures, outputs};

/// The tables of an evaluation: figures with intervals, approval and bad rate by cut-off.
///
/// # Errors
/// Where the rows cannot be measured.
pub fn evaluation_tables(
    bad: &[bool],
    scored: &Scored,
    measured: &Discrimination,
) -> Result<[Table; 2]> {
    Ok([
        discrimination_table(FIGURES, &[("Bundle", measured)]),
        cut_off_rows(bad, scored)?,
    ])
}

/// The page of one bundle on labelled rows. `facts` identify bundle and data; `further` are the
/// probabilities beside the score's, with their figures where the rows have their labels.
///
/// # Errors
/// Where the rows cannot be measured or drawn.
pub fn evaluation_page(
    title: &str,
    facts: &[(String, String)],
    bad: &[bool],
    scored: &Scored,
    measured: &Discrimination,
    further: &[(&str, Option<Discrimination>)],
) -> Result<String> {
    let [figures_table, cut_offs] = evaluation_tables(bad, scored, measured)?;
    let mut report = Report::new(title, "Evaluation on labelled rows");
    for (name, value) in facts {
        report = report.fact(name, value);
    }
    let further = further.iter().map(|(name, measured)| {
        let models = measured.as_ref().map(|measured| vec![("Bundle", measured)]);
        (*name, models)
    });
    report
        .section(Section::new("Figures").table(figures_table))
        .section(figures(bad, &[("Bundle", scored)])?)
        .sections(outputs(further))
        .section(Section::new("Cut-offs").table(cut_offs))
        .to_html()
        .map_err(failed)
}
