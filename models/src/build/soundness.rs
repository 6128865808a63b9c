//! Soundness of the bundle about to be packed: proofs first, then what is measured on the test part.

use super::monotone::Proof;
use super::{Bench, Compressed, Measured};
use crate::compile::Source;
use crate::error::Result;
use crate::evaluate::soundness::{CalibrationCheck, Kept, Soundness};
use crate::pages::cut_offs;
use crate::recipe::CalibrationMethod;

/// What the card keeps of the training part, and what is said of the test part.
pub(super) fn measure(
    bench: &Bench<'_>,
    source: &Source,
    compressed: &Compressed,
    measured: &Measured,
) -> Result<(Kept, Soundness)> {
    let workshop = bench.workshop;
    let (recipe, scorer) = (workshop.recipe, &measured.scorers.bundle);
    let read = |rows: &[usize]| workshop.applications(&workshop.table.select(rows), scorer);
    let net = match source {
        Source::Lines(lines) => Some(&lines.net),
        _ => compressed.float_net.as_ref(),
    };
    let proof = Proof {
        parts: &workshop.lowered.transforms,
        transforms: &workshop.transforms,
        schema: &workshop.schema,
        source,
        net,
        output: bench.decide.output,
        safer: recipe.score.points_to_double_odds > 0.0,
    };
    let mut monotone = Vec::new();
    for (name, field) in &recipe.fields {
        if let Some(direction) = field.monotone {
            let proved = proof.holds(workshop.schema.index_of(name)?, direction);
            monotone.push((name.clone(), direction, proved));
        }
    }
    let kept = Kept {
        monotone,
        profit: recipe.evaluate.profit,
        ..Kept::new(
            scorer,
            &read(&workshop.train)?,
            &workshop.labels(&workshop.train),
        )?
    };
    let (bad, scored) = (&measured.test.bad, &measured.test.scored);
    let limits = recipe.gates.calibration;
    let float = &scored.unquantised().probability[..];
    let calibration = CalibrationCheck::new(
        bad,
        &scored.bundle.probability,
        limits.chance,
        compressed
            .quantised
            .is_some()
            .then_some((float, limits.int8)),
        recipe.probability.calibration != CalibrationMethod::None,
    )?;
    let soundness = kept.measure(
        scorer,
        read(&workshop.test)?,
        (bad, &scored.bundle),
        &cut_offs(&scored.bundle.score),
        calibration,
    )?;
    Ok((kept, soundness))
}
