//! `cargo xtask million`: many applications scored in constant memory.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::bundle;
use crate::run::{self, Failure, Result, cargo};
use crate::workspace::Workspace;

/// Rows, where nothing else is said.
pub const ROWS: u64 = 1_000_000;
/// Runs whose median [`throughput`] gives.
const RUNS: usize = 7;
/// By how much the peak may grow from a tenth of the rows to all of them.
const GROWTH: u64 = 8 << 20;

/// Score a million generated applications; fail if memory grows with the rows
#[derive(Debug, clap::Args)]
pub struct MillionArgs {
    /// How many
    #[arg(long, default_value_t = ROWS, value_name = "N")]
    rows: u64,
    /// One JSON object per run on stdout
    #[arg(long)]
    json: bool,
}

/// One run of `fieldscore score`.
#[derive(Debug, serde::Serialize)]
struct Run {
    rows: u64,
    seconds: f64,
    rows_per_second: f64,
    peak_rss_bytes: u64,
}

/// The task.
pub fn run(workspace: &Workspace, args: &MillionArgs) -> Result<()> {
    measure(workspace, args.rows, args.json)
}

/// Scores `rows` applications and a tenth of them.
pub fn measure(workspace: &Workspace, rows: u64, json: bool) -> Result<()> {
    let bundle = bundle::credit(workspace)?;
    let few = score(workspace, &bundle, (rows / 10).max(1))?;
    let many = score(workspace, &bundle, rows)?;
    for run in [&few, &many] {
        run.print(json)?;
    }
    let growth = many.peak_rss_bytes.saturating_sub(few.peak_rss_bytes);
    if growth > GROWTH {
        return Err(Failure::new(format!(
            "memory grows with the rows: {:.1} MiB more for ten times as many, at most {:.1} allowed",
            mebibytes(growth),
            mebibytes(GROWTH)
        )));
    }
    Ok(())
}

/// Scores `rows` applications with the golden bundle, some times, and prints the median run.
pub fn throughput(workspace: &Workspace, rows: u64, json: bool) -> Result<()> {
    bundle::command(workspace)?;
    let bundle = Path::new(bundle::GOLDEN);
    let applications = generate(workspace, bundle, rows)?;
    let runs = (0..RUNS).map(|_| decide(workspace, bundle, &applications, rows));
    let mut runs = runs.collect::<Result<Vec<_>>>()?;
    remove(&applications)?;
    runs.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    if !json {
        println!("\ndecisions of `fieldscore score`, from CSV to CSV");
    }
    runs.swap_remove(RUNS / 2).print(json)
}

impl Run {
    fn print(&self, json: bool) -> Result<()> {
        if json {
            let line = serde_json::to_string(self).map_err(Failure::at("json"))?;
            println!("{line}");
            return Ok(());
        }
        println!(
            "{:>9} rows  {:>7.2} s  {:>9.0} rows/s  peak {:>6.1} MiB",
            self.rows,
            self.seconds,
            self.rows_per_second,
            mebibytes(self.peak_rss_bytes)
        );
        Ok(())
    }
}

fn score(workspace: &Workspace, bundle: &Path, rows: u64) -> Result<Run> {
    let applications = generate(workspace, bundle, rows)?;
    let run = decide(workspace, bundle, &applications, rows)?;
    remove(&applications)?;
    Ok(run)
}

/// Writes `rows` applications for the bundle and gives their file.
fn generate(workspace: &Workspace, bundle: &Path, rows: u64) -> Result<PathBuf> {
    let applications = workspace.folder("million")?;
    let applications = applications.join(format!("applications-{rows}.csv"));
    run::run(
        cargo()
            .args(["run", "--quiet", "--release", "-p", "fieldscore-benches"])
            .args(["--features", "compiler", "--bin", "applications", "--"])
            .arg(bundle)
            .arg(rows.to_string())
            .arg(&applications),
    )?;
    Ok(applications)
}

/// Scores a file of `rows` applications.
fn decide(workspace: &Workspace, bundle: &Path, applications: &Path, rows: u64) -> Result<Run> {
    let decisions = workspace.folder("million")?;
    let decisions = decisions.join(format!("decisions-{rows}.csv"));
    let mut command = Command::new(workspace.program("release", "fieldscore"));
    command.arg("score").arg(bundle).arg(applications);
    command.arg("-o").arg(&decisions).args(["--format", "csv"]);
    let (taken, peak_rss_bytes) = watched(&mut command)?;
    let written = count_lines(&decisions)?.saturating_sub(1);
    if written != rows {
        return Err(Failure::new(format!(
            "{}: expected {rows} decisions, not {written}",
            decisions.display()
        )));
    }
    remove(&decisions)?;
    let seconds = taken.as_secs_f64();
    Ok(Run {
        rows,
        seconds,
        rows_per_second: rows as f64 / seconds,
        peak_rss_bytes,
    })
}

fn remove(file: &Path) -> Result<()> {
    std::fs::remove_file(file).map_err(Failure::at(file.display()))
}

/// Runs a command and gives its duration and its greatest resident size in bytes.
fn watched(command: &mut Command) -> Result<(Duration, u64)> {
    let place = Failure::at("fieldscore score");
    let started = Instant::now();
    let mut child = run::spawn(command)?;
    let mut peak = 0;
    let status = loop {
        peak = peak.max(high_water(child.id()).unwrap_or_default());
        if let Some(status) = child.try_wait().map_err(&place)? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let taken = started.elapsed();
    run::check(command, status)?;
    if peak == 0 {
        return Err(Failure::new(
            "peak memory: expected /proc/PID/status with VmHWM, which Linux has",
        ));
    }
    Ok((taken, peak))
}

/// The greatest resident size that a process has had so far (proc_pid_status(5), VmHWM).
fn high_water(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

fn count_lines(path: &Path) -> Result<u64> {
    let place = Failure::at(path.display());
    let mut file = BufReader::new(File::open(path).map_err(&place)?);
    let mut lines = 0;
    loop {
        let buffer = file.fill_buf().map_err(&place)?;
        if buffer.is_empty() {
            return Ok(lines);
        }
        lines += buffer.iter().filter(|&&byte| byte == b'\n').count() as u64;
        let read = buffer.len();
        file.consume(read);
    }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
