//! The page of `evaluate --report`: one bundle on labelled rows.

use crate::error::Result;
use crate::evaluate::bootstrap::Discrimination;
use crate::evaluate::fairness::Fairness;
use crate::evaluate::report::{Report, Section};
use crate::evaluate::scored::Scored;
use crate::evaluate::soundness::Soundness;
use crate::pages::{
    COMPRESSED, FIGURES, cut_off_rows, discrimination_table, failed, fairness, figures, outputs,
    soundness,
};

/// One bundle on labelled rows.
#[derive(Debug, Clone, Copy)]
pub struct Evaluated<'a> {
    /// Whether each row turned out bad.
    pub bad: &'a [bool],
    /// What the bundle says of it.
    pub scored: &'a Scored,
    /// How well.
    pub measured: &'a Discrimination,
    /// What the model that the bundle was made from says, and how well, where that is known.
    pub float: Option<(&'a Scored, &'a Discrimination)>,
    /// How outcomes treat groups.
    pub fairness: &'a Fairness,
    /// Calibration, fields, lift and cut-offs.
    pub soundness: &'a Soundness,
    /// The probabilities beside the score's, with their figures where the rows have their labels.
    pub further: &'a [(&'a str, Option<Discrimination>)],
}

/// The page of one bundle on labelled rows. `facts` identify bundle and data.
///
/// # Errors
/// Where the rows cannot be measured or drawn.
pub fn evaluation_page(
    title: &str,
    facts: &[(String, String)],
    evaluated: &Evaluated<'_>,
) -> Result<String> {
    let Evaluated {
        bad,
        scored,
        measured,
        float,
        fairness,
        soundness: sound,
        further,
    } = *evaluated;
    let mut report = Report::new(title, "Evaluation on labelled rows");
    for (name, value) in facts {
        report = report.fact(name, value);
    }
    let further = further.iter().map(|(name, measured)| {
        let models = measured.as_ref().map(|measured| vec![("Bundle", measured)]);
        (*name, models)
    });
    let mut models = vec![("Bundle", scored)];
    let mut columns = vec![("Bundle", measured)];
    if let Some((scored, measured)) = float {
        models.insert(0, ("Float", scored));
        columns.insert(0, ("Float", measured));
    }
    report
        .section(Section::new("Figures").table(discrimination_table(FIGURES, &columns)))
        .section(figures(bad, &models)?)
        .sections(soundness::sections(sound))
        .sections(outputs(further))
        .sections(fairness::section(fairness, COMPRESSED))
        .section(Section::new("Cut-offs").table(cut_off_rows(&sound.what_if)))
        .to_html()
        .map_err(failed)
}
