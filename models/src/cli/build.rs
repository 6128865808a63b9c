//! `fieldscore build`: a recipe becomes a signed bundle.

use std::path::{Path, PathBuf};

use comfy_table::{Cell, CellAlignment, Table, presets};

pub(super) use fieldscore_cli::write_whole;

use crate::build::{Built, Gate, Summary, build_with};
use crate::cli::fairness::{tables as fairness_tables, warn};
use crate::cli::{Exit, Sink, say, soundness};
use crate::error::{Error, Result, io};
use crate::evaluate::bootstrap::Discrimination;
use crate::evaluate::intervals::Interval;
use crate::keys::{Signing, is_development};
use crate::pages::{COMPRESSED, build_page};

/// Build a bundle from a recipe: import, calibrate, prune, quantise, gate, pack, sign
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fieldscore build models/zoo/credit
  fieldscore build my-model -o my-model.fsb --report report --key keys/signing.pem

A gate that fails ends with status 1 and without a bundle; the report says what each layer
costs, and the hint which line of the recipe would mend it.")]
pub struct BuildArgs {
    /// The recipe's folder, or the recipe file itself
    recipe: PathBuf,
    /// Where the bundle goes [default: PRODUCT.fsb in this folder]
    #[arg(short, long, value_name = "OUT.fsb")]
    output: Option<PathBuf>,
    /// Write the model handed in as a bundle of its own, for `evaluate --float`
    #[arg(long, value_name = "FLOAT.fsb")]
    float: Option<PathBuf>,
    /// Write an HTML report into this folder
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Sign with this private key [default: the development key, which proves nothing]
    #[arg(long, value_name = "PRIVATE.pem")]
    key: Option<PathBuf>,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

/// Builds a bundle.
///
/// # Errors
/// Where recipe, data or model are at fault, or a file cannot be written.
pub fn run(args: BuildArgs) -> Result<Exit> {
    let key = args.key.as_deref().map(Signing::read).transpose()?;
    let key = key.unwrap_or_else(Signing::development);
    let with_float = args.float.is_some();
    let built = build_with(&args.recipe, &key, with_float, &mut |what| {
        log::info!("{what}");
    })?;
    if let Some(folder) = &args.report {
        say::note(format!(
            "report: {}",
            write_report(&built, folder)?.display()
        ));
    }
    let text = if args.json {
        let json = serde_json::to_string(&built.summary)
            .map_err(|e| Error::check("figures", format!("figures that JSON can say ({e})")))?;
        format!("{json}\n")
    } else {
        tables(&built.summary)
    };
    Sink::stdout().print(&text)?;
    let open = &built.summary.open_texts;
    if !open.is_empty() {
        say::warn(format!(
            "{} texts are still to be written: {}",
            open.len(),
            open.join(", ")
        ));
    }
    warn(&built.summary.fairness, COMPRESSED);
    if let Some((path, float)) = args.float.as_ref().zip(built.float.as_ref()) {
        write_whole(path, float)?;
        say::note(format!("float: {} ({} bytes)", path.display(), float.len()));
    }
    if !built.summary.protection_unstated.is_empty() {
        say::warn(format!(
            "the recipe doesn't say whether these fields are protected: {}",
            built.summary.protection_unstated.join(", ")
        ));
        say::hint(
            "in recipe.toml: [fields.NAME] protected = true (and a justification where it is used), or false",
        );
    }
    let Some(bundle) = &built.bundle else {
        explain_failure(&built.summary);
        soundness::explain_failure(&built.summary.soundness);
        return Ok(Exit::Failed);
    };
    let output = args
        .output
        .unwrap_or_else(|| PathBuf::from(format!("{}.fsb", built.summary.product)));
    write_whole(&output, bundle)?;
    say::note(format!(
        "bundle: {} ({} bytes)",
        output.display(),
        bundle.len()
    ));
    if is_development(&key.id()) {
        say::warn("signed with the development key, whose secret is public: for trials only");
        say::hint(
            "`fieldscore key new DIR` makes a key, `build --key DIR/signing.pem` signs with it",
        );
    }
    Ok(Exit::Done)
}

/// Writes the HTML report and says where.
///
/// # Errors
/// Where it cannot be drawn or written.
pub(super) fn write_report(built: &Built, folder: &Path) -> Result<PathBuf> {
    let page = build_page(built)?;
    std::fs::create_dir_all(folder).map_err(|e| io(folder, &e))?;
    let path = folder.join("build.html");
    write_whole(&path, page.as_bytes())?;
    Ok(path)
}

/// What a failed gate cost, and the line of the recipe that would mend it.
fn explain_failure(summary: &Summary) {
    if !summary.fairness.passed {
        say::error_text("gate fairness: compression treats a group worse than the model handed in");
        say::hint(
            "in recipe.toml: compile.precision = \"auto\" with a lower gates.int8.flips, or a smaller compile.prune",
        );
    }
    for gate in summary.gates.iter().filter(|gate| !gate.passed) {
        say::error_text(format!(
            "gate {}: expected |ΔAUC| ≤ {}, |ΔKS| ≤ {}, flips ≤ {}; measured {:+.4}, {:+.4}, {:.4}",
            gate.name,
            gate.limits.auc,
            gate.limits.ks,
            gate.limits.flips,
            gate.difference.auc.value,
            gate.difference.ks.value,
            gate.flips.share.value,
        ));
        if gate.name == "int8" {
            let costliest = summary
                .layers
                .iter()
                .filter(|layer| layer.precision == "int8")
                .max_by(|a, b| {
                    a.flips
                        .total_cmp(&b.flips)
                        .then(a.auc.abs().total_cmp(&b.auc.abs()))
                });
            match costliest {
                Some(layer) => say::hint(format!(
                    "in recipe.toml: [compile.layers] \"{}\" = \"f32\", or compile.precision = \"auto\"",
                    layer.name
                )),
                None => say::hint("in recipe.toml: compile.precision = \"f32\""),
            }
        } else {
            say::hint(
                "in recipe.toml: a smaller compile.prune, or more compile.calibration_rows; or train a wider net",
            );
        }
    }
}

/// The figures of a build, for people.
fn tables(summary: &Summary) -> String {
    let mut out = String::new();
    let [train, validation, test] = summary.rows;
    let heading = format!(
        "{} {}: {train} training rows ({} for calibration), {validation} validation, {test} test\n\n",
        summary.product, summary.sequence, summary.calibration_rows
    );
    out.push_str(&heading);
    if summary.engine != "plan" {
        out.push_str(&format!(
            "executed by {} on native builds that have it; only plan promises the same bytes everywhere\n\n",
            summary.engine
        ));
    }
    out.push_str(&comparison(summary, None));
    // What is exact already has no gates and no layers.
    if !summary.gates.is_empty() {
        out.push_str("\n\n");
        out.push_str(&gates(&summary.gates));
    }
    if !summary.layers.is_empty() {
        out.push_str("\n\n");
        out.push_str(&layers(summary));
    }
    for output in &summary.outputs {
        let figure = |measured: &Option<Discrimination>| match measured {
            Some(measured) => format!("{:.4}", measured.auc),
            None => "not measured".to_owned(),
        };
        out.push_str(&format!(
            "\n\n{}: AUC {} in float, {} in the bundle",
            output.name,
            figure(&output.float),
            figure(&output.bundle)
        ));
    }
    if let Some(native) = &summary.native {
        let line = format!(
            "\n\nagainst the {} file: {} of {} test rows end in another leaf, log-odds differ by {:.2e} at most",
            native.library, native.rows_that_change_leaf, native.rows, native.largest_difference
        );
        out.push_str(&line);
    }
    out.push_str(&soundness::text(&summary.soundness));
    out.push_str(&fairness_tables(&summary.fairness, COMPRESSED));
    out.push('\n');
    out
}

/// The float model against the bundle. `times` are nanoseconds a score of both.
pub(super) fn comparison(summary: &Summary, times: Option<[f64; 2]>) -> String {
    // Nets alone are pruned; of other families the column is not there.
    let is_pruned = summary.discrimination.pruned.is_some();
    let cells = |name: &str, float: String, pruned: String, bundle: String| {
        let cells = [name.to_owned(), float].into_iter();
        cells.chain(is_pruned.then_some(pruned)).chain([bundle])
    };
    let titles = ["handed in", "pruned", "bundle"].map(str::to_owned);
    let [float, pruned, bundle] = titles;
    let mut table = new_table(cells("", float, pruned, bundle));
    let mut row = |name: &str, float: String, pruned: String, bundle: String| {
        table.add_row(cells(name, float, pruned, bundle));
    };
    let (float, bundle) = (&summary.float, &summary.bundle);
    let shape = &bundle.shape;
    row("shape", float.shape.clone(), shape.clone(), shape.clone());
    row(
        "parameters",
        float.parameters.to_string(),
        bundle.parameters.to_string(),
        bundle.parameters.to_string(),
    );
    row(
        "bytes of plan and weights",
        float.bytes.to_string(),
        (bundle.parameters * 4).to_string(),
        format!(
            "{} ({:.2} of what was handed in)",
            bundle.bytes,
            bundle.bytes as f64 / float.bytes as f64
        ),
    );
    let steps = match summary.family {
        "net" | "scorecard" | "linear pipeline" | "model file" => "multiply-adds",
        _ => "comparisons",
    };
    row(
        steps,
        float.multiply_adds.to_string(),
        bundle.multiply_adds.to_string(),
        bundle.multiply_adds.to_string(),
    );
    type Pick = fn(&Discrimination) -> Interval;
    let picks: [(&str, Pick); 5] = [
        ("AUC", |d| d.auc),
        ("Gini", |d| d.gini),
        ("KS", |d| d.ks),
        ("Brier score", |d| d.brier),
        ("calibration error", |d| d.ece),
    ];
    let measured = &summary.discrimination;
    for (name, pick) in picks {
        row(
            name,
            figure(pick(&measured.float)),
            measured
                .pruned
                .as_ref()
                .map_or_else(String::new, |d| figure(pick(d))),
            figure(pick(&measured.bundle)),
        );
    }
    let flipped = |name: &str| {
        let gate = summary.gates.iter().find(|gate| gate.name == name);
        gate.map_or_else(
            || "–".to_owned(),
            |gate| format!("{} of {}", gate.flips.count, gate.flips.rows),
        )
    };
    row(
        "outcomes flipped by this step",
        "–".to_owned(),
        flipped("pruned"),
        flipped("int8"),
    );
    if let Some([float, bundle]) = times {
        let micro = |ns: f64| format!("{:.2}", ns / 1000.0);
        row(
            "microseconds a score",
            micro(float),
            "–".to_owned(),
            micro(bundle),
        );
    }
    table.to_string()
}

fn figure(interval: Interval) -> String {
    format!("{interval:.3}")
}

fn gates(gates: &[Gate]) -> String {
    let mut table = new_table(["gate", "ΔAUC (limit)", "ΔKS (limit)", "flips (limit)", ""]);
    for gate in gates {
        table.add_row([
            gate.name.to_owned(),
            format!("{:+.4} ({})", gate.difference.auc.value, gate.limits.auc),
            format!("{:+.4} ({})", gate.difference.ks.value, gate.limits.ks),
            format!(
                "{:.2} % ({} %){}",
                gate.flips.share.value * 100.0,
                gate.limits.flips * 100.0,
                if gate.unlabelled {
                    ", unlabelled rows too"
                } else {
                    ""
                }
            ),
            if gate.passed {
                "holds".to_owned()
            } else {
                "FAILS".to_owned()
            },
        ]);
    }
    table.to_string()
}

fn layers(summary: &Summary) -> String {
    let mut table = new_table([
        "layer",
        "shape",
        "in the bundle",
        "int8 alone: ΔAUC",
        "flips",
    ]);
    for layer in &summary.layers {
        table.add_row([
            layer.name.clone(),
            format!("{} → {}", layer.shape[0], layer.shape[1]),
            layer.precision.to_owned(),
            format!("{:+.4}", layer.auc),
            format!("{:.2} %", layer.flips * 100.0),
        ]);
    }
    table.to_string()
}

pub(super) fn new_table<T: Into<Cell>>(header: impl IntoIterator<Item = T>) -> Table {
    let header: Vec<Cell> = header.into_iter().map(Into::into).collect();
    let columns = header.len();
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    for at in 1..columns {
        if let Some(column) = table.column_mut(at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}
