//! Everything that execution relies on, checked once when a bundle is opened: after this no step
//! can read outside its buffers, read what no step wrote, or overflow.

use std::ops::Range;

use crate::bundle::container::features;
use crate::error::{Error, Result};
use crate::kernels::{DEPTH, LANES, panel_bytes};
use crate::plan::program::{Buffer, ElementType, Model, PLAN_VERSION, Plan, Step};
use crate::plan::trees::{self, Found, Table};

/// No plan has more models.
pub const MAX_MODELS: usize = 8;
/// No model has more steps or buffers.
pub const MAX_STEPS: usize = 4096;
/// No model needs more arena for a row.
pub const MAX_ARENA_BYTES: usize = 1 << 24;
/// No model does more multiply-adds for a row, inputs and outputs padded as panels are: what
/// bounds the time of a score.
pub const MAX_MULTIPLY_ADDS: u64 = 1 << 30;
/// No model has more weights and nodes to check, each counted for every step that reads it: what
/// bounds the time of opening.
pub const MAX_CHECKED: u64 = 1 << 28;

/// What validation learned of a model.
#[derive(Debug)]
pub(crate) struct Cost {
    /// Multiply-adds of one row; of trees, comparisons and additions.
    pub multiply_adds: u64,
    /// The same of each step, with its tables and how many bytes of weights they take.
    pub steps: Vec<Found>,
}

pub(crate) fn check(plan: &Plan, weights: &[u8]) -> Result<Vec<Cost>> {
    let place = "section PLAN";
    if plan.version != PLAN_VERSION {
        return Err(Error::new(
            crate::ErrorKind::Unsupported,
            place,
            format!("plan version {PLAN_VERSION}, found {}", plan.version),
        ));
    }
    if plan.models.is_empty() || plan.models.len() > MAX_MODELS {
        return Err(Error::malformed(place, format!("1 to {MAX_MODELS} models")));
    }
    plan.models
        .iter()
        .map(|model| check_model(model, weights))
        .collect()
}

fn check_model(model: &Model, weights: &[u8]) -> Result<Cost> {
    let fault = |what: String| Err(Error::malformed("section PLAN", what));
    if model.steps.len() > MAX_STEPS || model.buffers.len() > MAX_STEPS {
        return fault(format!("at most {MAX_STEPS} steps and buffers"));
    }
    if model.arena_bytes as usize > MAX_ARENA_BYTES {
        return fault(format!("an arena of at most {MAX_ARENA_BYTES} bytes a row"));
    }
    for (index, buffer) in model.buffers.iter().enumerate() {
        let end = (buffer.len as usize)
            .checked_mul(buffer.element.size())
            .and_then(|bytes| bytes.checked_add(63 + buffer.element.tail()))
            .and_then(|bytes| (bytes & !63).checked_add(buffer.offset as usize));
        let inside = end.is_some_and(|end| end <= model.arena_bytes as usize);
        if !inside || buffer.len == 0 || buffer.offset % 64 != 0 {
            return fault(format!(
                "buffer {index} at a multiple of 64 inside the arena"
            ));
        }
    }
    let mut written = Written::new(model);
    for port in &model.inputs {
        let element = written.write(port.buffer)?.element;
        if !matches!(element, ElementType::F32 | ElementType::F64) {
            return fault("inputs of f32 or f64".to_owned());
        }
    }
    let mut cost = Cost {
        multiply_adds: 0,
        steps: Vec::with_capacity(model.steps.len()),
    };
    let (mut spent, mut constants) = (Spent::default(), 0usize);
    for (index, step) in model.steps.iter().enumerate() {
        let at_step = |e: Error| {
            let place = format!("section PLAN, step {index} ({})", step.name());
            Error::malformed(place, e.expected().to_owned())
        };
        if step.feature() == features::TENSORS {
            let added = check_tensor(step, &mut written, &mut constants, &mut spent, weights)
                .map_err(at_step)?;
            cost.multiply_adds += added.cost;
            cost.steps.push(added);
            continue;
        }
        let (input, output) = check_buffers(step, &mut written).map_err(at_step)?;
        if let Step::Rank { weights: at, .. } | Step::Trees { weights: at, .. } = *step {
            let start = usize::try_from(at).unwrap_or(usize::MAX);
            let weights = weights.get(start..).unwrap_or_default();
            let found = trees::check(step, input, output, weights, &mut spent).map_err(at_step)?;
            cost.multiply_adds += found.cost;
            cost.steps.push(found);
            continue;
        }
        let (inputs, outputs) = (u64::from(input.len), u64::from(output.len));
        // Before a weight is looked at.
        let work = match step {
            Step::Quantise { .. } => inputs,
            _ => inputs.next_multiple_of(DEPTH as u64) * outputs.next_multiple_of(LANES as u64),
        };
        spent.on(work, work).map_err(at_step)?;
        check_weights(step, input, output, weights).map_err(at_step)?;
        let work = match step {
            Step::Quantise { .. } => inputs,
            _ => inputs * outputs,
        };
        cost.multiply_adds += work;
        cost.steps.push(Found {
            table: Table::None,
            bytes: 0,
            cost: work,
        });
    }
    if model.inputs.is_empty() || model.outputs.is_empty() {
        return fault("an input and an output".to_owned());
    }
    for port in &model.outputs {
        let wide = written.buffer(port.buffer)?.element == ElementType::F64;
        let element = if wide {
            ElementType::F64
        } else {
            ElementType::F32
        };
        written.read(port.buffer, element)?;
    }
    Ok(cost)
}

/// The work that a model's steps are counted with.
#[derive(Debug, Default)]
pub(super) struct Spent {
    /// Multiply-adds of a row, padding included.
    row: u64,
    /// Weights and nodes that are checked.
    checked: u64,
}

impl Spent {
    /// Counts slots and trees, a row of which costs no more than checking them.
    pub fn on_tables(&mut self, work: usize) -> Result<()> {
        self.on(work as u64, work as u64)
    }

    /// Counts what is about to be checked, and what each row will cost.
    pub fn on(&mut self, checked: u64, row: u64) -> Result<()> {
        self.checked = self.checked.saturating_add(checked);
        self.row = self.row.saturating_add(row);
        let most = match self {
            Self { row, .. } if *row > MAX_MULTIPLY_ADDS => {
                format!("{MAX_MULTIPLY_ADDS} multiply-adds a row, padding included")
            }
            Self { checked, .. } if *checked > MAX_CHECKED => {
                format!("{MAX_CHECKED} weights and nodes, each as often as steps read it")
            }
            _ => return Ok(()),
        };
        Err(Error::malformed("section PLAN", format!("at most {most}")))
    }
}

/// Which buffers hold what a step or the caller wrote; writing one spoils those it overlaps.
pub(super) struct Written<'a> {
    model: &'a Model,
    holds: Vec<bool>,
    /// The greatest byte that a step wrote.
    highs: Vec<u8>,
}

impl<'a> Written<'a> {
    fn new(model: &'a Model) -> Self {
        Self {
            model,
            holds: vec![false; model.buffers.len()],
            highs: vec![0; model.buffers.len()],
        }
    }

    fn range(buffer: &Buffer) -> Range<usize> {
        let start = buffer.offset as usize;
        start..start + buffer.row_bytes()
    }

    pub fn buffer(&self, index: u16) -> Result<&'a Buffer> {
        self.model
            .buffers
            .get(usize::from(index))
            .ok_or_else(|| Error::malformed("section PLAN", "buffers that exist"))
    }

    pub fn read(&self, index: u16, element: ElementType) -> Result<&'a Buffer> {
        let buffer = self.buffer(index)?;
        if buffer.element != element || !self.holds[usize::from(index)] {
            return Err(Error::malformed(
                "section PLAN",
                format!("a buffer of {element:?} that an earlier step wrote"),
            ));
        }
        Ok(buffer)
    }

    pub fn write(&mut self, index: u16) -> Result<&'a Buffer> {
        let buffer = self.buffer(index)?;
        let own = Self::range(buffer);
        for (other, holds) in self.model.buffers.iter().zip(&mut self.holds) {
            let range = Self::range(other);
            if range.start < own.end && own.start < range.end {
                *holds = false;
            }
        }
        self.holds[usize::from(index)] = true;
        Ok(buffer)
    }

    /// As [`Self::write`], by a tensor step that reads `inputs` and writes all or a part: what it leaves
    /// as it is must be there, and inputs must not overlap it.
    #[cfg(feature = "tensors")]
    pub fn write_part(
        &mut self,
        inputs: &[(u16, ElementType)],
        (output, element): (u16, ElementType),
        (covers, high): (bool, u8),
    ) -> Result<()> {
        let fault = |what: &str| Err(Error::malformed("section PLAN", what.to_owned()));
        if self.buffer(output)?.element != element {
            return fault("an output buffer of its type");
        }
        if !covers {
            self.read(output, element)?;
        }
        self.write(output)?;
        let spoilt = |&(at, element)| at == output || self.read(at, element).is_err();
        if inputs.iter().any(spoilt) {
            return fault("an input and an output that do not overlap");
        }
        let highest = &mut self.highs[usize::from(output)];
        *highest = if covers { high } else { high.max(*highest) };
        Ok(())
    }

    /// The greatest byte that a buffer holds.
    #[cfg(feature = "tensors")]
    pub fn high(&self, index: u16) -> u8 {
        self.highs[usize::from(index)]
    }
}

#[cfg(not(feature = "tensors"))]
fn check_tensor(
    _: &Step,
    _: &mut Written<'_>,
    _: &mut usize,
    _: &mut Spent,
    _: &[u8],
) -> Result<Found> {
    Err(Error::new(
        crate::ErrorKind::Unsupported,
        "section PLAN",
        "a runtime with tensor steps built in",
    ))
}

/// Checks one tensor step: what it costs.
#[cfg(feature = "tensors")]
fn check_tensor(
    step: &Step,
    written: &mut Written<'_>,
    constants: &mut usize,
    spent: &mut Spent,
    weights: &[u8],
) -> Result<Found> {
    use crate::plan::tensor::{MAX_CONSTANTS, check_shape, check_weights, weight_bytes};
    if !matches!(step, Step::Tensor { .. }) {
        return crate::plan::bytes::check(step, written, constants, spent, weights);
    }
    let fault = |what: String| Err(Error::malformed("section PLAN", what));
    let inputs = step.inputs();
    let mut buffers = [None; 2];
    for (buffer, at) in buffers.iter_mut().zip(inputs) {
        *buffer = Some(written.read(at, ElementType::F32)?);
    }
    let ([Some(left), Some(right)], output) = (buffers, written.buffer(step.output())?) else {
        return fault("buffers that exist".to_owned());
    };
    let checked = check_shape(step, left, right, output)?;
    spent.on(weight_bytes(step) / 4, checked.padded)?;
    *constants = constants.saturating_add(checked.constants);
    if *constants > MAX_CONSTANTS {
        return fault(format!("at most {MAX_CONSTANTS} constants"));
    }
    written.write_part(
        &inputs.map(|at| (at, ElementType::F32)),
        (step.output(), ElementType::F32),
        (checked.covers, 0),
    )?;
    check_weights(step, weights)?;
    Ok(Found {
        table: Table::None,
        bytes: usize::try_from(weight_bytes(step)).unwrap_or(usize::MAX),
        cost: checked.multiply_adds,
    })
}

fn check_buffers<'a>(step: &Step, written: &mut Written<'a>) -> Result<(&'a Buffer, &'a Buffer)> {
    let fault = |what: &str| Err(Error::malformed("section PLAN", what.to_owned()));
    // The features and the sums of trees are of either float.
    let float = |index: u16| match written.buffer(index) {
        Ok(buffer) if buffer.element == ElementType::F64 => ElementType::F64,
        _ => ElementType::F32,
    };
    let (from, to) = match step {
        Step::Quantise { .. } => (ElementType::F32, ElementType::U8),
        Step::DenseU8 { .. } => (ElementType::U8, ElementType::U8),
        Step::DenseF32 { .. } => (ElementType::U8, ElementType::F32),
        Step::DenseFloat { .. } => (ElementType::F32, ElementType::F32),
        Step::Rank { input, .. } => (float(*input), ElementType::U16),
        Step::Trees { output, .. } => (ElementType::U16, float(*output)),
        // It has a check of its own.
        _ => return fault("a dense step or one of trees"),
    };
    let input = written.read(step.input(), from)?;
    let output = written.write(step.output())?;
    if output.element != to {
        return fault("an output buffer of its type");
    }
    // Writing the output has spoiled whatever it overlaps; the input must not be among that.
    if written.read(step.input(), from).is_err() || step.input() == step.output() {
        return fault("an input and an output that do not overlap");
    }
    let high = written.highs[usize::from(step.input())];
    match *step {
        Step::DenseU8 { input_high, .. } | Step::DenseF32 { input_high, .. }
            if high > input_high =>
        {
            return fault("an input range that holds what the step before writes");
        }
        _ => {}
    }
    written.highs[usize::from(step.output())] = match *step {
        Step::Quantise { .. } => 127,
        Step::DenseU8 { high, .. } => high,
        _ => 0,
    };
    Ok((input, output))
}

fn check_weights(step: &Step, input: &Buffer, output: &Buffer, weights: &[u8]) -> Result<()> {
    let fault = |what: &str| Err(Error::malformed("section PLAN", what.to_owned()));
    let (inputs, outputs) = (input.len as usize, output.len as usize);
    let panels = outputs.div_ceil(LANES);
    // Sizes are products of two numbers below 2^24: they leave 32 bits.
    let slice = |offset: u64, count: usize, bytes: usize| -> Result<&[u8]> {
        usize::try_from(offset)
            .ok()
            .zip(count.checked_mul(bytes))
            .and_then(|(start, len)| weights.get(start..start.checked_add(len)?))
            .ok_or_else(|| Error::malformed("section PLAN", "weights inside section WGTS"))
    };
    match *step {
        Step::Quantise { weights, .. } => {
            if inputs != outputs {
                return fault("as many outputs as inputs");
            }
            if !all_finite(slice(weights, inputs, 8)?) {
                return fault("finite factors and offsets");
            }
            Ok(())
        }
        Step::DenseU8 {
            weights,
            input_high,
            zero,
            low,
            high,
            ..
        } => {
            if low > high || zero < low || zero > high {
                return fault("an output range that holds its zero point");
            }
            check_panels(
                slice(weights, panels, panel_bytes(inputs))?,
                inputs,
                input_high,
            )
        }
        Step::DenseF32 {
            weights,
            input_high,
            ..
        } => check_panels(
            slice(weights, panels, panel_bytes(inputs))?,
            inputs,
            input_high,
        ),
        Step::DenseFloat { weights, half, .. } => {
            let size = if half { 2 } else { 4 };
            let bytes = slice(weights, panels, LANES * (4 + inputs * size))?;
            for panel in bytes.chunks_exact(LANES * (4 + inputs * size)) {
                let (bias, weights) = panel.split_at(LANES * 4);
                let finite = if half {
                    all_finite_half(weights)
                } else {
                    all_finite(weights)
                };
                if !finite || !all_finite(bias) {
                    return fault("finite weights and biases");
                }
            }
            Ok(())
        }
        // Checked with their tables.
        Step::Rank { .. } | Step::Trees { .. } => Ok(()),
        // It has a check of its own.
        _ => fault("a dense step"),
    }
}

/// Whether all of these f32 are finite. Without an early exit, so that it runs at the speed of
/// memory.
pub(super) fn all_finite(bytes: &[u8]) -> bool {
    bytes.as_chunks().0.iter().fold(true, |all, &float| {
        all & (u32::from_le_bytes(float) & 0x7fff_ffff < 0x7f80_0000)
    })
}

/// As [`all_finite`], for f16.
fn all_finite_half(bytes: &[u8]) -> bool {
    bytes.as_chunks().0.iter().fold(true, |all, &half| {
        all & (u16::from_le_bytes(half) & 0x7fff < 0x7c00)
    })
}

/// Weights in −127..=127, zeros in the padding, scales sound, and for every output
/// Σ|w|·amax + |bias| < 2^31: no order of summation can overflow.
pub(super) fn check_panels(bytes: &[u8], inputs: usize, input_high: u8) -> Result<()> {
    let fault = |what: &str| Err(Error::malformed("section PLAN", what.to_owned()));
    if input_high != 127 && input_high != 255 {
        return fault("an input range of 127 or 255");
    }
    for panel in bytes.chunks_exact(panel_bytes(inputs)) {
        let (bias, rest) = panel.split_at(LANES * 4);
        let (weights, scales) = rest.split_at(rest.len() - LANES * 4);
        // Normal numbers only: what is below is zero, negative or subnormal.
        let sound = scales.as_chunks().0.iter().fold(true, |all, &scale| {
            all & (f32::MIN_POSITIVE..1e20).contains(&f32::from_le_bytes(scale))
        });
        if !sound {
            return fault("scales that are normal, positive and below 1e20");
        }
        // No early exit: this is the one loop over all weights, and runs at the speed of memory.
        let least = weights
            .iter()
            .fold(0, |found, &w| found | u8::from(w == 0x80));
        if least != 0 {
            return fault("weights in -127..=127");
        }
        if !sums_fit(bias, weights, input_high) {
            return fault("sums that stay below 2^31");
        }
        // Reads past the last input reach the buffer's own padding, whose bytes are not defined.
        let padded = inputs.next_multiple_of(DEPTH) - inputs;
        if padded > 0 {
            let last = &weights[weights.len() - DEPTH * LANES..];
            if last
                .chunks_exact(DEPTH)
                .any(|lane| lane[DEPTH - padded..].iter().any(|&w| w != 0))
            {
                return fault("zero weights in the padding");
            }
        }
    }
    Ok(())
}

/// Whether Σ|w|·`high` + |bias| < 2^31 for every output of a panel, whose weights are in −127..=127.
fn sums_fit(bias: &[u8], weights: &[u8], high: u8) -> bool {
    let fits = |sum: u64, bias: u32| sum * u64::from(high) + u64::from(bias) < 1 << 31;
    let biases = bias.as_chunks().0.iter();
    let biases = biases.map(|&bias| i32::from_le_bytes(bias).unsigned_abs());
    // Were every weight ±127 and had the greatest bias: only absurd layers come any further.
    let most = weights.len() as u64 / LANES as u64 * 127;
    if fits(most, biases.clone().max().unwrap_or(0)) {
        return true;
    }
    let mut sums = [0u64; LANES];
    for group in weights.chunks_exact(DEPTH * LANES) {
        for (sum, lane) in sums.iter_mut().zip(group.chunks_exact(DEPTH)) {
            *sum += lane
                .iter()
                .map(|&w| u64::from((w as i8).unsigned_abs()))
                .sum::<u64>();
        }
    }
    sums.iter().zip(biases).all(|(&sum, bias)| fits(sum, bias))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::pack_dense_i8;

    /// A panel of 16 outputs: whether it is sound.
    fn sound(inputs: usize, weights: &[i8], bias: i32, high: u8) -> bool {
        let panel = pack_dense_i8(inputs, weights, &[bias; LANES], &[1.0; LANES]);
        check_panels(&panel, inputs, high).is_ok()
    }

    #[test]
    fn sums_reach_up_to_the_limit_and_no_further() {
        // 127 · 127 · 133144 + 4071 = 2^31 − 1, and one input more could overflow by itself.
        let inputs = 133_144;
        let mut weights = vec![127; inputs * LANES];
        assert!(sound(inputs, &weights, 4071, 127));
        assert!(sound(inputs, &weights, -4071, 127));
        assert!(!sound(inputs, &weights, 4072, 127));
        assert!(!sound(inputs, &weights, i32::MIN, 127));
        assert!(!sound(inputs, &weights, 0, 255));
        // What the widths alone don't allow, the weights themselves may.
        weights.fill(-63);
        assert!(sound(inputs, &weights, 4072, 127) && sound(inputs, &weights, 4072, 255));
        // One output alone is refused.
        weights[5 * inputs..6 * inputs].fill(-127);
        assert!(!sound(inputs, &weights, 4072, 127));
    }

    #[test]
    fn every_weight_is_looked_at() {
        for at in 0..20 * LANES {
            let mut weights = vec![127; 20 * LANES];
            weights[at] = i8::MIN;
            assert!(!sound(20, &weights, 0, 127), "weight {at}");
        }
    }

    #[test]
    fn floats_are_finite_or_not() {
        let all = [f32::MAX, f32::MIN, 0.0, -1e-40, 1.0];
        let bytes =
            |floats: &[f32]| -> Vec<u8> { floats.iter().flat_map(|x| x.to_le_bytes()).collect() };
        assert!(all_finite(&bytes(&all)));
        for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(!all_finite(&bytes(&[all[0], bad, all[1]])));
        }
        for bits in 0..=u16::MAX {
            let half = bits.to_le_bytes();
            assert_eq!(
                all_finite_half(&half),
                half::f16::from_bits(bits).is_finite()
            );
        }
    }
}
