//! The model card (Mitchell and others 2019, "Model cards for model reporting", FAT* 2019): what a
//! bundle is for, from what it was made, how well it does and for whom, what it decides, and whose
//! word that is. It is made of what `inspect --json` says of the signed file, and of nothing else.

use serde_json::Value;

use crate::evaluate::report::{Cell, Column, NoteKind, Report, Section, Table, Tone};
use crate::pages::values::{facts, interval, keyed, row_of, shown, tables};
use crate::pages::words::Words;

/// Keys of CARD that have their place below, and `kept`, which is for `evaluate` alone; every other one gets
/// a section of its own.
const KNOWN: [&str; 21] = [
    "card",
    "purpose",
    "statement",
    "data",
    "rows",
    "test",
    "outputs",
    "gates",
    "native",
    "layers",
    "size",
    "compression",
    "groups",
    "fairness",
    "soundness",
    "kept",
    "engine",
    "family",
    "reference_score",
    "reference_given",
    "open_texts",
];

/// The card of a bundle. `bundle` is what `inspect --json` shows of it, with its texts in
/// `language`, which is one of the bundle's.
pub fn card(bundle: &Value, language: &str) -> Report {
    let page = Page {
        bundle,
        card: &bundle["card"],
        language,
        words: Words::of(language),
    };
    page.report()
}

struct Page<'b> {
    bundle: &'b Value,
    card: &'b Value,
    language: &'b str,
    words: Words,
}

impl Page<'_> {
    fn report(&self) -> Report {
        let say = |words| self.words.say(words);
        let product = shown(&self.bundle["product"]);
        let name = match &self.bundle["name"] {
            Value::String(name) => name.clone(),
            _ => product.clone(),
        };
        let mut report = Report::new(name, say("Model card"));
        report.lang = self.words.language().to_owned();
        let from = |key: &str| match &self.bundle[key] {
            Value::Null => say("any day").to_owned(),
            day => shown(day),
        };
        let valid = format!("{} – {}", from("not_before"), from("not_after"));
        let sequence = shown(&self.bundle["sequence"]);
        report
            .fact(say("Product"), format!("{product}, {sequence}"))
            .fact(say("Valid"), valid)
            .fact(say("Engine"), shown(&self.bundle["engine"]))
            .fact(say("Model"), shown(&self.card["family"]))
            .fact(say("Languages"), shown(&self.bundle["languages"]))
            .fact(say("Bundle"), shown(&self.bundle["bundle_id"]))
            .fact(say("Signed by key"), shown(&self.bundle["key_id"]))
            .fact(say("Signature"), self.signature().1)
            .section(self.purpose())
            .section(self.data())
            .section(self.performance())
            .section(self.compression())
            .sections(self.soundness())
            .section(self.groups())
            .sections(self.fairness())
            .sections(self.further())
            .section(self.score())
            .section(self.decisions())
            .section(self.fields())
            .section(self.provenance())
    }

    /// What is known of the signature, for people.
    fn signature(&self) -> (NoteKind, &'static str) {
        let (kind, text) = match self.bundle["signature"].as_str() {
            Some("verified") => (NoteKind::Good, "The signature was verified"),
            Some("development key") => (
                NoteKind::Warning,
                "Of the development key, which anybody can use: it proves nothing",
            ),
            _ => (
                NoteKind::Warning,
                "NOT VERIFIED: nothing on this card is sure to be the signer's word",
            ),
        };
        (kind, self.words.say(text))
    }

    /// A text of CARD in the card's language, else in the first one that has it.
    fn text(&self, texts: &Value) -> Option<String> {
        let texts = texts.as_object()?;
        let own = texts.get(self.language).or_else(|| texts.values().next());
        own?.as_str().map(str::to_owned)
    }

    fn purpose(&self) -> Section {
        let say = |words| self.words.say(words);
        let (kind, signature) = self.signature();
        let purpose = match &self.bundle["purpose"] {
            Value::String(purpose) => purpose.clone(),
            _ => self.text(&self.card["purpose"]).unwrap_or_default(),
        };
        let mut section = Section::new(say("Purpose and use"))
            .intro(purpose)
            .note(kind, signature);
        if !self.card.is_object() {
            return section.note(
                NoteKind::Warning,
                say("The bundle has no section CARD: data, figures and groups are not known"),
            );
        }
        let statement = &self.card["statement"];
        let titles = [
            ("intended_use", "Intended use"),
            ("out_of_scope", "Out of scope"),
            ("limits", "Limits"),
            ("contact", "Contact"),
            ("licence", "Licence"),
        ];
        let mut table = Table::new(
            say("What the maker states"),
            [Column::text(say("What")), Column::text(say("Statement"))],
        );
        for (key, title) in titles {
            let text = self.text(&statement[key]);
            let text = text.unwrap_or_else(|| say("not stated").to_owned());
            table = table.row([say(title).to_owned(), text]);
        }
        section = section.table(table);
        match self.card["open_texts"].as_array() {
            Some(open) if !open.is_empty() => section.note(
                NoteKind::Warning,
                format!(
                    "{}: {}",
                    say("Texts still to be written"),
                    shown(&self.card["open_texts"])
                ),
            ),
            _ => section,
        }
    }

    fn data(&self) -> Section {
        let say = |words| self.words.say(words);
        let section = Section::new(say("Data"));
        let data = &self.card["data"];
        let mut parts = Table::new(
            say("Labelled rows, 95 % intervals"),
            [
                Column::text(say("Part")),
                Column::number(say("Rows")),
                Column::number(say("Bad")),
                Column::number(say("Share of bad")),
            ],
        );
        let Some(listed) = data["parts"].as_array() else {
            // Before CARD had a version it counted rows only.
            for part in ["train", "validation", "test"] {
                let rows = shown(&self.card["rows"][part]);
                parts = parts.row([
                    say(part).to_owned(),
                    rows,
                    shown(&Value::Null),
                    shown(&Value::Null),
                ]);
            }
            return section.table(parts);
        };
        for part in listed {
            parts = parts.row([
                say(part["part"].as_str().unwrap_or_default()).to_owned(),
                shown(&part["rows"]),
                shown(&part["bad"]),
                percent(&part["bad_rate"]),
            ]);
        }
        let mut source = facts(say("Where the rows come from"), &self.words)
            .row([say("File").to_owned(), shown(&data["file"])])
            .row(["SHA-256".to_owned(), shown(&data["sha256"])])
            .row([
                say("Label, and its bad value").to_owned(),
                shown(&data["label"]),
            ]);
        let dates = &data["dates"];
        if dates.is_object() {
            let of = |key: &str| shown(&dates[key]);
            let span = format!("{} – {} ({})", of("first"), of("last"), of("column"));
            source = source.row([say("Dates").to_owned(), span]);
        }
        section
            .intro(say(
                "Choices are made on the validation part; the test part is read once, at the end.",
            ))
            .table(source)
            .table(parts)
    }

    fn performance(&self) -> Section {
        let say = |words| self.words.say(words);
        let mut section = Section::new(say("Performance on the test part"));
        let test = &self.card["test"];
        if test.is_object() {
            let caption = say("Discrimination and calibration, 95 % intervals");
            section = section.table(self.figures(caption, test));
        }
        for output in self.card["outputs"].as_array().into_iter().flatten() {
            if output["bundle"].is_object() {
                section = section.table(self.figures(&shown(&output["name"]), output));
            }
        }
        section
    }

    /// A table of the stages' figures.
    fn figures(&self, caption: &str, stages: &Value) -> Table {
        let say = |words| self.words.say(words);
        let titles = [
            ("float", "Handed in"),
            ("pruned", "Pruned"),
            ("bundle", "Bundle"),
        ];
        let there = titles.iter().filter(|(key, _)| stages[key].is_object());
        let there: Vec<_> = there.collect();
        let mut columns = vec![Column::text(say("Figure"))];
        columns.extend(there.iter().map(|(_, title)| Column::number(say(title))));
        let mut table = Table::new(caption, columns);
        let names = [
            ("rows", "Rows"),
            ("bad", "Bad"),
            ("auc", "AUC"),
            ("gini", "Gini"),
            ("ks", "KS"),
            ("brier", "Brier score"),
            ("log_loss", "Log loss"),
            ("ece", "Calibration error (ECE)"),
            ("ece_if_calibrated", "ECE of a perfectly calibrated model"),
        ];
        for (key, name) in names {
            let cells = there.iter().map(|(stage, _)| shown(&stages[stage][key]));
            table = table.row([say(name).to_owned()].into_iter().chain(cells));
        }
        table
    }

    fn compression(&self) -> Section {
        let say = |words| self.words.say(words);
        let mut section = Section::new(say("Compression"));
        let asked = &self.card["compression"];
        if asked.is_object() {
            section = section.table(
                facts(say("What the compiler was asked to do"), &self.words)
                    .row([say("Precision").to_owned(), shown(&asked["precision"])])
                    .row([
                        say("Share of hidden units removed").to_owned(),
                        shown(&asked["prune"]),
                    ])
                    .row([
                        say("Rows for ranges, at most").to_owned(),
                        shown(&asked["calibration_rows"]),
                    ]),
            );
        }
        let gates = self.card["gates"].as_array();
        match gates {
            Some(gates) if !gates.is_empty() => section = section.table(self.gates(gates)),
            Some(_) => {
                let text = say("Nothing was compressed: the bundle is the model, bit by bit.");
                section = section.note(NoteKind::Info, text);
            }
            None => {}
        }
        if let Some(layers) = self.card["layers"].as_array().filter(|all| !all.is_empty()) {
            let caption = say("What int8 costs in each layer alone, on the validation part");
            section = section.table(keyed(caption, layers, &self.words));
        }
        if self.card["size"].is_object() {
            section = tables(section, say("Size"), &self.card["size"], &self.words);
        }
        if self.card["native"].is_object() {
            let caption = say("Against the file that the model was converted from");
            section = tables(section, caption, &self.card["native"], &self.words);
        }
        section
    }

    fn gates(&self, gates: &[Value]) -> Table {
        let say = |words| self.words.say(words);
        let mut table = Table::new(
            say("What compression cost, against the recipe's limits, on the test part"),
            [
                Column::text(say("Gate")),
                Column::text(say("Figure")),
                Column::number(say("Measured, 95 % interval")),
                Column::number(say("Limit")),
                Column::text(say("Result")),
            ],
        );
        for gate in gates {
            let (difference, limits, flips) =
                (&gate["difference"], &gate["limits"], &gate["flips"]);
            let flipped = format!(
                "{} / {}: {}",
                shown(&flips["count"]),
                shown(&flips["rows"]),
                percent(&flips["share"])
            );
            let measured = [
                ("ΔAUC", shown(&difference["auc"]), &limits["auc"]),
                ("ΔKS", shown(&difference["ks"]), &limits["ks"]),
                (say("Flips"), flipped, &limits["flips"]),
            ];
            for (name, measured, limit) in measured {
                // A bundle is packed only where every gate held.
                let result = match gate["passed"].as_bool() {
                    Some(true) => Cell::toned(Tone::Good, say("holds")),
                    _ => Cell::toned(Tone::Bad, say("fails")),
                };
                table = table.row([
                    Cell::from(shown(&gate["name"])),
                    Cell::from(name),
                    Cell::from(measured),
                    Cell::from(shown(limit)),
                    result,
                ]);
            }
        }
        table
    }

    fn groups(&self) -> Section {
        let say = |words| self.words.say(words);
        let section = Section::new(say("Groups"));
        let groups = self.card["groups"].as_array();
        let Some(groups) = groups.filter(|groups| !groups.is_empty()) else {
            let text = say("No groups were measured: the recipe names no columns for them.");
            return section.note(NoteKind::Info, text);
        };
        let mut table = Table::new(
            say("Outcomes by group on the test part, 95 % intervals"),
            [
                Column::text(say("Column")),
                Column::text(say("Group")),
                Column::number(say("Rows")),
                Column::number(say("Share of bad")),
                Column::number(say("Approved, handed in")),
                Column::number(say("Approved, bundle")),
                Column::number(say("Flips")),
            ],
        );
        for group in groups {
            table = table.row([
                shown(&group["column"]),
                shown(&group["group"]),
                shown(&group["rows"]),
                percent(&group["bad_rate"]),
                percent(&group["approved_float"]),
                percent(&group["approved_bundle"]),
                shown(&group["flips"]),
            ]);
        }
        section
            .intro(say("Columns that the model does not read."))
            .table(table)
    }

    /// How groups are treated, and what compression changed for them.
    fn fairness(&self) -> Option<Section> {
        let say = |words| self.words.say(words);
        let fairness = &self.card["fairness"];
        let columns = fairness["columns"].as_array().filter(|all| !all.is_empty());
        let mut section = Section::new(say("Fairness"));
        let mut table = Table::new(
            say("The share approved, divided by that of the group compared with, on the test part"),
            [
                Column::text(say("Column")),
                Column::text(say("Group")),
                Column::number(say("Ratio, handed in")),
                Column::number(say("Ratio, bundle")),
                Column::number(say("Change")),
                Column::text(format!("≥ {}", shown(&fairness["limits"]["ratio"]))),
            ],
        );
        let mut gaps = Table::new(
            say("Approvals less those of the group compared with"),
            [
                Column::text(say("Column")),
                Column::text(say("Group")),
                Column::number(say("Of the good")),
                Column::number(say("Of the bad")),
            ],
        );
        for column in columns? {
            for group in column["groups"].as_array().into_iter().flatten() {
                let names = [shown(&column["column"]), shown(&group["group"])].map(Cell::from);
                let ratios = ["before", "now", "change"].map(|when| shown(&group[when]["ratio"]));
                let ratios = ratios.map(Cell::from);
                let finding = self.finding(&group["finding"]);
                table = table.row(names.clone().into_iter().chain(ratios).chain([finding]));
                let own = ["opportunity", "false_approval"];
                let own = own.map(|class| Cell::from(shown(&group["now"][class]["gap"])));
                gaps = gaps.row(names.into_iter().chain(own));
            }
        }
        section = section.table(table).table(gaps);
        let bands = fairness["bands"].as_array();
        if let Some(bands) = bands.filter(|all| !all.is_empty()) {
            let mut table = Table::new(
                say("Outcomes that compression changed, by score"),
                [
                    Column::text(say("Score")),
                    Column::number(say("Rows")),
                    Column::number(say("Flips")),
                    Column::number(say("Approvals gained")),
                    Column::number(say("Approvals lost")),
                ],
            );
            let each = bands.iter().filter_map(|by| by["bands"].as_array());
            for band in each.flatten() {
                let keys = ["band", "rows", "count", "gained", "lost"];
                table = table.row(keys.map(|key| shown(&band[key])));
            }
            section = section.table(table);
        }
        Some(section)
    }

    /// What the ratio of a group says.
    fn finding(&self, finding: &Value) -> Cell {
        let (tone, text) = match finding.as_str() {
            Some("holds") => (Tone::Good, "holds"),
            Some("below") => (Tone::Warning, "below"),
            Some("wholly-below") => (Tone::Bad, "wholly below"),
            Some("reference") => return Cell::from(self.words.say("compared with")),
            Some("small") => return Cell::from(self.words.say("too few rows")),
            Some("unmeasured") => return Cell::from(self.words.say("not compared")),
            _ => return Cell::from(shown(finding)),
        };
        Cell::toned(tone, self.words.say(text))
    }

    /// Calibration against chance, monotone fields, lift.
    fn soundness(&self) -> Option<Section> {
        let say = |words| self.words.say(words);
        let soundness = &self.card["soundness"];
        let calibration = &soundness["calibration"];
        let mut section = Section::new(say("Soundness"));
        let mut table = facts(
            say("Calibration against chance, on the test part"),
            &self.words,
        )
        .row([
            say("Calibration error (ECE)").to_owned(),
            shown(&calibration["ece"]),
        ])
        .row([
            say("What chance lets a perfectly calibrated model have").to_owned(),
            shown(&calibration["limit"]),
        ]);
        if let Some(int8) = calibration["int8"].as_array() {
            table = table.row([
                say("What int8 adds, and its limit").to_owned(),
                int8.iter().map(shown).collect::<Vec<_>>().join(", "),
            ]);
        }
        let holds = match calibration["holds"].as_bool()? {
            true => "holds",
            false => "fails",
        };
        section = section.table(table.row([say("Result"), say(holds)]));
        let rows = |key: &str| soundness[key].as_array().filter(|all| !all.is_empty());
        if let Some(monotone) = rows("monotone") {
            let caption = say("Fields with which the score only rises, or only falls");
            section = section.table(keyed(caption, monotone, &self.words));
        }
        if let Some(lift) = rows("lift") {
            let caption = say("Lift by decile of the test part, the riskiest first");
            section = section.table(keyed(caption, lift, &self.words));
        }
        Some(section)
    }

    /// What CARD says besides: nothing of it is left out.
    fn further(&self) -> Vec<Section> {
        let entries = self.card.as_object().into_iter().flatten();
        entries
            .filter(|(key, _)| !KNOWN.contains(&key.as_str()))
            .map(|(key, value)| {
                let title = self.words.title(key);
                tables(Section::new(&title), &title, value, &self.words)
            })
            .collect()
    }

    fn score(&self) -> Section {
        let say = |words| self.words.say(words);
        let score = &self.bundle["score"];
        let mut table = facts(say("How log-odds become points"), &self.words);
        let names = [
            ("floor", "Least score"),
            ("ceiling", "Greatest score"),
            ("points_to_double_odds", "Points that double the odds"),
            ("even_odds", "Score at even odds"),
            ("calibration_knots", "Knots of the calibration"),
        ];
        for (key, name) in names {
            table = table.row([say(name).to_owned(), shown(&score[key])]);
        }
        if let Some(method) = self.card["compression"]["probability"].as_str() {
            table = table.row([say("Calibration").to_owned(), method.to_owned()]);
        }
        table = table.row([
            say("Score of the reference applicant").to_owned(),
            shown(&score["reference_score"]),
        ]);
        if let Some(given) = self.card["reference_given"].as_bool() {
            let origin = match given {
                true => "values that the recipe gives",
                false => "the middle one of the good training loans; its values are not shown",
            };
            table = table.row([
                say("The reference applicant is").to_owned(),
                say(origin).to_owned(),
            ]);
        }
        Section::new(say("Score")).table(table)
    }

    fn decisions(&self) -> Section {
        let say = |words| self.words.say(words);
        let policy = &self.bundle["policy"];
        let mut section = Section::new(say("Decisions")).table(
            facts(say("Cut-offs"), &self.words)
                .row([
                    say("Approve from").to_owned(),
                    shown(&policy["approve_from"]),
                ])
                .row([say("Refer from").to_owned(), shown(&policy["refer_from"])]),
        );
        let rules = policy["knock_outs"].as_array();
        if let Some(rules) = rules.filter(|rules| !rules.is_empty()) {
            let mut table = Table::new(
                say("Rules that hold whatever the score"),
                [
                    Column::text(say("Code")),
                    Column::text(say("If")),
                    Column::text(say("Outcome")),
                    Column::text(say("What people are told")),
                ],
            );
            for rule in rules {
                let when = rule["when"].as_array().into_iter().flatten();
                let when: Vec<String> = when.map(|one| self.condition(one)).collect();
                table = table.row([
                    shown(&rule["code"]),
                    when.join(&format!(" {} ", say("and"))),
                    say(rule["outcome"].as_str().unwrap_or_default()).to_owned(),
                    shown(&rule["text"]),
                ]);
            }
            section = section.table(table);
        }
        let own = ["approve_from", "refer_from", "knock_outs"];
        for (key, value) in policy.as_object().into_iter().flatten() {
            let empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
            if !own.contains(&key.as_str()) && !empty {
                section = tables(section, &self.words.title(key), value, &self.words);
            }
        }
        let challenger = &self.bundle["challenger"];
        if !challenger.is_null() {
            let title = say("Challenger, scored in shadow: no part of any decision");
            section = tables(section, title, challenger, &self.words);
        }
        section.intro(say(
            "The outcome is the gravest of score band, rules and fields' own answers. A person \
             decides where the applicant refuses automation, or outside the bundle's dates.",
        ))
    }

    /// A rule's condition: a field and one test of it.
    fn condition(&self, of: &Value) -> String {
        let mut text = shown(&of["field"]);
        for (test, value) in of.as_object().into_iter().flatten() {
            let part = match test.as_str() {
                "field" => continue,
                "above" => format!(" > {}", shown(value)),
                "below" => format!(" < {}", shown(value)),
                "is" => format!(" = {}", shown(value)),
                "missing" => format!(" {}", self.words.say("is missing")),
                other => format!(" {other} {}", shown(value)),
            };
            text.push_str(&part);
        }
        text
    }

    fn fields(&self) -> Section {
        let say = |words| self.words.say(words);
        let fields = self.bundle["fields"].as_array();
        let mut what = Table::new(
            say("What an applicant is asked"),
            [
                Column::text(say("Field")),
                Column::text(say("Label")),
                Column::text(say("Type")),
                Column::text(say("Range")),
                Column::text(say("Missing")),
                Column::text(say("Sensitivity")),
                Column::text(say("Changeable")),
                Column::text(say("Group of reasons")),
            ],
        );
        let mut reasons = Table::new(
            say("Reasons that people are given"),
            [
                Column::text(say("Code")),
                Column::text(say("Field")),
                Column::text(say("Reason")),
            ],
        );
        for field in fields.into_iter().flatten() {
            let range = match field["range"].as_array() {
                Some(ends) => ends.iter().map(shown).collect::<Vec<_>>().join(" – "),
                None => shown(&Value::Null),
            };
            what = what.row([
                shown(&field["name"]),
                shown(&field["label"]),
                row_of(field, &["type", "currency", "unit"]),
                range,
                shown(&field["missing"]),
                shown(&field["sensitivity"]),
                say(match field["changeable"].as_bool() {
                    Some(true) => "yes",
                    _ => "no",
                })
                .to_owned(),
                shown(&field["group"]),
            ]);
            reasons = reasons.row([
                shown(&field["reason_code"]),
                shown(&field["name"]),
                shown(&field["reason"]),
            ]);
        }
        Section::new(say("Fields and reasons"))
            .table(what)
            .table(reasons)
    }

    fn provenance(&self) -> Section {
        let say = |words| self.words.say(words);
        let mut section = Section::new(say("Provenance"));
        let provenance = &self.bundle["provenance"];
        if provenance.is_object() {
            let caption = say("What the bundle was made of");
            section = tables(section, caption, provenance, &self.words);
        }
        let mut sections = Table::new(
            say("Sections of the file"),
            [
                Column::text(say("Section")),
                Column::number(say("Bytes")),
                Column::text("SHA-256"),
            ],
        );
        for part in self.bundle["sections"].as_array().into_iter().flatten() {
            sections = sections.row([
                shown(&part["name"]),
                shown(&part["bytes"]),
                shown(&part["sha256"]),
            ]);
        }
        section.table(sections)
    }
}

/// A share with its interval as a percentage.
fn percent(share: &Value) -> String {
    interval(share).map_or_else(|| shown(share), |share| share.percent(1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn a_signers_nonsense_stays_text_and_nothing_unknown_is_hidden() {
        let hostile = "<script>alert(1)</script> | **x**";
        let bundle = json!({
            "product": hostile,
            "name": hostile,
            "purpose": hostile,
            "signature": "verified",
            "card": {
                "card": 7,
                "statement": { "limits": { "en": hostile }, "contact": 5 },
                "data": { "parts": ["x", { "part": hostile, "rows": [1, [2]] }] },
                "test": { "float": [], "bundle": { "auc": hostile } },
                "gates": [1, { "name": hostile, "passed": "no" }],
                "groups": [hostile, null],
                "layers": [hostile, { "name": { "deep": [hostile] } }],
                "size": { "a": [{ "b": {} }] },
                "equal_opportunity": [{ "column": "sex", "gap": { "value": 0.1, "low": 0.0, "high": 0.2 } }],
                "note_of_the_house": hostile,
            },
            "policy": { "knock_outs": [{ "code": hostile, "when": [1, { "field": hostile, "odd": {} }] }], "tables": [{ "name": "tier" }] },
            "fields": [hostile, { "name": hostile }],
            "sections": [null],
        });
        let report = card(&bundle, "en");
        let html = report.to_html().unwrap();
        assert!(!html.contains("<script"), "{html}");
        let text = report.to_markdown().unwrap();
        let bare = text.replace("\\<", "").replace("\\*", "");
        assert!(!bare.contains('<') && !bare.contains("**x"), "{text}");
        for part in [
            "## Equal opportunity",
            "0.100 (0.000–0.200)",
            "## Note of the house",
            "tier",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }

    #[test]
    fn a_bundle_without_a_card_says_so() {
        let bundle = json!({ "product": "p", "signature": "not verified", "card": null });
        let text = card(&bundle, "en").to_markdown().unwrap();
        assert!(
            text.contains("no section CARD") && text.contains("NOT VERIFIED"),
            "{text}"
        );
    }
}
