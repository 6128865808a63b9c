//! `fieldscore fairness`: how decisions of any origin treat groups.

use std::path::PathBuf;
use std::str::FromStr;

use comfy_table::CellAlignment;
use indexmap::IndexMap;

use crate::cli::build::new_table;
use crate::cli::{Exit, Sink, say};
use crate::data::{Table, compare_groups, labels};
use crate::error::{Error, Result};
use crate::evaluate::fairness::{Fairness, Finding, Limits, Rows};
use crate::evaluate::report::{self, Align};
use crate::pages::{Names, findings};
use crate::recipe::{GroupColumn, Label, check_bands, check_fairness};

/// Compare how decisions treat groups: ratios of approval rates, gaps, with intervals
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fieldscore fairness decisions.csv --outcome outcome --group sex --group age=25,35,45,60
  fieldscore fairness loans.csv --outcome new --before old --group sex --label status --bad bad
  fieldscore fairness counts.csv --outcome deny --approve no --group afam --count rows

A group that is approved less than four fifths as often as the group compared with is flagged
(29 CFR 1607.4(D)). Groups of fewer than 30 rows are shown and not judged. docs/fairness.md says
what each figure is.")]
pub struct FairnessArgs {
    /// Decisions, one a row (CSV)
    decisions: PathBuf,
    /// The column with the decision
    #[arg(long, value_name = "COLUMN")]
    outcome: String,
    /// The decision's value for an approval
    #[arg(long, value_name = "VALUE", default_value = "approve")]
    approve: String,
    /// A column with earlier decisions on the same rows, to say what changed
    #[arg(long, value_name = "COLUMN")]
    before: Option<String>,
    #[command(flatten)]
    groups: GroupArgs,
    /// The column that says how a loan turned out
    #[arg(long, value_name = "COLUMN", requires = "bad")]
    label: Option<String>,
    /// The label's value for a bad loan
    #[arg(long, value_name = "VALUE", requires = "label")]
    bad: Option<String>,
    /// A column with how many rows each row stands for
    #[arg(long, value_name = "COLUMN")]
    count: Option<String>,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

/// Which groups are compared, and what they are held against.
#[derive(Debug, clap::Args)]
pub struct GroupArgs {
    /// A column whose groups are compared, with edges where its numbers are cut into bands; once for each
    /// column
    #[arg(long = "group", value_name = "COLUMN[=EDGE,…]")]
    columns: Vec<Edges>,
    /// The group that a column's others are compared with [default: the one approved most often]
    #[arg(long = "reference", value_name = "COLUMN=GROUP")]
    references: Vec<Reference>,
    /// Flag a group approved less than this many times as often as the group compared with
    #[arg(long, value_name = "RATIO")]
    least_ratio: Option<f64>,
    /// How much a ratio may fall against the decisions before
    #[arg(long, value_name = "CHANGE")]
    most_change: Option<f64>,
    /// End with status 1 where a group is flagged, or a ratio fell by more than chance
    #[arg(long)]
    check: bool,
}

/// A group column and where its numbers are cut.
#[derive(Debug, Clone)]
struct Edges {
    column: String,
    edges: Vec<f64>,
}

impl FromStr for Edges {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        let (column, edges) = text.split_once('=').unwrap_or((text, ""));
        let edges = edges.split(',').filter(|edge| !edge.is_empty());
        let edges: std::result::Result<Vec<f64>, _> = edges.map(|e| e.trim().parse()).collect();
        match edges {
            Ok(edges) if !column.is_empty() => Ok(Self {
                column: column.to_owned(),
                edges,
            }),
            _ => Err("expected a column, or a column and numbers as age=25,35,45"),
        }
    }
}

/// The group that a column's others are compared with.
#[derive(Debug, Clone)]
struct Reference {
    column: String,
    group: String,
}

impl FromStr for Reference {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((column, group)) if !column.is_empty() => Ok(Self {
                column: column.to_owned(),
                group: group.to_owned(),
            }),
            _ => Err("expected a column and one of its groups, as sex=female"),
        }
    }
}

impl GroupArgs {
    /// The columns: those that are `known` already, unless given again.
    ///
    /// # Errors
    /// Where edges do not rise, or a reference is of no column.
    pub(super) fn columns(
        &self,
        known: IndexMap<String, GroupColumn>,
    ) -> Result<IndexMap<String, GroupColumn>> {
        let mut all = known;
        for Edges { column, edges } in &self.columns {
            check_bands(edges, &format!("--group {column}"))?;
            let bands = edges.clone();
            all.insert(
                column.clone(),
                GroupColumn {
                    bands,
                    reference: None,
                },
            );
        }
        for Reference { column, group } in &self.references {
            let Some(known) = all.get_mut(column) else {
                return Err(Error::input("--reference", "a column that --group names"));
            };
            known.reference = Some(group.clone());
        }
        Ok(all)
    }

    /// What they are held against: `known`, unless given again.
    ///
    /// # Errors
    /// Where they are no shares.
    pub(super) fn limits(&self, known: Limits) -> Result<Limits> {
        let limits = Limits {
            ratio: self.least_ratio.unwrap_or(known.ratio),
            change: self.most_change.or(known.change),
        };
        check_fairness(limits, "--least-ratio, --most-change")?;
        Ok(limits)
    }

    /// What the command ends with.
    pub(super) fn exit(&self, fairness: &Fairness) -> Exit {
        let flagged = |finding| matches!(finding, Finding::Below | Finding::WhollyBelow);
        let mut groups = fairness.groups();
        let sound = fairness.passed && !groups.any(|(_, group)| flagged(group.finding));
        match self.check && !sound {
            true => Exit::Failed,
            false => Exit::Done,
        }
    }
}

/// What decisions of a file are called.
const GIVEN: Names<'_> = Names {
    before: "before",
    now: "now",
};

/// Rows that counts may stand for, all told.
const MAX_COUNTED: usize = 10_000_000;

/// Compares how decisions treat groups.
///
/// # Errors
/// Where the file cannot be read, or a column is not what it should be.
pub fn run(args: FairnessArgs) -> Result<Exit> {
    let groups = args.groups.columns(IndexMap::new())?;
    if groups.is_empty() {
        return Err(Error::input("--group", "at least one column of groups"));
    }
    let limits = args.groups.limits(Limits::default())?;
    let mut table = Table::read(&args.decisions)?;
    if let Some(column) = &args.count {
        table = counted(&table, column)?;
    }
    let now = column(&table, &args.outcome)?;
    if !now.contains(&&args.approve[..]) {
        return Err(Error::input(
            format!("{}, column {}", table.name(), args.outcome),
            "at least one approval",
        )
        .hint("--approve VALUE says which value is one"));
    }
    let before = args.before.as_ref().map(|name| column(&table, name));
    let before = before.transpose()?;
    let label = args.label.zip(args.bad);
    let bad = label.map(|(column, bad)| labels(&table, &Label { column, bad }));
    let bad = bad.transpose()?;
    let rows = Rows {
        group: &[],
        now: &now,
        before: before.as_deref(),
        approve: &&args.approve[..],
        bad: bad.as_deref(),
    };
    let missing = ["", "NA"].map(str::to_owned);
    let columns = compare_groups(&table, &groups, &missing, rows, limits)?;
    let fairness = Fairness::new(limits, columns, Vec::new());
    let text = if args.json {
        let json = serde_json::to_string(&fairness)
            .map_err(|e| Error::check("figures", format!("figures that JSON can say ({e})")))?;
        format!("{json}\n")
    } else {
        format!("{}\n", tables(&fairness, GIVEN).trim_start())
    };
    Sink::stdout().print(&text)?;
    warn(&fairness, GIVEN);
    Ok(args.groups.exit(&fairness))
}

/// The cells of a column.
fn column<'t>(table: &'t Table, name: &str) -> Result<Vec<&'t str>> {
    let at = table.column(name)?;
    Ok(table.rows().iter().map(|row| &row[at]).collect())
}

/// Each row as often as its cell in the column says.
fn counted(table: &Table, column: &str) -> Result<Table> {
    let at = table.column(column)?;
    let mut rows = Vec::new();
    for (number, row) in table.rows().iter().enumerate() {
        let count = row[at].trim().parse::<usize>().ok();
        let count = count.filter(|count| *count <= MAX_COUNTED - rows.len());
        let count = count.ok_or_else(|| {
            let what = format!("a whole number, all together at most {MAX_COUNTED}");
            Error::input(table.place(number, column), what)
        })?;
        rows.extend(std::iter::repeat_n(number, count));
    }
    Ok(table.select(&rows))
}

/// The tables for people, an empty line before each.
pub(super) fn tables(fairness: &Fairness, names: Names<'_>) -> String {
    let tables = crate::pages::fairness_tables(fairness, names);
    tables
        .iter()
        .map(|table| format!("\n\n{}", text(table)))
        .collect()
}

/// Says what is to be looked at.
pub(super) fn warn(fairness: &Fairness, names: Names<'_>) {
    findings(fairness, names).into_iter().for_each(say::warn);
}

/// A table of a page, for a terminal.
fn text(table: &report::Table) -> String {
    let headings = table.columns.iter().map(|column| column.heading.clone());
    let mut drawn = new_table(headings);
    for (at, column) in table.columns.iter().enumerate() {
        if let (Align::Left, Some(column)) = (column.align, drawn.column_mut(at)) {
            column.set_cell_alignment(CellAlignment::Left);
        }
    }
    for row in &table.rows {
        drawn.add_row(row.iter().map(|cell| cell.text.clone()));
    }
    let lines = drawn.to_string();
    let lines: Vec<&str> = lines.lines().map(str::trim_end).collect();
    format!("{}\n{}", table.caption, lines.join("\n"))
}
