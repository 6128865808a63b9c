//! `fieldscore demo`: the whole way on the reference model.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Parser;
use fieldscore_runtime::Scorer;

use crate::build::{Built, build};
use crate::cli::build::{comparison, write_report, write_whole};
use crate::cli::{Exit, Sink, say, score};
use crate::compile::{calibrate, import};
use crate::data::{Reading, Table};
use crate::error::{Error, Result};
use crate::keys::Signing;
use crate::recipe;

/// Build the credit bundle, score the sample applications, show the decisions
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// The recipe's folder [default: models/zoo/credit, here or in a folder above]
    #[arg(long, value_name = "DIR")]
    recipe: Option<PathBuf>,
    /// Where bundle and report go
    #[arg(long, value_name = "DIR", default_value = "target/demo")]
    output: PathBuf,
    /// Language of the reasons, a BCP-47 tag
    #[arg(long, value_name = "TAG", default_value = "en")]
    language: String,
}

/// Runs the demo.
///
/// # Errors
/// Where the reference model is not there or anything of the way fails.
pub fn run(args: DemoArgs) -> Result<Exit> {
    let folder = args.recipe.map_or_else(find_zoo, Ok)?;
    let key = Signing::development();
    say::note(format!("building {}", folder.display()));
    let built = build(&folder, &key, &mut |what| log::info!("{what}"))?;
    let report = write_report(&built, &args.output)?;
    let Some(bundle) = &built.bundle else {
        return Err(Error::check(
            "demo",
            "gates that hold; `fieldscore build` says which fails",
        ));
    };
    let path = args.output.join(format!("{}.fsb", built.summary.product));
    write_whole(&path, bundle)?;
    say::note(format!(
        "bundle: {} ({} bytes)",
        path.display(),
        bundle.len()
    ));
    say::note(format!("report: {}", report.display()));
    let scorer = Scorer::open(bundle.clone(), &[key.public()])?;
    say::note(format!(
        "self-test: {} known-answer vectors, kernels {}",
        scorer.self_test()?,
        scorer.kernels()
    ));

    let applications = folder.join("applications.csv");
    let arguments = [
        "score",
        "--format",
        "table",
        "--explain",
        "--language",
        &args.language,
    ];
    let exit = score_sample(&arguments, &path, &applications)?;
    let times = time(&folder, &scorer)?;
    Sink::stdout().print(&format!("\n{}\n", table(&built, times)))?;
    Ok(exit)
}

/// The same as `fieldscore score` on the command line.
fn score_sample(arguments: &[&str], bundle: &Path, applications: &Path) -> Result<Exit> {
    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        score: score::ScoreArgs,
    }
    let paths = [bundle.as_os_str(), applications.as_os_str()];
    let all = arguments.iter().map(AsRef::as_ref).chain(paths);
    let alone = Alone::try_parse_from(all)
        .map_err(|e| Error::input("demo", format!("arguments that `score` takes ({e})")))?;
    score::run(alone.score)
}

fn table(built: &Built, times: [f64; 2]) -> String {
    let size = built.summary.float.bytes as f64 / built.summary.bundle.bytes as f64;
    format!(
        "{}\nTest part of {} rows, 95 % intervals in brackets; weights {size:.1} times smaller. \
         Times: one row, one thread,\nmedian; float ONNX in tract from ready features to its output, \
         the bundle from field values to the decision.",
        comparison(&built.summary, Some(times)),
        built.summary.rows[2],
    )
}

/// The reference model, here or in a folder above.
fn find_zoo() -> Result<PathBuf> {
    let here = std::env::current_dir().map_err(|e| crate::error::io(".", &e))?;
    let zoo = Path::new("models/zoo/credit");
    here.ancestors()
        .map(|folder| folder.join(zoo))
        .find(|path| path.join(recipe::FILE).is_file())
        .map(|path| {
            path.strip_prefix(&here)
                .map_or_else(|_| path.clone(), Path::to_owned)
        })
        .ok_or_else(|| {
            Error::input(
                "models/zoo/credit",
                "the reference model, here or in a folder above",
            )
            .hint("run the demo inside the repository, or give --recipe DIR")
        })
}

/// Nanoseconds a score: the float model in tract, the bundle.
fn time(folder: &Path, scorer: &Scorer) -> Result<[f64; 2]> {
    let loaded = recipe::load(folder)?;
    let table = Table::read(&loaded.recipe.data.file)?.select(&(0..64).collect::<Vec<_>>());
    let rows = Reading::of(&loaded.recipe)?.applications(&table, scorer.schema())?;
    let features: Vec<Vec<f32>> = rows
        .iter()
        .map(|row| scorer.features(row))
        .collect::<std::result::Result<_, _>>()?;
    let mut float = calibrate::single_row(&import::import(&loaded.recipe.model.file)?)?;
    let mut outcome = Ok(());
    let float = median(features.len(), |row| {
        if let Err(error) = float(&features[row]) {
            outcome = Err(error);
        }
    });
    outcome?;
    let mut outcome = Ok(());
    let bundle = median(rows.len(), |row| {
        if let Err(error) = scorer.score(&rows[row]) {
            outcome = Err(Error::from(error));
        }
    });
    outcome?;
    Ok([float, bundle])
}

/// The median time of a call in nanoseconds, over rounds of all rows.
fn median(rows: usize, mut call: impl FnMut(usize)) -> f64 {
    let mut rounds: Vec<Duration> = Vec::new();
    let started = Instant::now();
    while rounds.len() < 15 || started.elapsed() < Duration::from_millis(200) {
        let round = Instant::now();
        (0..rows).for_each(&mut call);
        rounds.push(round.elapsed());
    }
    rounds.sort_unstable();
    rounds[rounds.len() / 2].as_nanos() as f64 / rows as f64
}
