//! Building: recipe, data and model in, one signed bundle out, or a gate that says why not.

mod calibration;
mod card;
mod challenger;
mod compress;
mod fair;
mod gate;
mod histogram;
mod isotonic;
mod monotone;
mod outputs;
mod pack;
mod reference;
mod soundness;
mod stages;

use std::path::Path;

use fieldscore_runtime::decide::{DecideParts, ScoreScale};
use fieldscore_runtime::schema::Schema;
use fieldscore_runtime::schema::transform::Transforms;
use fieldscore_runtime::{Application, Outcome, Scorer};
use indexmap::IndexMap;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use std::sync::Arc;

pub use compress::LayerCost;
pub use fair::treatment;
pub use gate::{Gate, LimitsShown};
pub use pack::{Contents, draw, pack, pack_float, scorer};
pub use stages::Stages;

use crate::compile::net::Rows;
use crate::compile::trees::Native;
use crate::compile::{Program, Size, Source};
use crate::data::{self, Part, Reading, Table};
use crate::error::{Error, Result};
use crate::evaluate::bootstrap::Discrimination;
use crate::evaluate::fairness::{self, Fairness};
use crate::evaluate::intervals::Interval;
use crate::evaluate::scored::Scored;
use crate::evaluate::soundness::{Kept, Soundness};
use crate::keys::Signing;
use crate::recipe::{self, GroupColumn, Loaded, ProtectedField, Recipe};
use compress::Compressed;
use outputs::{Trial, log_odds};

/// Everything that a build found out.
#[derive(Debug, Clone)]
pub struct Built {
    /// The bundle; `None` where a gate failed.
    pub bundle: Option<Vec<u8>>,
    /// The model handed in as a bundle of its own, where that was asked for.
    pub float: Option<Vec<u8>>,
    /// Figures for people and programs.
    pub summary: Summary,
    /// The test part, for plots.
    pub test: TestPart,
}

/// The test part as the model scores it at every stage.
#[derive(Debug, Clone)]
pub struct TestPart {
    /// Labels.
    pub bad: Vec<bool>,
    /// What each stage says of it.
    pub scored: Stages<Scored>,
}

/// The figures of a build.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// The product's name.
    pub product: String,
    /// Its sequence number.
    pub sequence: u64,
    /// Rows of the train, validation and test part.
    pub rows: [usize; 3],
    /// Rows that ranges and corrections were fitted on.
    pub calibration_rows: usize,
    /// The engine that executes the bundle.
    pub engine: String,
    /// The family of the model handed in.
    pub family: &'static str,
    /// Size of the model handed in.
    pub float: Size,
    /// Size of the bundle's plan.
    pub bundle: Size,
    /// Test figures of every stage.
    pub discrimination: Stages<Discrimination>,
    /// The probabilities beside the score's, on the test part.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<OutputFigures>,
    /// The gates; none where nothing is compressed.
    pub gates: Vec<Gate>,
    /// The converted model against the file that it was made from, where the recipe gives that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub native: Option<Native>,
    /// What int8 costs, layer by layer, on the validation part.
    pub layers: Vec<LayerCost>,
    /// Outcomes by group on the test part.
    pub groups: Vec<GroupRow>,
    /// How the bundle's outcomes treat groups on the test part, against those of the model handed in.
    pub fairness: Fairness,
    /// Calibration, monotone fields, stability, lift and cut-offs on the test part.
    pub soundness: Soundness,
    /// What the card keeps for [`Soundness`] of later rows.
    #[serde(skip)]
    pub kept: Kept,
    /// The reference applicant's score.
    pub reference_score: i32,
    /// Evaluations that an explanation costs.
    pub explanation_cost: usize,
    /// Texts that are still to be written.
    pub open_texts: Vec<String>,
    /// Protected fields, what reads them, and why it may.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub protected: Vec<ProtectedField>,
    /// Fields whose names say that they may be protected, while the recipe doesn't say whether they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub protection_unstated: Vec<String>,
    /// Hashes of model, data and recipe.
    pub provenance: Provenance,
}

/// One group of the test part.
#[derive(Debug, Clone, Serialize)]
pub struct GroupRow {
    /// The column.
    pub column: String,
    /// The group.
    pub group: String,
    /// How many rows.
    pub rows: usize,
    /// Share of bad loans.
    pub bad_rate: Option<Interval>,
    /// Share approved by the model handed in.
    pub approved_float: Option<Interval>,
    /// Share approved by the bundle.
    pub approved_bundle: Option<Interval>,
    /// Outcomes that differ between the two.
    pub flips: usize,
}

/// A probability beside the score's, on the test part.
#[derive(Debug, Clone, Serialize)]
pub struct OutputFigures {
    /// Its name.
    pub name: String,
    /// The figures of the model handed in; none without a label.
    pub float: Option<Discrimination>,
    /// The figures of the bundle; none without a label.
    pub bundle: Option<Discrimination>,
}

/// Where a bundle came from.
#[derive(Debug, Clone, Serialize)]
pub struct Provenance {
    /// The compiler's version.
    pub tool: String,
    /// SHA-256 of the model file.
    pub model_sha256: String,
    /// SHA-256 of the labelled rows.
    pub data_sha256: String,
    /// SHA-256 of the files with the rows of tables, by field.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub tables_sha256: IndexMap<String, String>,
    /// SHA-256 of the merged recipe.
    pub recipe_sha256: String,
    /// The label column and its bad value, as `evaluate` expects them.
    pub label: [String; 2],
    /// Cells that mean a missing value in the data.
    pub missing: Vec<String>,
    /// The column that identifies a row.
    pub id: Option<String>,
    /// Label columns of the probabilities beside the score's, and their bad values.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub outputs: IndexMap<String, [String; 2]>,
    /// Columns whose groups are compared.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub groups: IndexMap<String, GroupColumn>,
    /// What their treatment is held against.
    pub fairness: fairness::Limits,
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Builds the recipe of `folder`; `progress` is told what is being done.
///
/// # Errors
/// Where anything of the input is at fault. A failed gate is no error: [`Built::bundle`] is `None`.
pub fn build(folder: &Path, key: &Signing, progress: &mut dyn FnMut(&str)) -> Result<Built> {
    build_with(folder, key, false, progress)
}

/// As [`build`]; `float` asks for the model handed in as a bundle of its own too.
///
/// # Errors
/// As [`build`], and where the model handed in cannot be a bundle.
pub fn build_with(
    folder: &Path,
    key: &Signing,
    float: bool,
    progress: &mut dyn FnMut(&str),
) -> Result<Built> {
    let as_bundle = float;
    progress("reading recipe, model and data");
    let loaded = recipe::load(folder)?;
    let source = Source::open(&loaded.recipe)?;
    let workshop = Workshop::open(&loaded, &source)?;
    let challenger = loaded.recipe.challenger.as_ref();
    let challenger = challenger
        .map(|own| challenger::section(own, &workshop.lowered, key))
        .transpose()?;
    if source.inputs() != workshop.transforms.width() {
        return Err(Error::input(
            "model.features",
            format!(
                "features that make the model's {} inputs, not {}",
                source.inputs(),
                workshop.transforms.width()
            ),
        ));
    }
    let protected = recipe::protected::protected(&loaded.recipe, &workshop.lowered)?;
    workshop.check_gaps(&source)?;
    progress("checking it against its own library");
    let features = workshop.features(&workshop.calibration)?;
    source.check(&features)?;
    let float = source.lower()?;
    let rows = features.narrow();
    let bench = Bench::new(&workshop, &source, &float, &rows)?;
    if let (Source::Blend(blend), Some(sum)) = (&source, &bench.decide.blend) {
        blend.hold(&features, sum)?;
    }
    let compressed = compress::compress(&bench, &source, progress)?;
    progress("measuring on the test part");
    let measured = Measured::new(&bench, &float, &compressed)?;
    let gates = measured.gates(&bench, &compressed)?;
    let native = workshop.native(&source)?;
    let fairness = measured.fairness(&workshop)?;
    progress("proving and searching");
    let (kept, soundness) = soundness::measure(&bench, &source, &compressed, &measured)?;
    let gates_hold = gates.iter().all(|gate| gate.passed);
    let passed = gates_hold && fairness.passed && soundness.passed();
    let model = compressed.bundle(&float);
    let summary = Summary {
        product: loaded.recipe.product.id.clone(),
        sequence: loaded.recipe.product.sequence,
        rows: workshop.counts(),
        calibration_rows: rows.len(),
        engine: model.engine().to_string(),
        family: source.family(),
        float: source.size(),
        bundle: compressed.size.clone(),
        discrimination: measured.discrimination()?,
        outputs: measured.outputs(&bench)?,
        gates,
        layers: compressed.layers.clone(),
        native,
        groups: fairness.groups().filter_map(GroupRow::of).collect(),
        fairness,
        soundness,
        kept,
        reference_score: bench.reference_score,
        explanation_cost: measured.scorers.bundle.explanation_cost(),
        open_texts: recipe::open_texts(&loaded.recipe),
        protected,
        protection_unstated: recipe::protected::unstated(&loaded.recipe),
        provenance: workshop.provenance(&loaded, source.sha256()),
    };
    let bundle = if passed {
        progress("packing and signing");
        let card = card(&workshop, &summary);
        let provenance = serde_json::to_value(&summary.provenance).unwrap_or_default();
        let histogram = match loaded.recipe.data.histogram {
            true => Some(histogram::histogram(&workshop, &measured.scorers.bundle)?),
            false => None,
        };
        Some(pack(
            Contents {
                card: Some(&card),
                provenance: Some(&provenance),
                histogram: histogram.as_ref(),
                challenger: challenger.as_deref(),
                ..bench.contents(model)
            },
            key,
        )?)
    } else {
        None
    };
    let float = as_bundle.then(|| pack_float(bench.contents(&float), key));
    Ok(Built {
        bundle,
        float: float.transpose()?,
        summary,
        test: measured.test,
    })
}

/// Recipe, data and transforms.
struct Workshop<'r> {
    recipe: &'r Recipe,
    lowered: recipe::Lowered,
    schema: Arc<Schema>,
    transforms: Transforms,
    table: Table,
    reading: Reading,
    bad: Vec<bool>,
    train: Vec<usize>,
    validation: Vec<usize>,
    test: Vec<usize>,
    calibration: Vec<usize>,
    unlabelled: Option<Table>,
}

impl<'r> Workshop<'r> {
    fn open(loaded: &'r Loaded, source: &Source) -> Result<Self> {
        let recipe = &loaded.recipe;
        let lowered = recipe::lower_for(recipe, &source.reads(recipe))?;
        let schema = Arc::new(Schema::new(lowered.schema.clone(), [0; 32])?);
        let transforms = Transforms::new(lowered.transforms.clone(), schema.fields())?;
        let (table, parts) = data::parts(recipe)?;
        let bad = data::labels(&table, &recipe.data.label)?;
        let reading = Reading::of(recipe)?;
        let of = |part| {
            (0..parts.len())
                .filter(|&row| parts[row] == part)
                .collect::<Vec<_>>()
        };
        let train = of(Part::Train);
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut calibration = train.clone();
        for end in (1..calibration.len()).rev() {
            calibration.swap(end, (random.next_u64() % (end as u64 + 1)) as usize);
        }
        calibration.truncate(recipe.compile.calibration_rows);
        calibration.sort_unstable();
        let unlabelled = recipe
            .data
            .unlabelled
            .as_deref()
            .map(Table::read)
            .transpose()?;
        Ok(Self {
            validation: of(Part::Validation),
            test: of(Part::Test),
            recipe,
            lowered,
            schema,
            transforms,
            table,
            reading,
            bad,
            train,
            calibration,
            unlabelled,
        })
    }

    fn counts(&self) -> [usize; 3] {
        [self.train.len(), self.validation.len(), self.test.len()]
    }

    /// The features of some rows.
    fn features(&self, indices: &[usize]) -> Result<Rows<f64>> {
        let table = self.table.select(indices);
        let mut values = Vec::with_capacity(indices.len() * self.transforms.width());
        let applications = self.reading.applications(&table, &self.schema)?;
        for (row, application) in applications.iter().enumerate() {
            let features = self.transforms.features_f64(application);
            values.extend(features.map_err(|e| Error::from(e).within(table.place(row, "")))?);
        }
        Ok(Rows::new(self.transforms.width(), values))
    }

    /// Missing values may stay missing only where the model takes them.
    fn check_gaps(&self, source: &Source) -> Result<()> {
        let gap = |name: &&String| {
            let feature = self.recipe.features.get(*name);
            feature.is_some_and(|feature| feature.impute.is_some_and(f64::is_nan))
        };
        match source.never_missing(self.recipe).into_iter().find(gap) {
            Some(name) => Err(Error::input(
                format!("features.{name}.impute"),
                "a number, because a net cannot read missing values",
            )
            .hint("the number that it was trained with; nan is for trees")),
            None => Ok(()),
        }
    }

    /// A conversion against its original on the test part, where the recipe gives one.
    fn native(&self, source: &Source) -> Result<Option<Native>> {
        let Some(path) = &self.recipe.model.native else {
            return Ok(None);
        };
        let Source::Trees(converted) = source else {
            return Err(Error::input(
                "model.native",
                "nothing, because model.file is no ensemble of trees",
            ));
        };
        let rows = self.features(&self.test)?;
        Native::compare(path, &converted.forest, &rows).map(Some)
    }

    fn labels(&self, indices: &[usize]) -> Vec<bool> {
        indices.iter().map(|&row| self.bad[row]).collect()
    }

    fn applications(&self, table: &Table, scorer: &Scorer) -> Result<Vec<Application>> {
        self.reading.applications(table, scorer.schema())
    }

    /// What a bundle says of some rows of the data.
    fn score(&self, scorer: &Scorer, indices: &[usize]) -> Result<Scored> {
        let table = self.table.select(indices);
        let applications = self.applications(&table, scorer)?;
        Scored::of(scorer, &applications, |row| table.place(row, ""))
    }

    fn provenance(&self, loaded: &Loaded, model: &[u8; 32]) -> Provenance {
        let data = &self.recipe.data;
        Provenance {
            tool: format!("fieldscore {}", env!("CARGO_PKG_VERSION")),
            model_sha256: hex(model),
            data_sha256: hex(&self.table.sha256()),
            tables_sha256: self
                .reading
                .tables
                .iter()
                .map(|rows| (rows.field().to_owned(), hex(&rows.sha256())))
                .collect(),
            recipe_sha256: hex(&loaded.sha256),
            label: [data.label.column.clone(), data.label.bad.clone()],
            missing: data.missing.clone(),
            id: data.id.clone(),
            groups: data.groups.clone(),
            fairness: self.recipe.gates.fairness,
            outputs: self
                .recipe
                .outputs
                .iter()
                .filter_map(|(name, output)| {
                    let label = output.label.as_ref()?;
                    Some((name.clone(), [label.column.clone(), label.bad.clone()]))
                })
                .collect(),
        }
    }
}

/// Models under trial: everything but the plan is fixed.
struct Bench<'w> {
    workshop: &'w Workshop<'w>,
    rows: &'w Rows,
    decide: DecideParts,
    reference_score: i32,
}

impl<'w> Bench<'w> {
    fn new(
        workshop: &'w Workshop<'w>,
        source: &Source,
        float: &Program,
        rows: &'w Rows,
    ) -> Result<Self> {
        let recipe = workshop.recipe;
        let score = &recipe.score;
        let scale = ScoreScale::new(
            score.base_score,
            score.base_odds,
            score.points_to_double_odds,
            score.floor,
            score.ceiling,
        );
        let validation = workshop.features(&workshop.validation)?;
        let labels = workshop.labels(&workshop.validation);
        let trial = Trial {
            recipe,
            source,
            float,
            rows: &validation,
        };
        let (output, blend) = trial.score(&labels)?;
        let log_odds = log_odds(&float.run(&validation, blend.as_ref())?, output, scale);
        let mut bench = Self {
            workshop,
            rows,
            decide: DecideParts {
                blend,
                others: trial.others(|label| {
                    let table = workshop.table.select(&workshop.validation);
                    data::labels(&table, label)
                })?,
                output,
                calibration: calibration::fit(recipe.probability.calibration, &labels, &log_odds)?,
                scale,
                reference: reference::choose(workshop)?,
                budget: recipe.compile.contribution_budget,
            },
            reference_score: 0,
        };
        let scorer = bench.scorer(float)?;
        let (_, decision) = scorer.reference()?;
        if decision.outcome != Outcome::Approve {
            return Err(Error::check(
                "reference",
                format!(
                    "a reference applicant who is approved, not one who gets {}",
                    decision.outcome
                ),
            )
            .hint("give [reference] values, or look at policy.approve_from"));
        }
        bench.reference_score = decision.score;
        Ok(bench)
    }

    fn contents<'a>(&'a self, model: &'a Program) -> Contents<'a> {
        Contents {
            recipe: self.workshop.recipe,
            lowered: &self.workshop.lowered,
            model,
            decide: &self.decide,
            card: None,
            provenance: None,
            histogram: None,
            challenger: None,
        }
    }

    fn scorer(&self, model: &Program) -> Result<Scorer> {
        scorer(self.contents(model)).map_err(|e| self.explain_budget(e))
    }

    /// A budget that is too small is the recipe's affair, not the bundle's.
    fn explain_budget(&self, error: Error) -> Error {
        let schema = &self.workshop.schema;
        let groups = schema.groups().iter().enumerate().map(|(at, group)| {
            let own = schema.fields().iter();
            let own = own.filter(|field| usize::from(field.group) == at);
            (own.count(), vec![group.name.as_str()])
        });
        match recipe::budget::refusal(groups.collect(), self.decide.budget as usize) {
            Some((what, hint)) => Error::input("compile.contribution_budget", what).hint(hint),
            None => error,
        }
    }
}

/// Every stage on the test part: read once, at the end.
struct Measured {
    scorers: Stages<Scorer>,
    test: TestPart,
}

impl Measured {
    fn new(bench: &Bench<'_>, float: &Program, compressed: &Compressed) -> Result<Self> {
        let scorers = compressed
            .stages(float)
            .try_map(|model| bench.scorer(model))?;
        let workshop = bench.workshop;
        let test = TestPart {
            bad: workshop.labels(&workshop.test),
            scored: scorers.try_map(|scorer| workshop.score(scorer, &workshop.test))?,
        };
        Ok(Self { scorers, test })
    }

    fn gates(&self, bench: &Bench<'_>, compressed: &Compressed) -> Result<Vec<Gate>> {
        let limits = bench.workshop.recipe.gates;
        let (scored, scorers) = (&self.test.scored, &self.scorers);
        let outcomes = |scorer: &Scorer| -> Result<Option<Vec<Outcome>>> {
            let Some(table) = &bench.workshop.unlabelled else {
                return Ok(None);
            };
            let applications = bench.workshop.applications(table, scorer)?;
            Ok(Some(
                Scored::of(scorer, &applications, |row| table.place(row, ""))?.outcome,
            ))
        };
        let compare = |name, limits, from: (&Scored, &Scorer), to: (&Scored, &Scorer)| {
            let more = outcomes(from.1)?.zip(outcomes(to.1)?);
            let more = more.as_ref().map(|(a, b)| (a.as_slice(), b.as_slice()));
            gate::compare(name, limits, &self.test.bad, (from.0, to.0), more)
        };
        let mut gates = Vec::new();
        if let (Some(pruned), Some(scorer)) = (&scored.pruned, &scorers.pruned) {
            let float = (&scored.float, &scorers.float);
            gates.push(compare("pruned", limits.pruned, float, (pruned, scorer))?);
        }
        if compressed.quantised.is_some() {
            let from = (scored.unquantised(), scorers.unquantised());
            let to = (&scored.bundle, &scorers.bundle);
            gates.push(compare("int8", limits.int8, from, to)?);
        }
        Ok(gates)
    }

    fn discrimination(&self) -> Result<Stages<Discrimination>> {
        self.test
            .scored
            .try_map(|scored| scored.measure(&self.test.bad))
    }

    /// The probabilities beside the score's, each on its own labels.
    fn outputs(&self, bench: &Bench<'_>) -> Result<Vec<OutputFigures>> {
        let workshop = bench.workshop;
        let table = workshop.table.select(&workshop.test);
        let others = bench.decide.others.iter().enumerate();
        let figures = others.map(|(at, other)| {
            let named = workshop.recipe.outputs.get(&other.name);
            let label = named.and_then(|output| output.label.as_ref());
            let bad = label.map(|label| data::labels(&table, label)).transpose()?;
            let measure = |scored: &Scored| {
                let bad = bad.as_ref();
                bad.map(|bad| scored.measure_other(at, bad)).transpose()
            };
            Ok(OutputFigures {
                name: other.name.clone(),
                float: measure(&self.test.scored.float)?,
                bundle: measure(&self.test.scored.bundle)?,
            })
        });
        figures.collect()
    }

    /// How outcomes treat groups, and where compression changed them.
    fn fairness(&self, workshop: &Workshop<'_>) -> Result<Fairness> {
        let recipe = workshop.recipe;
        let Stages { float, bundle, .. } = &self.test.scored;
        let policy = &workshop.lowered.policy;
        treatment(
            (
                &workshop.table.select(&workshop.test),
                &recipe.data.groups,
                &recipe.data.missing,
            ),
            (Some(float), bundle),
            [policy.refer_from, policy.approve_from],
            &self.test.bad,
            recipe.gates.fairness,
        )
    }
}

impl GroupRow {
    /// The row of a group whose outcomes are compared with those of the model handed in.
    fn of((column, group): (&fairness::Column, &fairness::Group)) -> Option<Self> {
        Some(Self {
            column: column.column.clone(),
            group: group.group.clone(),
            rows: group.rows,
            bad_rate: group.bad_rate,
            approved_float: Some(group.before?.selection),
            approved_bundle: Some(group.now.selection),
            flips: group.change?.flips.count,
        })
    }
}

/// What the bundle says of itself to people: purpose, data, figures, limits.
fn card(workshop: &Workshop<'_>, summary: &Summary) -> serde_json::Value {
    let recipe = workshop.recipe;
    card::written(serde_json::json!({
        "card": card::VERSION,
        "purpose": recipe.product.purpose,
        "statement": recipe.card,
        "data": card::DataFacts::of(workshop),
        "compression": card::CompressionFacts::of(recipe),
        "reference_given": recipe.reference.is_some(),
        "rows": { "train": summary.rows[0], "validation": summary.rows[1], "test": summary.rows[2] },
        "engine": summary.engine,
        "family": summary.family,
        "test": summary.discrimination,
        "outputs": summary.outputs,
        "gates": card::gates(&summary.gates),
        "native": summary.native,
        "layers": summary.layers,
        "size": { "float": summary.float, "bundle": summary.bundle },
        "groups": summary.groups,
        "fairness": card::fairness(&summary.fairness),
        "soundness": {
            "calibration": summary.soundness.calibration,
            "monotone": summary.soundness.monotone,
            "lift": summary.soundness.lift,
        },
        "kept": summary.kept,
        "reference_score": summary.reference_score,
        "open_texts": summary.open_texts,
        "protected": summary.protected,
    }))
}
