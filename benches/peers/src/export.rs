//! The subjects as files, for engines that this program cannot run: those of a browser.
//!
//! For each subject, in one folder: `NAME.fsb`, the bundle; `NAME.f32.onnx` and `NAME.int8.onnx`;
//! and `NAME.json`, with applications, the features that the nets read for them, and what has to
//! come out.

use std::path::{Path, PathBuf};

use fieldscore_runtime::decide::LOG_ODDS_ONE;
use fieldscore_runtime::schema::{Field, FieldKind};
use fieldscore_runtime::{Application, DecimalMark, Scorer};
use fieldscore_tests::fixture;
use fieldscore_tests::random::Random;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::engines::tract;
use crate::failure::{Failure, Result};
use crate::subjects::{self, Subject, applications_file, of_form, shipped};
use crate::{forest, graphs};

/// Applications of each subject.
const ROWS: usize = 64;

/// Where to.
#[derive(Debug, clap::Args)]
pub struct To {
    /// The folder; made if it isn't there
    folder: PathBuf,
}

/// What is said of a subject.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct About {
    model: &'static str,
    /// The key that the bundle is signed with, in hexadecimal.
    key: String,
    /// The bundle's calibration, from the net's log-odds to a probability's: linear between.
    calibration: Vec<(f64, f64)>,
    rows: Vec<Row>,
}

/// One application, and what comes out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    application: Envelope,
    features: Vec<f32>,
    /// What tract makes of the features with the float net.
    output: f32,
    /// The bundle's decision.
    score: i32,
    probability_ppm: u32,
}

/// An application as the npm package takes it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    id: String,
    as_of: String,
    values: Map<String, Value>,
}

impl To {
    /// Writes the nets that are asked for: only they are measured in a browser.
    ///
    /// # Errors
    /// Where a subject can't be made, or a file can't be written.
    pub fn run(&self, asked: &[String]) -> Result<()> {
        let place = Failure::at(self.folder.display());
        std::fs::create_dir_all(&self.folder).map_err(place)?;
        let mut names = subjects::chosen(asked)?;
        names.retain(|name| *name != forest::NAME && !graphs::NAMES.contains(name));
        for name in names {
            eprintln!("{name}: compiling");
            self.subject(&of_form(name)?)?;
        }
        Ok(())
    }

    fn subject(&self, subject: &Subject) -> Result<()> {
        let name = subject.name;
        let bundle = shipped(subject)?;
        let about = serde_json::to_vec(&about(subject, &bundle)?).map_err(Failure::at("json"))?;
        self.write(&format!("{name}.fsb"), &bundle)?;
        self.write(&format!("{name}.f32.onnx"), &subject.onnx)?;
        self.write(&format!("{name}.int8.onnx"), &subject.onnx_int8)?;
        self.write(&format!("{name}.json"), &about)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path: &Path = &self.folder.join(name);
        std::fs::write(path, bytes).map_err(Failure::at(path.display()))
    }
}

fn about(subject: &Subject, bundle: &[u8]) -> Result<About> {
    let scorer = Scorer::open(bundle.to_vec(), &[subject.key])?;
    let applications = match &subject.shipped {
        Some(_) => golden(&scorer)?,
        None => drawn(&scorer),
    };
    let mut float = (tract::candidate("f32", &subject.onnx, subject.rows.width).open)(1)?;
    let mut rows = Vec::new();
    for envelope in applications {
        let application = envelope.application(&scorer)?;
        let features = scorer.features(&application)?;
        let mut output = [0.0];
        float.run(&features, &mut output)?;
        let decision = scorer.score(&application)?;
        rows.push(Row {
            application: envelope,
            features,
            output: output[0],
            score: decision.score,
            probability_ppm: decision.probability_ppm,
        });
    }
    let log_odds = |x: i32| f64::from(x) / f64::from(LOG_ODDS_ONE);
    let knots = scorer.decide().calibration.knots.iter();
    Ok(About {
        model: subject.name,
        key: subject.key.iter().map(|b| format!("{b:02x}")).collect(),
        calibration: knots.map(|k| (log_odds(k.0), log_odds(k.1))).collect(),
        rows,
    })
}

impl Envelope {
    fn new(number: usize, values: Map<String, Value>) -> Self {
        Self {
            id: format!("A-{number:04}"),
            as_of: fixture::today().to_string(),
            values,
        }
    }

    /// The same for this program.
    fn application(&self, scorer: &Scorer) -> Result<Application> {
        let mut application = scorer.application(&self.id, fixture::today());
        for (name, value) in &self.values {
            let text = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            application.set_text(name, &text, DecimalMark::Point)?;
        }
        Ok(application)
    }
}

/// Values inside the range of every field, which are all decimals.
fn drawn(scorer: &Scorer) -> Vec<Envelope> {
    let mut random = Random::new(20_260_902);
    let envelope = |number| {
        let fields = scorer.schema().fields().iter();
        let values = fields.map(|field| {
            let (low, high) = field.range.unwrap_or((0, 0));
            let value = random.whole(low, high) as f64 / 1000.0;
            (field.name.clone(), Value::from(value))
        });
        Envelope::new(number, values.collect())
    };
    (0..ROWS).map(envelope).collect()
}

/// The first golden applications: numbers as numbers, as a page would have them of its inputs.
fn golden(scorer: &Scorer) -> Result<Vec<Envelope>> {
    let path = applications_file();
    let text = std::fs::read_to_string(&path).map_err(Failure::at(path.display()))?;
    let mut lines = text.lines().map(|line| line.split(','));
    let header: Vec<&str> = lines.next().into_iter().flatten().collect();
    let mut out = Vec::new();
    for (number, line) in lines.take(ROWS).enumerate() {
        let mut values = Map::new();
        for (name, text) in header.iter().zip(line) {
            let fields = scorer.schema().fields();
            if let Some(field) = fields.iter().find(|field| field.name == *name) {
                values.insert((*name).to_owned(), value(field, text)?);
            }
        }
        out.push(Envelope::new(number, values));
    }
    Ok(out)
}

fn value(field: &Field, text: &str) -> Result<Value> {
    match field.kind {
        FieldKind::Integer | FieldKind::Decimal { .. } | FieldKind::Money { .. }
            if !text.is_empty() =>
        {
            serde_json::from_str(text).map_err(Failure::at(&field.name))
        }
        _ => Ok(Value::from(text)),
    }
}
