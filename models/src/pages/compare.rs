//! The page of `compare`: what changed from one bundle to the next, and what that does.

use serde_json::Value;

use crate::compare::{Change, Decided, Differences, GroupMoves, Migration, Part, SectionChange};
use crate::evaluate::intervals::Interval;
use crate::evaluate::report::{Column, NoteKind, Report, Section, Table};
use crate::pages::values::shown;

/// The page of two bundles on one file. `facts` identify bundles and file.
pub fn comparison_page(
    title: &str,
    facts: &[(String, String)],
    sections: &[SectionChange],
    changes: &[Change],
    migration: &Migration,
) -> Report {
    let mut report = Report::new(title, "From one bundle to the next");
    for (name, value) in facts {
        report = report.fact(name, value);
    }
    report
        .section(overview(sections, changes))
        .sections(
            Part::ALL
                .into_iter()
                .filter_map(|part| part_section(part, changes)),
        )
        .sections(outcomes(migration))
}

fn overview(sections: &[SectionChange], changes: &[Change]) -> Section {
    let mut parts = Table::new(
        "Changes by part",
        [Column::text("Part"), Column::number("Changes")],
    );
    for part in Part::ALL {
        let count = changes.iter().filter(|own| own.part == part).count();
        let count = match count {
            0 => "none".to_owned(),
            count => count.to_string(),
        };
        parts = parts.row([part.name().to_owned(), count]);
    }
    let mut table = Table::new(
        "Sections of the files",
        [
            Column::text("Section"),
            Column::number("Old bytes"),
            Column::number("New bytes"),
            Column::text("Result"),
        ],
    );
    for own in sections {
        let bytes = |bytes: Option<u64>| bytes.map_or_else(|| "–".to_owned(), |b| b.to_string());
        let result = match own {
            _ if own.same => "the same bytes",
            SectionChange { old: None, .. } => "added",
            SectionChange { new: None, .. } => "removed",
            _ => "changed",
        };
        table = table.row([
            own.name.clone(),
            bytes(own.old),
            bytes(own.new),
            result.to_owned(),
        ]);
    }
    let same = |name: &str| !sections.iter().any(|own| own.name == name && !own.same);
    let model = ["SCHM", "TRNS", "PLAN", "WGTS", "MODL", "DCDE"];
    let (kind, text) = match model.into_iter().all(same) {
        true => (
            NoteKind::Good,
            "Fields, transforms, plan, weights, calibration and scale have the same bytes: the model is the same.",
        ),
        false => (
            NoteKind::Info,
            "The model, or what it is fed with, is another one.",
        ),
    };
    Section::new("What changed")
        .note(kind, text)
        .table(parts)
        .table(table)
}

fn part_section(part: Part, changes: &[Change]) -> Option<Section> {
    let own: Vec<&Change> = changes.iter().filter(|own| own.part == part).collect();
    if own.is_empty() {
        return None;
    }
    let mut table = Table::new(
        format!("{}: old and new", part.name()),
        [
            Column::text("Where"),
            Column::text("Old"),
            Column::text("New"),
        ],
    );
    let text = |value: &Option<Value>, absent: &str| match value {
        Some(value) => brief(value),
        None => absent.to_owned(),
    };
    for change in own {
        table = table.row([
            change.place.clone(),
            text(&change.old, "(none)"),
            text(&change.new, "(removed)"),
        ]);
    }
    Some(Section::new(part.name()).table(table))
}

/// A value in one cell; of objects their entries.
fn brief(value: &Value) -> String {
    match value {
        Value::Object(entries) => {
            let entries = entries.iter().filter(|(_, value)| !value.is_null());
            let each = entries.map(|(key, value)| format!("{key} {}", brief(value)));
            each.collect::<Vec<_>>().join(", ")
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            let each = items.iter().map(|item| format!("({})", brief(item)));
            each.collect::<Vec<_>>().join(" ")
        }
        other => shown(other),
    }
}

fn percent(share: Option<Interval>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| share.percent(1))
}

fn outcomes(migration: &Migration) -> Vec<Section> {
    let refused = migration.refused;
    let counted = migration.rows - refused.both;
    let mut section = Section::new("How outcomes migrate").intro(format!(
        "{} of {counted} rows have another outcome: {}. Refused by the old bundle alone: {}, by the new one alone: {}, by both: {}.",
        migration.moved,
        percent(migration.moved_share),
        refused.old,
        refused.new,
        refused.both,
    ));
    let labelled = migration.matrix.iter().any(|cell| cell.bad_rate.is_some());
    let mut columns = vec![
        Column::text("Old outcome"),
        Column::text("New outcome"),
        Column::number("Rows"),
        Column::number("Share, 95 % interval"),
    ];
    if labelled {
        columns.push(Column::number("Bad among them"));
    }
    let mut table = Table::new("From outcome to outcome", columns);
    for cell in &migration.matrix {
        let name = |decided: Decided| decided.name().to_owned();
        let mut row = vec![
            name(cell.old),
            name(cell.new),
            cell.rows.to_string(),
            percent(cell.share),
        ];
        if labelled {
            row.push(percent(cell.bad_rate));
        }
        table = table.row(row);
    }
    section = section.table(table);
    let scores = migration.scores.map(scores);
    let groups = (!migration.groups.is_empty()).then(|| groups(&migration.groups));
    [Some(section), scores, groups]
        .into_iter()
        .flatten()
        .collect()
}

fn scores(of: Differences) -> Section {
    let section = Section::new("Scores").intro(format!(
        "{} rows are scored by both; {} of them have the same score.",
        of.rows, of.same
    ));
    if of.same == of.rows {
        return section;
    }
    let points = |x: f64| format!("{x:+.1}").replace('-', "−");
    let mut table = Table::new(
        "New score minus old score, in points",
        [Column::text("What"), Column::number("Points")],
    );
    for (name, value) in [
        ("mean", of.mean),
        ("least", of.least),
        ("5 % quantile", of.p05),
        ("25 % quantile", of.p25),
        ("median", of.median),
        ("75 % quantile", of.p75),
        ("95 % quantile", of.p95),
        ("greatest", of.greatest),
    ] {
        table = table.row([name.to_owned(), points(value)]);
    }
    section.table(table)
}

fn groups(all: &[GroupMoves]) -> Section {
    let mut table = Table::new(
        "Outcomes by group, 95 % intervals",
        [
            Column::text("Column"),
            Column::text("Group"),
            Column::number("Rows"),
            Column::number("Another outcome"),
            Column::number("Approved, old"),
            Column::number("Approved, new"),
        ],
    );
    for own in all {
        table = table.row([
            own.column.clone(),
            own.group.clone(),
            own.rows.to_string(),
            percent(own.moved_share),
            percent(own.approved_old),
            percent(own.approved_new),
        ]);
    }
    Section::new("Groups").table(table)
}
