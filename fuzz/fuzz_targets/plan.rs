//! Plans with their weights: what validation lets through runs, on every kernel path alike.
//!
//! An input is the length of PLAN in two bytes (little-endian), PLAN, WGTS.
#![no_main]

use fieldscore_runtime::kernels::Kernels;
use fieldscore_runtime::plan::Executable;
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

const ROWS: usize = 5;

fn parts(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = u16::from_le_bytes(bytes.get(..2)?.try_into().ok()?);
    let (plan, weights) = bytes[2..].split_at_checked(usize::from(len))?;
    Some((plan, weights))
}

fuzz_target!(|bytes: &[u8]| {
    let Some((plan, weights)) = parts(bytes) else {
        return;
    };
    let Ok(executable) = Executable::decode(plan, weights) else {
        return;
    };
    for index in 0..executable.plan().models.len() {
        // Bounded by validation, but not worth a fuzzer's time.
        if executable.multiply_adds(index) <= 1 << 20 {
            run(&executable, index, weights);
        }
    }
});

fn run(executable: &Executable, index: usize, weights: &[u8]) {
    let Ok(model) = executable.model(index) else {
        return;
    };
    let mut definition: Option<Vec<u64>> = None;
    for kernels in Kernels::available() {
        let mut arena = executable.arena(ROWS);
        for port in &model.inputs {
            for row in 0..ROWS {
                let buffer = &model.buffers[usize::from(port.buffer)];
                let number = |at| match (at * 7 + row * 31) % 97 {
                    0 => f64::NAN,
                    other => other as f64 / 8.0 - 4.0,
                };
                let values: Vec<f64> = (0..buffer.len as usize).map(number).collect();
                arena.write(buffer, row, 0, &values);
            }
        }
        if executable
            .run(index, &kernels, weights, ROWS, &mut arena)
            .is_err()
        {
            return;
        }
        let mut out = Vec::new();
        for port in &model.outputs {
            for row in 0..ROWS {
                let buffer = &model.buffers[usize::from(port.buffer)];
                let values = (0..buffer.len as usize).map(|at| arena.number(buffer, row, at));
                let bits = |x: f64| if x.is_nan() { u64::MAX } else { x.to_bits() };
                out.extend(values.map(bits));
            }
        }
        match &definition {
            None => definition = Some(out),
            Some(definition) => assert_eq!(&out, definition, "{}", kernels.name),
        }
    }
}

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let Some((plan, weights)) = parts(&data[..size]) else {
        return fuzzer_mutate(data, size, max_size);
    };
    let (mut plan, mut weights) = (plan.to_vec(), weights.to_vec());
    let part = if seed.is_multiple_of(4) {
        &mut weights
    } else {
        &mut plan
    };
    let len = part.len();
    part.resize(len + 32, 0);
    let len = fuzzer_mutate(part, len, len + 32);
    part.truncate(len);
    let Ok(len) = u16::try_from(plan.len()) else {
        return size;
    };
    let whole = [&len.to_le_bytes()[..], &plan, &weights].concat();
    if whole.len() > max_size {
        return size;
    }
    data[..whole.len()].copy_from_slice(&whole);
    whole.len()
});
