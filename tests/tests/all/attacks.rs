//! Bundles altered by somebody without the key: every byte, every length, every header field.
//! Bundles signed by somebody who has it and means harm: every promise a section makes, broken.

use std::sync::LazyLock;

use fieldscore_models::keys::Signing;
use fieldscore_runtime::bundle::EngineKind;
use fieldscore_runtime::bundle::container::{HEADER_BYTES, SectionKind};
use fieldscore_runtime::decide::{Condition, KnockOut, Test};
use fieldscore_runtime::plan::{ElementType, Port, Step};
use fieldscore_runtime::schema::transform::{Column, Encoding};
use fieldscore_runtime::schema::{Answer, FieldKind};
use fieldscore_runtime::{ErrorKind, OpenOptions, Outcome, Scorer};
use fieldscore_tests::fixture::{Parts, key};
use fieldscore_tests::{alloc, surgery};

/// The smallest sound bundle of the fixtures.
static SOUND: LazyLock<Vec<u8>> = LazyLock::new(|| Parts::small(1).with_answers(2).bundle());

fn kind_of(bundle: &[u8]) -> Option<ErrorKind> {
    Scorer::open(bundle, &[key().public()])
        .err()
        .map(|e| e.kind())
}

/// The bundle with `change` made, not signed again.
fn altered(change: impl FnOnce(&mut Vec<u8>)) -> Option<ErrorKind> {
    let mut bundle = SOUND.clone();
    change(&mut bundle);
    kind_of(&bundle)
}

/// The bundle with `change` made to header or table, signed again.
fn resigned(change: impl FnOnce(&mut Vec<u8>)) -> Option<ErrorKind> {
    let mut bundle = SOUND.clone();
    change(&mut bundle);
    surgery::sign(&mut bundle, &key());
    kind_of(&bundle)
}

#[test]
fn the_sound_bundle_opens() {
    assert_eq!(kind_of(&SOUND), None);
    let scorer = Scorer::open(SOUND.clone(), &[key().public()]).unwrap();
    assert_eq!(scorer.self_test().unwrap(), 2);
}

#[test]
fn any_flipped_bit_is_refused() {
    // What the signature covers is checked with every bit. A section's body and the padding are
    // covered by a hash and a comparison: two bits of every byte.
    let signed = surgery::signature(&SOUND).end;
    let mut bundle = SOUND.clone();
    for at in 0..bundle.len() {
        let bits: &[u8] = if at < signed {
            &[1, 2, 4, 8, 16, 32, 64, 128]
        } else {
            &[1, 128]
        };
        for bit in bits {
            bundle[at] ^= bit;
            let found = kind_of(&bundle);
            let expected: &[ErrorKind] = match at {
                0..8 => &[ErrorKind::NotABundle],
                8..10 => &[ErrorKind::Unsupported],
                12..16 => &[ErrorKind::NotABundle, ErrorKind::BadSignature],
                40..48 => &[ErrorKind::UntrustedKey],
                _ if at < signed => &[ErrorKind::BadSignature],
                _ => &[ErrorKind::Altered],
            };
            assert!(
                found.is_some_and(|kind| expected.contains(&kind)),
                "byte {at}, bit {bit}: {found:?}"
            );
            bundle[at] ^= bit;
        }
    }
}

#[test]
fn any_byte_set_to_anything_else_is_refused_unverified_or_not_without_a_panic() {
    let mut bundle = SOUND.clone();
    for at in 0..bundle.len() {
        let was = bundle[at];
        for value in [0, 0x7f, 0xff] {
            bundle[at] = value;
            if value != was {
                assert!(kind_of(&bundle).is_some(), "byte {at} as {value}");
            }
            let open = OpenOptions::default().dangerously_unverified();
            let _ = open.open(bundle.clone(), &[]);
        }
        bundle[at] = was;
    }
}

#[test]
fn truncation_at_any_length_is_refused() {
    for len in 0..SOUND.len() {
        let found = kind_of(&SOUND[..len]);
        assert_eq!(found, Some(ErrorKind::NotABundle), "{len} bytes");
    }
}

#[test]
fn bytes_behind_the_end_are_refused() {
    for more in [1, 63, 64, 4096] {
        let found = altered(|b| b.resize(b.len() + more, 0));
        assert_eq!(found, Some(ErrorKind::NotABundle), "{more} bytes");
    }
}

#[test]
fn an_empty_and_a_giant_file_are_refused() {
    assert_eq!(kind_of(&[]), Some(ErrorKind::NotABundle));
    let giant = altered(|b| b.resize((64 << 20) + 1, 0));
    assert_eq!(giant, Some(ErrorKind::NotABundle));
}

#[test]
fn no_pinned_key_opens_nothing() {
    let found = Scorer::open(SOUND.clone(), &[]).unwrap_err();
    assert_eq!(found.kind(), ErrorKind::UntrustedKey);
}

#[test]
fn another_key_is_not_trusted() {
    let other = Signing::generate().unwrap();
    let found = Scorer::open(SOUND.clone(), &[other.public()]).unwrap_err();
    assert_eq!(found.kind(), ErrorKind::UntrustedKey);
    let both = Scorer::open(SOUND.clone(), &[other.public(), key().public()]);
    assert!(both.is_ok(), "one of several pinned keys is enough");
}

#[test]
fn a_signature_by_another_key_under_the_pinned_ones_name_is_refused() {
    let found = altered(|b| surgery::sign(b, &Signing::generate().unwrap()));
    assert_eq!(found, Some(ErrorKind::BadSignature));
}

#[test]
fn a_signature_of_zeros_is_refused() {
    let found = altered(|b| {
        let at = surgery::signature(b);
        b[at].fill(0);
    });
    assert_eq!(found, Some(ErrorKind::BadSignature));
}

#[test]
fn a_key_that_is_no_point_of_the_curve_is_refused() {
    // Pinned and named in the header, as a careless integrator might: still nothing verifies.
    let broken = [2u8; 32];
    let mut bundle = SOUND.clone();
    bundle[40..48].copy_from_slice(&fieldscore_runtime::bundle::container::key_id(&broken));
    let found = Scorer::open(bundle, &[broken]).unwrap_err();
    assert_eq!(found.kind(), ErrorKind::BadSignature);
}

#[test]
fn signed_headers_that_lie_are_refused() {
    let put = |at: usize, bytes: &'static [u8]| {
        move |b: &mut Vec<u8>| b[at..at + bytes.len()].copy_from_slice(bytes)
    };
    let cases = [
        (
            "an unknown required feature",
            resigned(put(21, &[1])),
            ErrorKind::Unsupported,
        ),
        (
            "the highest feature bit",
            resigned(put(23, &[128])),
            ErrorKind::Unsupported,
        ),
        (
            "a later major version",
            resigned(put(8, &[2, 0])),
            ErrorKind::Unsupported,
        ),
        (
            "major version 0",
            resigned(put(8, &[0, 0])),
            ErrorKind::Unsupported,
        ),
        (
            "a runtime of the future",
            resigned(put(32, &[9, 0])),
            ErrorKind::Unsupported,
        ),
        (
            "another file length",
            resigned(put(24, &[0, 0, 0, 0, 0, 0, 0, 1])),
            ErrorKind::NotABundle,
        ),
        (
            "a file length of all ones",
            resigned(put(24, &[0xff; 8])),
            ErrorKind::NotABundle,
        ),
    ];
    for (what, found, expected) in cases {
        assert_eq!(found, Some(expected), "{what}");
    }
}

#[test]
fn section_counts_out_of_bounds_are_refused() {
    for count in [0u32, 33, 4096, u32::MAX] {
        let found = altered(|b| b[12..16].copy_from_slice(&count.to_le_bytes()));
        assert_eq!(found, Some(ErrorKind::NotABundle), "{count} sections");
    }
}

#[test]
fn a_later_minor_version_and_its_reserved_bits_are_accepted() {
    let found = resigned(|b| {
        b[10] = 7;
        b[HEADER_BYTES + 24] = 1;
    });
    assert_eq!(found, None);
}

#[test]
fn signed_tables_that_lie_are_refused() {
    let offset = |index: usize| surgery::entry(index).start + 8;
    let length = |index: usize| surgery::entry(index).start + 16;
    let put = |at: usize, value: u64| {
        move |b: &mut Vec<u8>| b[at..at + 8].copy_from_slice(&value.to_le_bytes())
    };
    let read = |at: usize| u64::from_le_bytes(SOUND[at..at + 8].try_into().unwrap());
    let last = surgery::count(&SOUND) - 1;
    let cases = [
        (
            "an offset far outside",
            resigned(put(offset(2), u64::MAX)),
            ErrorKind::Malformed,
        ),
        (
            "an offset right behind the file",
            resigned(put(offset(2), SOUND.len() as u64)),
            ErrorKind::Malformed,
        ),
        (
            "an offset into the header",
            resigned(put(offset(0), 0)),
            ErrorKind::Malformed,
        ),
        (
            "overlapping sections",
            resigned(put(offset(3), read(offset(2)))),
            ErrorKind::Malformed,
        ),
        (
            "a hole between sections",
            resigned(put(offset(3), read(offset(3)) + 64)),
            ErrorKind::Malformed,
        ),
        (
            "an offset that is not aligned",
            resigned(put(offset(1), read(offset(1)) + 8)),
            ErrorKind::Malformed,
        ),
        (
            "a length of all ones",
            resigned(put(length(last), u64::MAX)),
            ErrorKind::NotABundle,
        ),
        (
            "a length past the end",
            resigned(put(length(last), read(length(last)) + 1)),
            ErrorKind::NotABundle,
        ),
        (
            "a last section that stops short",
            resigned(put(length(last), 1)),
            ErrorKind::NotABundle,
        ),
        (
            "a reserved flag",
            resigned(|b| b[surgery::entry(1).start + 4] |= 2),
            ErrorKind::Malformed,
        ),
        (
            "reserved bytes",
            resigned(|b| b[surgery::entry(1).start + 31] = 1),
            ErrorKind::Malformed,
        ),
        (
            "a wrong hash",
            resigned(|b| b[surgery::entry(4).start + 40] ^= 1),
            ErrorKind::Altered,
        ),
    ];
    for (what, found, expected) in cases {
        assert_eq!(found, Some(expected), "{what}");
    }
}

#[test]
fn sections_out_of_order_are_refused() {
    // The table's entries change places, the bodies stay.
    let found = resigned(|b| {
        let (first, second) = (surgery::entry(0), surgery::entry(1));
        let kept: Vec<u8> = b[first.clone()].to_vec();
        b.copy_within(second.clone(), first.start);
        b[second].copy_from_slice(&kept);
    });
    assert_eq!(found, Some(ErrorKind::Malformed));
}

#[test]
fn padding_that_is_not_zero_is_refused() {
    let meta = surgery::body(&SOUND, 0);
    let next = surgery::body(&SOUND, 1);
    assert!(meta.end < next.start, "the fixture has padding here");
    for at in meta.end..next.start {
        let found = altered(|b| b[at] = 1);
        assert_eq!(found, Some(ErrorKind::Altered), "byte {at}");
    }
}

#[test]
fn a_section_that_stands_there_twice_is_refused() {
    let mut parts = surgery::sections(&SOUND);
    parts.push(parts[0].clone());
    assert_eq!(
        kind_of(&surgery::assemble(&parts, &key())),
        Some(ErrorKind::Malformed)
    );
}

#[test]
fn an_unknown_section_is_refused_where_critical_and_passed_over_where_not() {
    for (critical, expected) in [(true, Some(ErrorKind::Unsupported)), (false, None)] {
        let mut parts = surgery::sections(&SOUND);
        parts.push((SectionKind(*b"NEWS"), critical, vec![1, 2, 3]));
        let found = kind_of(&surgery::assemble(&parts, &key()));
        assert_eq!(found, expected, "critical: {critical}");
    }
}

#[test]
fn a_missing_section_is_refused_by_name() {
    for kind in [
        SectionKind::META,
        SectionKind::SCHEMA,
        SectionKind::TRANSFORMS,
        SectionKind::PLAN,
        SectionKind::WEIGHTS,
        SectionKind::DECIDE,
        SectionKind::POLICY,
        SectionKind::TEXTS,
    ] {
        let mut parts = surgery::sections(&SOUND);
        parts.retain(|part| part.0 != kind);
        let error = Scorer::open(surgery::assemble(&parts, &key()), &[key().public()]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{kind}");
        assert_eq!(error.place(), format!("section {kind}"));
    }
}

#[test]
fn a_runtime_that_is_too_old_is_told_which_one_to_get() {
    let bundle = surgery::assemble_for(&surgery::sections(&SOUND), &key(), (0, 1, 1));
    let error = Scorer::open(bundle, &[key().public()]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.expected().contains("0.1.1"), "{error}");
}

/// Every structured section that opening decodes.
const STRUCTURED: [SectionKind; 7] = [
    SectionKind::META,
    SectionKind::SCHEMA,
    SectionKind::TRANSFORMS,
    SectionKind::PLAN,
    SectionKind::DECIDE,
    SectionKind::POLICY,
    SectionKind::TEXTS,
];

fn refused_with(kind: SectionKind, body: &[u8]) -> fieldscore_runtime::Error {
    let bundle = surgery::with_section(&SOUND, kind, body, &key());
    Scorer::open(bundle, &[key().public()]).unwrap_err()
}

#[test]
fn signed_sections_that_are_no_cbor_are_refused_by_name() {
    let nested = vec![0x81; 1 << 16];
    let bodies: [(&str, &[u8]); 9] = [
        ("nothing", &[]),
        ("a break without a start", &[0xff]),
        ("a number", &[0x07]),
        ("text", b"\x64fine"),
        (
            "an array of 2^64 − 1",
            &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ),
        (
            "a map of 2^64 − 1",
            &[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ),
        ("bytes of 2^63", &[0x5b, 0x80, 0, 0, 0, 0, 0, 0, 0]),
        ("a map that never ends", &[0xbf, 0x00]),
        ("arrays in arrays", &nested),
    ];
    for kind in STRUCTURED {
        for (what, body) in bodies {
            let error = refused_with(kind, body);
            assert_eq!(error.kind(), ErrorKind::Malformed, "{kind}, {what}");
            assert_eq!(error.place(), format!("section {kind}"), "{what}");
        }
    }
}

#[test]
fn bytes_behind_a_sections_one_item_are_refused() {
    let parts = surgery::sections(&SOUND);
    for kind in STRUCTURED {
        let mut body = parts.iter().find(|part| part.0 == kind).unwrap().2.clone();
        body.push(0);
        let error = refused_with(kind, &body);
        assert_eq!(error.kind(), ErrorKind::Malformed, "{kind}");
        assert!(error.expected().contains("behind"), "{error}");
    }
}

#[test]
fn a_structured_section_over_its_cap_is_refused() {
    let body = vec![0; (1 << 20) + 1];
    for kind in STRUCTURED {
        let error = refused_with(kind, &body);
        assert_eq!(error.kind(), ErrorKind::Malformed, "{kind}");
        assert!(error.expected().contains("at most"), "{error}");
    }
}

#[test]
fn signed_sections_cut_short_or_altered_never_panic() {
    let parts = surgery::sections(&SOUND);
    for (kind, _, body) in &parts {
        for len in 0..body.len() {
            let bundle = surgery::with_section(&SOUND, *kind, &body[..len], &key());
            let opened = Scorer::open(bundle, &[key().public()]);
            let free = [
                SectionKind::CARD,
                SectionKind::KNOWN_ANSWERS,
                SectionKind::WEIGHTS,
            ];
            assert!(
                opened.is_err() || free.contains(kind),
                "{kind} of {len} bytes"
            );
        }
        for at in 0..body.len().min(1500) {
            for value in [0x00, 0x9f, 0xfb, 0xff] {
                let mut body = body.clone();
                body[at] = value;
                let bundle = surgery::with_section(&SOUND, *kind, &body, &key());
                if let Ok(scorer) = Scorer::open(bundle, &[key().public()]) {
                    let _ = scorer.self_test();
                    let _ = scorer.reference();
                }
            }
        }
    }
}

/// Sound parts with one promise broken: what, how, where it is said to be.
type Harm = (&'static str, fn(&mut Parts), &'static str);

/// Opens each harmed bundle and demands a refusal as malformed, at its place.
fn all_malformed(harms: &[Harm]) {
    for (what, harm, place) in harms {
        let mut parts = Parts::small(1);
        harm(&mut parts);
        let bundle = parts.bundle();
        let error = Scorer::open(bundle, &[key().public()]).err();
        let error = error.unwrap_or_else(|| panic!("{what}: opened"));
        assert_eq!(error.kind(), ErrorKind::Malformed, "{what}: {error}");
        assert!(error.place().starts_with(place), "{what}: {error}");
    }
}

fn steps(parts: &mut Parts) -> &mut Vec<Step> {
    &mut parts.plan.models[0].steps
}

/// Where the panels of the first int8 step lie, and how many inputs it has.
fn first_panels(parts: &Parts) -> (usize, usize) {
    let model = &parts.plan.models[0];
    let found = model.steps.iter().find_map(|step| match step {
        Step::DenseU8 { input, weights, .. } => Some((*weights as usize, *input)),
        _ => None,
    });
    let (at, input) = found.unwrap();
    (at, model.buffers[usize::from(input)].len as usize)
}

#[test]
fn weights_that_could_overflow_or_are_no_numbers_are_refused() {
    all_malformed(&[
        (
            "a weight of −128",
            |p| {
                let (at, _) = first_panels(p);
                p.weights[at + 64] = 0x80;
            },
            "section PLAN, step 1",
        ),
        (
            "a bias that overflows with its weights",
            |p| {
                let (at, _) = first_panels(p);
                p.weights[at..at + 4].copy_from_slice(&i32::MAX.to_le_bytes());
            },
            "section PLAN, step 1",
        ),
        (
            "the least bias",
            |p| {
                let (at, _) = first_panels(p);
                p.weights[at..at + 4].copy_from_slice(&i32::MIN.to_le_bytes());
            },
            "section PLAN, step 1",
        ),
        (
            "a NaN scale",
            |p| scale(p, f32::NAN),
            "section PLAN, step 1",
        ),
        (
            "an infinite scale",
            |p| scale(p, f32::INFINITY),
            "section PLAN, step 1",
        ),
        ("a scale of 0", |p| scale(p, 0.0), "section PLAN, step 1"),
        (
            "a negative scale",
            |p| scale(p, -1.0),
            "section PLAN, step 1",
        ),
        (
            "a subnormal scale",
            |p| scale(p, 1e-40),
            "section PLAN, step 1",
        ),
        (
            "a weight in the padding",
            |p| {
                let (at, inputs) = first_panels(p);
                assert_ne!(inputs % 4, 0, "the fixture has padding");
                let last = at + 64 + inputs / 4 * 64;
                p.weights[last + 3] = 1;
            },
            "section PLAN, step 1",
        ),
        (
            "a NaN factor",
            |p| p.weights[..4].copy_from_slice(&f32::NAN.to_le_bytes()),
            "section PLAN, step 0",
        ),
        (
            "an infinite offset",
            |p| {
                let inputs = first_panels(p).1;
                p.weights[inputs * 4..][..4].copy_from_slice(&f32::INFINITY.to_le_bytes());
            },
            "section PLAN, step 0",
        ),
        (
            "weights cut short",
            |p| p.weights.truncate(p.weights.len() - 1),
            "section PLAN, step 3",
        ),
        ("no weights", |p| p.weights.clear(), "section PLAN, step 0"),
        (
            "weights at the end of the address space",
            |p| {
                if let Step::Quantise { weights, .. } = &mut steps(p)[0] {
                    *weights = u64::MAX - 3;
                }
            },
            "section PLAN, step 0",
        ),
    ]);
}

/// Sets the first scale of the first int8 step.
fn scale(parts: &mut Parts, to: f32) {
    let (at, inputs) = first_panels(parts);
    let scales = at + 64 + inputs.next_multiple_of(4) * 16;
    parts.weights[scales..scales + 4].copy_from_slice(&to.to_le_bytes());
}

#[test]
fn plans_that_reach_where_they_must_not_are_refused() {
    all_malformed(&[
        (
            "a buffer outside the arena",
            |p| p.plan.models[0].arena_bytes -= 64,
            "section PLAN",
        ),
        (
            "a buffer at the end of everything",
            |p| p.plan.models[0].buffers[1].offset = 0xffff_ffc0,
            "section PLAN",
        ),
        (
            "a buffer longer than the arena",
            |p| p.plan.models[0].buffers[1].len = u32::MAX,
            "section PLAN",
        ),
        (
            "a buffer of nothing",
            |p| p.plan.models[0].buffers[1].len = 0,
            "section PLAN",
        ),
        (
            "a buffer that is not aligned",
            |p| p.plan.models[0].buffers[1].offset += 4,
            "section PLAN",
        ),
        (
            "an arena of 4 GiB",
            |p| p.plan.models[0].arena_bytes = u32::MAX,
            "section PLAN",
        ),
        (
            "an input and an output that overlap",
            |p| p.plan.models[0].buffers[1].offset = 0,
            "section PLAN, step 0",
        ),
        (
            "a step that writes what it reads",
            |p| output(&mut steps(p)[1], 1),
            "section PLAN, step 1",
        ),
        (
            "a step that reads what no step wrote",
            |p| {
                steps(p).remove(0);
            },
            "section PLAN, step 0",
        ),
        (
            "steps in a circle",
            |p| {
                let all = steps(p);
                all.swap(1, 2);
            },
            "section PLAN, step 1",
        ),
        (
            "a step that reads what another buffer has overwritten",
            |p| {
                // Buffer 3 comes to lie where the input bytes of a repeated step 1 are.
                p.plan.models[0].buffers[2].offset = p.plan.models[0].buffers[0].offset;
                let again = steps(p)[0];
                steps(p).insert(2, again);
            },
            "section PLAN, step 2",
        ),
        (
            "a buffer that does not exist",
            |p| output(&mut steps(p)[0], 99),
            "section PLAN, step 0",
        ),
        (
            "an output of another type",
            |p| p.plan.models[0].buffers[1].element = ElementType::F32,
            "section PLAN",
        ),
        (
            "a quantise step that changes the width",
            |p| p.plan.models[0].buffers[1].len -= 1,
            "section PLAN, step 0",
        ),
        (
            "an input range of 200",
            |p| {
                if let Step::DenseU8 { input_high, .. } = &mut steps(p)[1] {
                    *input_high = 200;
                }
            },
            "section PLAN, step 1",
        ),
        (
            "an input range that the step before exceeds",
            |p| {
                range(p, [0, 0, 255]);
            },
            "section PLAN, step 2",
        ),
        (
            "an output range without its zero",
            |p| range(p, [5, 6, 127]),
            "section PLAN, step 1",
        ),
        (
            "an output range upside down",
            |p| range(p, [9, 10, 8]),
            "section PLAN, step 1",
        ),
        ("no models", |p| p.plan.models.clear(), "section PLAN"),
        (
            "nine models",
            |p| {
                let model = p.plan.models[0].clone();
                p.plan.models = vec![model; 9];
            },
            "section PLAN",
        ),
        (
            "no input",
            |p| p.plan.models[0].inputs.clear(),
            "section PLAN",
        ),
        (
            "no output",
            |p| p.plan.models[0].outputs.clear(),
            "section PLAN",
        ),
        (
            "a second input that nobody fills",
            |p| {
                let model = &mut p.plan.models[0];
                let mut buffer = model.buffers[0];
                buffer.offset = model.arena_bytes;
                model.arena_bytes += buffer.row_bytes() as u32;
                model.buffers.push(buffer);
                model.inputs.push(Port {
                    name: "more".to_owned(),
                    buffer: (model.buffers.len() - 1) as u16,
                });
            },
            "section PLAN",
        ),
        (
            "an output of bytes",
            |p| p.plan.models[0].outputs[0].buffer = 1,
            "section PLAN",
        ),
        (
            "too many steps",
            |p| {
                let step = steps(p)[0];
                *steps(p) = vec![step; 4097];
            },
            "section PLAN",
        ),
        (
            "an input that is not as wide as the features",
            |p| {
                p.transforms.blocks.pop();
            },
            "section PLAN",
        ),
    ]);
}

fn output(step: &mut Step, to: u16) {
    match step {
        Step::Quantise { output, .. }
        | Step::DenseU8 { output, .. }
        | Step::DenseF32 { output, .. }
        | Step::DenseFloat { output, .. }
        | Step::Rank { output, .. }
        | Step::Trees { output, .. }
        | Step::Tensor { output, .. }
        | Step::TensorQuantise { output, .. }
        | Step::TensorDense { output, .. }
        | Step::TensorDequantise { output, .. } => *output = to,
    }
}

fn range(parts: &mut Parts, [z, l, h]: [u8; 3]) {
    if let Step::DenseU8 {
        zero, low, high, ..
    } = &mut steps(parts)[1]
    {
        (*zero, *low, *high) = (z, l, h);
    }
}

#[test]
fn a_plan_that_would_compute_for_minutes_is_refused_at_once() {
    // The same large layer over and over: each step is small enough to be stored.
    let wide = 60_000;
    let mut builder = fieldscore_tests::fixture::PlanBuilder::new(wide);
    builder.quantise(&vec![1.0; wide], &vec![0.0; wide]);
    builder.dense_u8(&vec![1; wide * 64], &[0; 64], &[1.0; 64], 127, [0, 0, 127]);
    let (mut plan, weights) = builder.finish();
    let model = &mut plan.models[0];
    let step = *model.steps.last().unwrap();
    model.steps.extend(vec![step; 4000]);
    let mut all = Vec::new();
    for _ in 0..8 {
        all.push(plan.models[0].clone());
    }
    plan.models = all;
    let error = fieldscore_runtime::plan::Executable::new(plan, &weights).unwrap_err();
    assert!(error.expected().contains("weights and nodes"), "{error}");
}

#[test]
fn a_plan_of_another_version_is_unsupported() {
    let mut parts = Parts::small(1);
    parts.plan.version = 2;
    assert_eq!(kind_of(&parts.bundle()), Some(ErrorKind::Unsupported));
}

#[test]
fn another_engine_is_unsupported_or_wants_its_model_file() {
    // The compiler, which these tests link, has tract.
    let tflite = match cfg!(feature = "tflite") {
        true => ErrorKind::Malformed,
        false => ErrorKind::Unsupported,
    };
    for (engine, kind) in [
        (EngineKind::Tract, ErrorKind::Malformed),
        (EngineKind::Tflite, tflite),
    ] {
        let mut parts = Parts::small(1);
        parts.meta.engine = engine;
        assert_eq!(kind_of(&parts.bundle()), Some(kind), "{engine}");
    }
}

#[test]
fn schemas_that_do_not_hold_together_are_refused() {
    all_malformed(&[
        ("no fields", |p| p.schema.fields.clear(), "section SCHM"),
        ("no groups", |p| p.schema.groups.clear(), "section SCHM"),
        (
            "a field in no group",
            |p| p.schema.fields[0].group = 9,
            "section SCHM",
        ),
        (
            "a group without fields",
            |p| p.schema.fields[6].group = 0,
            "section SCHM",
        ),
        (
            "seventeen groups",
            |p| {
                let group = p.schema.groups[0].clone();
                p.schema.groups.resize(17, group);
            },
            "section SCHM",
        ),
        (
            "eleven fields in a group",
            |p| {
                for n in 0..9 {
                    let name = format!("more{n}");
                    p.schema.fields.push(fieldscore_tests::fixture::field(
                        &name,
                        FieldKind::Integer,
                        0,
                        &name,
                    ));
                }
            },
            "section SCHM",
        ),
        (
            "257 fields",
            |p| {
                let field = p.schema.fields[0].clone();
                p.schema.fields.resize(257, field);
            },
            "section SCHM",
        ),
        (
            "two fields of one name",
            |p| p.schema.fields[1].name = "income".to_owned(),
            "section SCHM",
        ),
        (
            "one reason code twice",
            |p| p.schema.fields[1].reason_code = "R1".to_owned(),
            "section SCHM",
        ),
        (
            "one group code twice",
            |p| p.schema.groups[1].code = "G1".to_owned(),
            "section SCHM",
        ),
        (
            "a field without a name",
            |p| p.schema.fields[0].name.clear(),
            "section SCHM",
        ),
        (
            "ten decimals",
            |p| p.schema.fields[1].kind = FieldKind::Decimal { decimals: 10 },
            "section SCHM, field expenses",
        ),
        (
            "a category twice",
            |p| {
                p.schema.fields[2].kind = FieldKind::Category {
                    codes: vec!["a".to_owned(); 2],
                };
            },
            "section SCHM, field home",
        ),
        (
            "text in no buckets",
            |p| p.schema.fields[6].kind = FieldKind::Text { buckets: 0 },
            "section SCHM, field note",
        ),
        (
            "a range upside down",
            |p| p.schema.fields[0].range = Some((1, 0)),
            "section SCHM, field income",
        ),
        (
            "a range on a category",
            |p| p.schema.fields[2].range = Some((0, 1)),
            "section SCHM, field home",
        ),
        (
            "missing values clipped",
            |p| p.schema.fields[0].missing = Answer::Clip,
            "section SCHM, field income",
        ),
        (
            "a range that accepts",
            |p| p.schema.fields[0].out_of_range = Answer::Accept,
            "section SCHM, field income",
        ),
        (
            "unlisted categories clipped",
            |p| p.schema.fields[2].unknown = Answer::Clip,
            "section SCHM, field home",
        ),
    ]);
}

#[test]
fn transforms_that_do_not_hold_together_are_refused() {
    all_malformed(&[
        (
            "no features",
            |p| p.transforms.blocks.clear(),
            "section TRNS",
        ),
        (
            "a source that does not exist",
            |p| p.transforms.blocks[0].source = 999,
            "section TRNS",
        ),
        (
            "a column over fields of two groups",
            |p| p.transforms.columns[0] = Column::Difference(0, 5),
            "section TRNS",
        ),
        (
            "a column of itself",
            |p| p.transforms.columns[0] = Column::Ratio(7, 7),
            "section TRNS",
        ),
        (
            "a column of a later one",
            |p| p.transforms.columns[0] = Column::Ratio(8, 0),
            "section TRNS",
        ),
        (
            "a column of nothing",
            |p| p.transforms.columns[0] = Column::Sum(Vec::new()),
            "section TRNS",
        ),
        (
            "edges that fall",
            |p| {
                p.transforms.blocks[0].encode = Encoding::Piecewise {
                    edges: vec![0.0, 5.0, 4.0, 6.0, 7.0],
                }
            },
            "section TRNS",
        ),
        (
            "an edge that is no number",
            |p| {
                p.transforms.blocks[0].encode = Encoding::Piecewise {
                    edges: vec![0.0, f64::NAN, 4.0, 6.0, 7.0],
                }
            },
            "section TRNS",
        ),
        (
            "one edge",
            |p| p.transforms.blocks[0].encode = Encoding::Piecewise { edges: vec![0.0] },
            "section TRNS",
        ),
        (
            "a deviation of 0",
            |p| {
                p.transforms.blocks[1].encode = Encoding::Standardise {
                    mean: 0.0,
                    deviation: 0.0,
                }
            },
            "section TRNS",
        ),
        (
            "a NaN mean",
            |p| {
                p.transforms.blocks[1].encode = Encoding::Standardise {
                    mean: f64::NAN,
                    deviation: 1.0,
                }
            },
            "section TRNS",
        ),
        (
            "bounds upside down",
            |p| p.transforms.blocks[1].clip = Some((1.0, 0.0)),
            "section TRNS",
        ),
        (
            "infinite bounds",
            |p| p.transforms.blocks[1].clip = Some((0.0, f64::INFINITY)),
            "section TRNS",
        ),
        (
            "a NaN imputed",
            |p| p.transforms.blocks[1].impute = Some(f64::NAN),
            "section TRNS",
        ),
        (
            "one-hot of a number",
            |p| p.transforms.blocks[6].encode = Encoding::OneHot { categories: 1 },
            "section TRNS",
        ),
        (
            "one-hot of too many categories",
            |p| {
                p.transforms.blocks[3].encode = Encoding::OneHot {
                    categories: u32::MAX,
                }
            },
            "section TRNS",
        ),
        (
            "ordinals that are too few",
            |p| p.transforms.blocks[4].encode = Encoding::Ordinal { values: vec![1.0] },
            "section TRNS",
        ),
    ]);
}

#[test]
fn decisions_policies_and_texts_that_do_not_hold_together_are_refused() {
    all_malformed(&[
        (
            "no calibration knots",
            |p| p.decide.calibration.knots.clear(),
            "section DCDE",
        ),
        (
            "knots that fall",
            |p| p.decide.calibration.knots = vec![(0, 5), (1, 4)],
            "section DCDE",
        ),
        (
            "two knots in one place",
            |p| p.decide.calibration.knots = vec![(0, 4), (0, 5)],
            "section DCDE",
        ),
        (
            "a floor above the ceiling",
            |p| p.decide.scale.floor = 900,
            "section DCDE",
        ),
        (
            "a slope of 2^63",
            |p| p.decide.scale.slope = i64::MIN,
            "section DCDE",
        ),
        (
            "an offset of 2^63",
            |p| p.decide.scale.offset = i64::MIN,
            "section DCDE",
        ),
        (
            "a ceiling out of all bounds",
            |p| p.decide.scale.ceiling = i32::MAX,
            "section DCDE",
        ),
        (
            "a budget that is too small",
            |p| p.decide.budget = 10,
            "section DCDE",
        ),
        (
            "no reference applicant",
            |p| p.decide.reference.clear(),
            "section DCDE",
        ),
        (
            "a reference of noise",
            |p| p.decide.reference.truncate(20),
            "section DCDE",
        ),
        (
            "a reference with another schema's fields",
            |p| p.schema.fields[5].name = "renamed".to_owned(),
            "section DCDE",
        ),
        (
            "a reference that its schema refuses",
            |p| {
                p.schema.fields[5].out_of_range = Answer::Refuse;
                p.schema.fields[5].range = Some((0, 1));
            },
            "section DCDE",
        ),
        (
            "cut-offs upside down",
            |p| p.policy.refer_from = 700,
            "section PLCY",
        ),
        (
            "a rule that approves",
            |p| p.policy.knock_outs[0].outcome = Outcome::Approve,
            "section PLCY",
        ),
        (
            "a rule without conditions",
            |p| p.policy.knock_outs[0].when.clear(),
            "section PLCY",
        ),
        (
            "a rule without a code",
            |p| p.policy.knock_outs[0].code.clear(),
            "section PLCY",
        ),
        (
            "a rule on no field",
            |p| p.policy.knock_outs[0].when[0].field = 77,
            "section PLCY",
        ),
        (
            "a rule on a category beyond the list",
            |p| {
                p.policy.knock_outs[0].when[0] = Condition {
                    field: 2,
                    test: Test::Is(3),
                }
            },
            "section PLCY",
        ),
        (
            "a category that is above",
            |p| {
                p.policy.knock_outs[0].when[0] = Condition {
                    field: 2,
                    test: Test::Above(1),
                }
            },
            "section PLCY",
        ),
        (
            "a rule twice",
            |p| {
                let rule = p.policy.knock_outs[0].clone();
                p.policy.knock_outs.push(rule);
            },
            "section PLCY",
        ),
        (
            "65 rules",
            |p| {
                let rule = p.policy.knock_outs[0].clone();
                let many = |n| KnockOut {
                    code: format!("K{n}"),
                    ..rule.clone()
                };
                p.policy.knock_outs = (0..65).map(many).collect();
            },
            "section PLCY",
        ),
        (
            "no languages",
            |p| p.texts.languages.clear(),
            "section TEXT",
        ),
        (
            "a text without its translation",
            |p| {
                p.texts.entries[0].texts.pop();
            },
            "section TEXT",
        ),
        (
            "texts out of order",
            |p| p.texts.entries.reverse(),
            "section TEXT",
        ),
        (
            "a product without a name",
            |p| p.meta.product.clear(),
            "section META",
        ),
        (
            "a product named to break a path",
            |p| p.meta.product = "../../etc".to_owned(),
            "section META",
        ),
        (
            "a product name without end",
            |p| p.meta.product = "x".repeat(65),
            "section META",
        ),
    ]);
}

#[test]
fn explanations_that_would_compute_for_minutes_are_refused() {
    // Sixteen groups of two fields: 2^16 evaluations and more, whatever the budget says.
    all_malformed(&[(
        "an explanation of 2^17 evaluations",
        |p| {
            p.decide.budget = u32::MAX;
            for n in 0..22 {
                let name = format!("more{n}");
                let group = (n % 11 + 5) as u16;
                p.schema.fields.push(fieldscore_tests::fixture::field(
                    &name,
                    FieldKind::Integer,
                    group,
                    &name,
                ));
            }
            for n in 6..17 {
                p.schema.groups.push(fieldscore_runtime::schema::Group {
                    name: format!("group{n}"),
                    code: format!("G{n}"),
                });
            }
        },
        "section DCDE",
    )]);
}

#[test]
fn known_answers_that_are_no_records_fail_the_self_test_not_the_opening() {
    let mut parts = Parts::small(1);
    parts.answers.records = vec![vec![0x80].into()];
    assert_eq!(
        parts.scorer().self_test().unwrap_err().kind(),
        ErrorKind::BadRecord
    );
    let bundle = surgery::with_section(&SOUND, SectionKind::KNOWN_ANSWERS, &[0xff], &key());
    let scorer = Scorer::open(bundle, &[key().public()]).unwrap();
    assert_eq!(scorer.self_test().unwrap_err().kind(), ErrorKind::Malformed);
}

/// What opening may hold at once beyond the bundle's own bytes: a section of at most 1 MiB decodes
/// into at most 24 bytes a byte (an empty string), a vector that grows holds old and new at once.
const OPENING_BOUND: usize = 128 << 20;

#[test]
fn opening_hostile_bytes_allocates_within_a_bound() {
    // Bodies at the cap, made of what decodes into the most memory for a byte.
    let filled = |head: &[u8], unit: &[u8]| {
        let mut body = head.to_vec();
        while body.len() + unit.len() <= 1 << 20 {
            body.extend_from_slice(unit);
        }
        body
    };
    let array = [0x9b, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff];
    let bodies = [
        (
            "texts of empty strings",
            SectionKind::TEXTS,
            filled(&[&[0xa1, 0x00], &array[..]].concat(), &[0x60]),
        ),
        (
            "entries of empty strings",
            SectionKind::TEXTS,
            filled(&[&[0xa1, 0x01], &array[..]].concat(), &[0x82, 0x60, 0x80]),
        ),
        (
            "fields of nothing",
            SectionKind::SCHEMA,
            filled(&[&[0xa1, 0x00], &array[..]].concat(), &[0xa0]),
        ),
        (
            "groups of nothing",
            SectionKind::SCHEMA,
            filled(
                &[&[0xa1, 0x01], &array[..]].concat(),
                &[0xa2, 0, 0x60, 1, 0x60],
            ),
        ),
        (
            "sums of sources",
            SectionKind::TRANSFORMS,
            filled(
                &[&[0xa1, 0x00], &array[..]].concat(),
                &[0x82, 2, 0x81, 0x81, 0],
            ),
        ),
        (
            "models of nothing",
            SectionKind::PLAN,
            filled(&[&[0xa1, 0x01], &array[..]].concat(), &[0xa0]),
        ),
        (
            "knots",
            SectionKind::DECIDE,
            filled(&[&[0xa1, 0x01, 0x81], &array[..]].concat(), &[0x82, 0, 0]),
        ),
        (
            "rules",
            SectionKind::POLICY,
            filled(&[&[0xa1, 0x02], &array[..]].concat(), &[0xa0]),
        ),
    ];
    for (what, kind, body) in bodies {
        let bundle = surgery::with_section(&SOUND, kind, &body, &key());
        let (peak, opened) = alloc::peak(|| Scorer::open(bundle, &[key().public()]));
        assert!(opened.is_err(), "{what}");
        assert!(peak < OPENING_BOUND, "{what}: {peak} bytes");
    }
}

#[test]
fn stated_lengths_allocate_nothing() {
    // 2^40 entries are announced, none comes.
    for kind in STRUCTURED {
        for major in [0x9b, 0xbb, 0x5b, 0x7b] {
            for field in 0..4 {
                let body = [0xa1, field, major, 0, 0, 1, 0, 0, 0, 0, 0];
                let bundle = surgery::with_section(&SOUND, kind, &body, &key());
                let (peak, opened) = alloc::peak(|| Scorer::open(bundle, &[key().public()]));
                assert!(opened.is_err());
                assert!(peak < 1 << 20, "{kind}: {peak} bytes");
            }
        }
    }
}
