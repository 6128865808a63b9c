//! The dense kernels on every path that this processor has, at the shapes that models have.

#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fieldscore_runtime::kernels::{Kernels, LANES, Requantise, Shape, pack_dense_i8};

/// Inputs and outputs: the layers of a small net for tabular data, and of a large one.
const SHAPES: [(usize, usize); 5] = [(32, 64), (64, 32), (32, 1), (512, 1024), (1024, 1024)];
const ROWS: [usize; 2] = [1, 64];

/// Bytes without a pattern that a kernel could profit from; a linear congruential generator
/// (Knuth, The Art of Computer Programming, volume 2, 3.3.4: MMIX).
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u64;
    (0..length)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect()
}

fn dense_u8(criterion: &mut Criterion) {
    let paths = Kernels::available();
    let mut group = criterion.benchmark_group("dense_u8");
    for (inputs, outputs) in SHAPES {
        let weights: Vec<i8> = noise(inputs * outputs)
            .into_iter()
            .map(|w| (w as i8).max(-127))
            .collect();
        let panels = pack_dense_i8(inputs, &weights, &vec![0; outputs], &vec![0.001; outputs]);
        for rows in ROWS {
            let shape = Shape {
                rows,
                inputs,
                outputs,
                input_stride: inputs.next_multiple_of(64),
                output_stride: outputs.next_multiple_of(LANES),
                wide: false,
            };
            let input: Vec<u8> = noise(rows * shape.input_stride)
                .into_iter()
                .map(|x| x & 127)
                .collect();
            let mut output = vec![0; rows * shape.output_stride];
            let to = Requantise {
                zero: 0,
                low: 0,
                high: 127,
            };
            group.throughput(Throughput::Elements((rows * inputs * outputs) as u64));
            for kernels in &paths {
                let id = BenchmarkId::new(kernels.name, format!("{rows}x{inputs}x{outputs}"));
                group.bench_function(id, |b| {
                    b.iter(|| (kernels.dense_u8)(shape, &panels, &input, to, &mut output));
                });
            }
        }
    }
    group.finish();
}

fn quantise(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("quantise");
    for features in [64, 512] {
        let input: Vec<f32> = noise(features).into_iter().map(f32::from).collect();
        let constants = [0.5f32, 1.0]
            .map(|x| x.to_le_bytes().repeat(features))
            .concat();
        let shape = Shape {
            rows: 1,
            inputs: features,
            outputs: features,
            input_stride: features,
            output_stride: features,
            wide: false,
        };
        let mut output = vec![0; features];
        group.throughput(Throughput::Elements(features as u64));
        for kernels in Kernels::available() {
            group.bench_function(BenchmarkId::new(kernels.name, features), |b| {
                b.iter(|| (kernels.quantise)(shape, &constants, &input, &mut output));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, dense_u8, quantise);
criterion_main!(benches);
