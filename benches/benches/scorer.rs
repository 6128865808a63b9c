//! Opening, scoring and explaining with the golden credit bundle.

#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use criterion::{BatchSize, Criterion, Throughput};
use fieldscore_benches::{DEVELOPMENT_KEY, Failure, applications, bundle};
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
    score(&mut criterion, &scorer)?;
    criterion.final_summary();
    Ok(())
}
