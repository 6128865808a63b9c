//! Opening, scoring and explaining with the golden credit bundle, and validating large weights.

#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use criterion::{BatchSize, Criterion, Throughput};
use fieldscore_benches::{DEVELOPMENT_KEY, Failure, applications, bundle};
use fieldscore_runtime::kernels::pack_dense_i8;
use fieldscore_runtime::plan::{
    Buffer, ElementType, Executable, Model, PLAN_VERSION, Plan, Port, Step,
};
use fieldscore_runtime::{Explanation, OpenOptions, Scorer};

const KEYS: [[u8; 32]; 1] = [DEVELOPMENT_KEY];

fn open(criterion: &mut Criterion, bytes: &[u8]) {
    let mut group = criterion.benchmark_group("open");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("verified", |b| {
        b.iter_batched(
            || bytes.to_vec(),
            |bytes| Scorer::open(bytes, &KEYS),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("unverified", |b| {
        b.iter_batched(
            || bytes.to_vec(),
            |bytes| {
                OpenOptions::default()
                    .dangerously_unverified()
                    .open(bytes, &[])
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

/// What grows with the weights: the plan's validation, of one layer of 2 MiB.
fn validate(criterion: &mut Criterion) -> Result<(), Failure> {
    let (inputs, outputs) = (1024, 2048);
    let weights = pack_dense_i8(
        inputs,
        &vec![-127; inputs * outputs],
        &vec![0; outputs],
        &vec![1.0; outputs],
    );
    let lens = [
        (ElementType::F32, inputs),
        (ElementType::U8, inputs),
        (ElementType::F32, outputs),
    ];
    let mut arena_bytes = 0;
    let buffers = lens.map(|(element, len)| {
        let buffer = Buffer {
            element,
            len: len as u32,
            offset: arena_bytes,
        };
        arena_bytes += buffer.row_bytes() as u32;
        buffer
    });
    let port = |buffer| Port {
        name: String::new(),
        buffer,
    };
    let plan = Plan {
        version: PLAN_VERSION,
        models: vec![Model {
            name: String::new(),
            inputs: vec![port(0)],
            outputs: vec![port(2)],
            buffers: buffers.to_vec(),
            arena_bytes,
            steps: vec![
                Step::Quantise {
                    input: 0,
                    output: 1,
                    weights: 0,
                },
                Step::DenseF32 {
                    input: 1,
                    output: 2,
                    weights: (inputs * 8) as u64,
                    input_high: 127,
                    relu: false,
                },
            ],
        }],
    };
    let weights = [vec![0; inputs * 8], weights].concat();
    Executable::new(plan.clone(), &weights)?;
    let mut group = criterion.benchmark_group("validate");
    group.throughput(Throughput::Bytes(weights.len() as u64));
    group.bench_function("2MiB", |b| {
        b.iter(|| Executable::new(plan.clone(), &weights));
    });
    group.finish();
    Ok(())
}

fn score(criterion: &mut Criterion, scorer: &Scorer) -> Result<(), Failure> {
    let sample = applications(scorer)?;
    // Every one must be scored, or what follows would measure refusals.
    for application in &sample {
        scorer.score(application)?;
    }
    let mut next = sample.iter().cycle();
    criterion.bench_function("score", |b| {
        b.iter(|| next.next().map(|application| scorer.score(application)));
    });

    let mut many = Vec::new();
    while many.len() < 256 {
        many.extend(applications(scorer)?);
    }
    many.truncate(256);
    let mut decisions = Vec::new();
    let mut group = criterion.benchmark_group("score_many");
    group.throughput(Throughput::Elements(256));
    group.bench_function("256", |b| {
        b.iter(|| {
            decisions.clear();
            scorer.score_many(&many, &mut decisions);
        });
    });
    group.finish();

    let mut explanation = Explanation::empty(*scorer.bundle_id());
    let mut next = sample.iter().cycle();
    criterion.bench_function("explain", |b| {
        b.iter(|| {
            next.next()
                .map(|application| scorer.explain_into(application, &mut explanation))
        });
    });
    Ok(())
}

fn main() -> Result<(), Failure> {
    let bytes = bundle()?;
    let scorer = Scorer::open(bytes.clone(), &KEYS)?;
    let mut criterion = Criterion::default().configure_from_args();
    open(&mut criterion, &bytes);
    validate(&mut criterion)?;
    score(&mut criterion, &scorer)?;
    criterion.final_summary();
    Ok(())
}
