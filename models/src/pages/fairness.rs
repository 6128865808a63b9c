//! How decisions treat groups, as tables and in words.

use crate::evaluate::bands::Bands;
use crate::evaluate::fairness::{Column as Groups, Drift, Fairness, Finding, Gap, Group};
use crate::evaluate::intervals::Interval;
use crate::evaluate::report::{Cell, Column, NoteKind, Section, Table, Tone};

/// What decisions are called that were made before and after.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    /// What they are compared with.
    pub before: &'a str,
    /// What they are.
    pub now: &'a str,
}

/// Names of the model handed in and of what became of it.
pub const COMPRESSED: Names<'_> = Names {
    before: "handed in",
    now: "bundle",
};

/// The tables: for each column how its groups are treated and, where decisions are compared, what changed
/// for them; then what changed by score.
pub fn fairness_tables(fairness: &Fairness, names: Names<'_>) -> Vec<Table> {
    let mut tables = Vec::new();
    for column in &fairness.columns {
        tables.push(treatment(fairness, column));
        let is_compared = column.resamples > 0;
        if is_compared {
            tables.push(changes(fairness, column, names));
        }
        if column.groups.iter().any(|group| group.bad_rate.is_some()) {
            let good: Pick = |group| {
                let change = group.change.and_then(|change| change.opportunity);
                (group.now.opportunity, change)
            };
            let bad: Pick = |group| {
                let change = group.change.and_then(|change| change.false_approval);
                (group.now.false_approval, change)
            };
            tables.push(gaps(
                column,
                "equal opportunity: the good loans",
                good,
                is_compared,
            ));
            tables.push(gaps(
                column,
                "false positives: the bad loans",
                bad,
                is_compared,
            ));
        }
    }
    tables.extend(fairness.bands.iter().map(|bands| by_score(bands, names)));
    tables
}

/// What is to be looked at, in sentences: ratios below the limit, and ratios that fell.
pub fn findings(fairness: &Fairness, names: Names<'_>) -> Vec<String> {
    let mut all = Vec::new();
    for (column, group) in fairness.groups() {
        let place = format!("{}, {}", column.column, group.group);
        let least = fairness.limits.ratio;
        let where_from = match group.finding {
            Finding::Below => Some("below"),
            Finding::WhollyBelow => Some("wholly below"),
            _ => None,
        };
        if let (Some(below), Some(ratio), Some(p_value), Some(reference)) = (
            where_from,
            group.now.ratio,
            group.now.p_value,
            &column.reference,
        ) {
            let chance = match p_value < 0.05 {
                true => "is more than chance",
                false => "may be chance",
            };
            let p_value = probability(p_value);
            all.push(format!(
                "{place}: approved {ratio:.3} times as often as {reference}, {below} {least}; that they differ {chance} (p {p_value})"
            ));
        }
        let change = group.change.as_ref();
        let doubt = match change.map(|change| change.finding) {
            Some(Drift::Doubtful) => ", though so few rows may be chance",
            Some(Drift::Worse) => ", which is more than chance",
            _ => continue,
        };
        if let (Some(ratio), Some(most)) = (
            change.and_then(|change| change.ratio),
            fairness.limits.change,
        ) {
            let Names { before, now } = names;
            all.push(format!(
                "{place}: from {before} to {now} the ratio changed by {ratio:.3}, and may fall by {most}{doubt}"
            ));
        }
    }
    all
}

/// All of it as a section of a page; none where nothing is measured.
pub(super) fn section(fairness: &Fairness, names: Names<'_>) -> Option<Section> {
    let mut section = Section::new("Groups").intro(
        "Columns that the model does not read. With 95 % intervals: the ratio of the share approved to that of \
         the group compared with; the gap between the shares approved of good loans (equal opportunity) and of \
         bad ones (false positives). p is how likely such a difference is by chance. Groups of fewer than 30 \
         rows are not judged.",
    );
    let tables = fairness_tables(fairness, names);
    if tables.is_empty() {
        return None;
    }
    for finding in findings(fairness, names) {
        section = section.note(NoteKind::Warning, finding);
    }
    Some(tables.into_iter().fold(section, Section::table))
}

fn treatment(fairness: &Fairness, column: &Groups) -> Table {
    let least = fairness.limits.ratio;
    let labelled = column.groups.iter().any(|group| group.bad_rate.is_some());
    let caption = match &column.reference {
        Some(reference) => format!("{}, compared with {reference}", column.column),
        None => format!("{}, no group large enough to compare with", column.column),
    };
    let mut columns = vec![
        Column::text("Group"),
        Column::number("Rows"),
        Column::number("Approved"),
        Column::number("Ratio"),
        Column::number("p"),
        Column::text(format!("At least {least}")),
    ];
    if labelled {
        columns.insert(2, Column::number("Bad"));
    }
    let mut table = Table::new(caption, columns);
    for group in &column.groups {
        let mut cells = vec![
            Cell::from(&group.group[..]),
            Cell::from(group.rows.to_string()),
            Cell::from(group.now.selection.percent(1)),
            Cell::from(number(group.now.ratio, 3)),
            Cell::from(match group.finding {
                Finding::Reference => nothing(),
                _ => group.now.p_value.map_or_else(nothing, probability),
            }),
            verdict(group, least),
        ];
        if labelled {
            let bad = group.bad_rate.map(|rate| rate.percent(1));
            cells.insert(2, Cell::from(bad.unwrap_or_else(nothing)));
        }
        table = table.row(cells);
    }
    table
}

fn verdict(group: &Group, least: f64) -> Cell {
    match group.finding {
        Finding::Reference => Cell::from("compared with"),
        Finding::Unmeasured => Cell::from("not compared"),
        Finding::Small => Cell::from("too few rows"),
        Finding::Holds => Cell::toned(Tone::Good, "holds"),
        Finding::Below => Cell::toned(Tone::Warning, format!("below {least}")),
        Finding::WhollyBelow => Cell::toned(Tone::Bad, format!("wholly below {least}")),
    }
}

fn changes(fairness: &Fairness, column: &Groups, names: Names<'_>) -> Table {
    let Names { before, now } = names;
    let columns = [
        Column::text("Group"),
        Column::number(format!("Approved, {before}")),
        Column::number(format!("Approved, {now}")),
        Column::number("Decisions that differ"),
        Column::number("Change of ratio"),
        Column::text(match fairness.limits.change {
            Some(most) => format!("Falls by {most} at most"),
            None => "Limit".to_owned(),
        }),
    ];
    let mut table = Table::new(format!("{}: {before} → {now}", column.column), columns);
    for group in &column.groups {
        let (Some(earlier), Some(change)) = (&group.before, &group.change) else {
            continue;
        };
        let finding = match change.finding {
            Drift::Unjudged => Cell::from("not judged"),
            Drift::Holds => Cell::toned(Tone::Good, "holds"),
            Drift::Doubtful => Cell::toned(Tone::Warning, "more, or chance"),
            Drift::Worse => Cell::toned(Tone::Bad, "FAILS"),
        };
        table = table.row([
            Cell::from(&group.group[..]),
            Cell::from(earlier.selection.percent(1)),
            Cell::from(group.now.selection.percent(1)),
            Cell::from(format!(
                "{}: {}",
                change.flips.count,
                change.flips.share.percent(1)
            )),
            Cell::from(number(change.ratio, 3)),
            finding,
        ]);
    }
    table
}

/// Of a group, a class' approvals and how their gap changed.
type Pick = fn(&Group) -> (Option<Gap>, Option<Interval>);

fn gaps(column: &Groups, what: &str, pick: Pick, is_compared: bool) -> Table {
    let mut columns = vec![
        Column::text("Group"),
        Column::number("Rows"),
        Column::number("Approved"),
        Column::number("Gap"),
    ];
    if is_compared {
        columns.push(Column::number("Change of gap"));
    }
    let mut table = Table::new(format!("{}, {what}", column.column), columns);
    for group in &column.groups {
        let (of_class, change) = pick(group);
        let rows = of_class.map_or(0, |of_class| of_class.rows);
        let mut cells = vec![
            group.group.clone(),
            rows.to_string(),
            of_class.map_or_else(nothing, |of_class| of_class.share.percent(1)),
            number(of_class.and_then(|of_class| of_class.gap), 3),
        ];
        if is_compared {
            cells.push(number(change, 3));
        }
        table = table.row(cells);
    }
    table
}

fn by_score(bands: &Bands, names: Names<'_>) -> Table {
    let Names { before, now } = names;
    let mut table = Table::new(
        format!("Decisions that differ, {before} → {now}, by {}", bands.by),
        [
            Column::text("Score"),
            Column::number("Rows"),
            Column::number("Differ"),
            Column::number("Approvals gained"),
            Column::number("Approvals lost"),
        ],
    );
    for band in &bands.bands {
        let flips = &band.flips;
        table = table.row([
            band.band.clone(),
            flips.rows.to_string(),
            format!("{}: {}", flips.count, flips.share.percent(1)),
            band.gained.to_string(),
            band.lost.to_string(),
        ]);
    }
    table
}

fn number(interval: Option<Interval>, decimals: usize) -> String {
    interval.map_or_else(nothing, |interval| format!("{interval:.decimals$}"))
}

/// A probability, or what it is below.
fn probability(p: f64) -> String {
    match p < 0.0001 {
        true => "< 0.0001".to_owned(),
        false => format!("{p:.4}"),
    }
}

fn nothing() -> String {
    "–".to_owned()
}
