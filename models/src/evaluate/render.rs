//! The page of a [`Report`]: its values put into `report.html`.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};

use super::report::{Align, Cell, Item, NoteKind, Report, ReportError, Section, Table, Tone};

const TEMPLATE: &str = include_str!("report.html");

impl Report {
    /// The page. The same report gives the same bytes.
    ///
    /// # Errors
    ///
    /// [`ReportError::RowWidth`] for a table whose rows don't fit its columns.
    pub fn to_html(&self) -> Result<String, ReportError> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .keep_trailing_newline(true)
            .build()?;
        environment.set_syntax(syntax);
        environment.add_template("report.html", TEMPLATE)?;
        let fact = |(name, value): &(String, String)| context! { name, value };
        let sections: Result<Vec<Value>, ReportError> = self
            .sections
            .iter()
            .map(|section| section.value(&self.lang))
            .collect();
        let page = context! {
            title => &self.title,
            subtitle => &self.subtitle,
            lang => &self.lang,
            facts => self.facts.iter().map(fact).collect::<Vec<_>>(),
            sections => sections?,
        };
        Ok(environment.get_template("report.html")?.render(page)?)
    }
}

impl Section {
    /// The section for the template, its figures gathered into lines.
    fn value(&self, lang: &str) -> Result<Value, ReportError> {
        let mut blocks = Vec::new();
        let mut figures: Vec<Value> = Vec::new();
        for item in &self.items {
            if !matches!(item, Item::Figure { .. }) && !figures.is_empty() {
                let figures = std::mem::take(&mut figures);
                blocks.push(context! { kind => "figures", figures });
            }
            match item {
                Item::Figure { svg, caption } => {
                    let svg = Value::from_safe_string(svg.as_str().to_owned());
                    figures.push(context! { svg, caption });
                }
                Item::Table(table) => blocks.push(table.value()?),
                Item::Note { kind, text } => {
                    let word = kind.word(lang);
                    let tone = match kind {
                        NoteKind::Info => "info",
                        NoteKind::Warning => "warning",
                        NoteKind::Good => "good",
                    };
                    blocks.push(context! { kind => "note", tone, word, text });
                }
            }
        }
        if !figures.is_empty() {
            blocks.push(context! { kind => "figures", figures });
        }
        Ok(context! { heading => &self.heading, intro => &self.intro, blocks })
    }
}

impl Table {
    /// Refuses a table whose rows don't fit its columns.
    pub(super) fn check(&self) -> Result<(), ReportError> {
        let columns = self.columns.len();
        let fits = |row: &Vec<Cell>| row.len() == columns;
        match self.rows.iter().position(|row| !fits(row)) {
            None => Ok(()),
            Some(row) => Err(ReportError::RowWidth {
                caption: self.caption.clone(),
                row,
                found: self.rows[row].len(),
                columns,
            }),
        }
    }

    fn value(&self) -> Result<Value, ReportError> {
        self.check()?;
        let rows = self.rows.iter().map(|row| {
            let cells = row.iter().zip(&self.columns).map(|(cell, column)| {
                let tone = cell.tone.map_or("", Tone::class);
                context! { text => &cell.text, tone, align => column.align.class() }
            });
            cells.collect::<Vec<_>>()
        });
        let heads = self.columns.iter().map(|column| {
            context! { heading => &column.heading, align => column.align.class() }
        });
        Ok(context! {
            kind => "table",
            caption => &self.caption,
            columns => heads.collect::<Vec<_>>(),
            rows => rows.collect::<Vec<_>>(),
        })
    }
}

impl Align {
    fn class(self) -> &'static str {
        match self {
            Self::Left => "text",
            Self::Right => "number",
        }
    }
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Bad => "bad",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::curves::roc_curve;
    use super::super::plots::{Series, Svg, roc};
    use super::super::report::Column;
    use super::*;

    const HOSTILE: &str = "<script>alert('x') & \"y\"</script>";

    fn chart() -> Svg {
        let points = roc_curve(&[true, false], &[0.9, 0.1]).unwrap();
        roc(&[Series {
            name: HOSTILE,
            points: &points,
        }])
        .unwrap()
    }

    fn table(caption: &str) -> Table {
        Table::new(
            caption,
            [
                Column::text("Gate"),
                Column::number("Limit"),
                Column::number("Is"),
            ],
        )
        .row(["AUC lost", "0.005", "0.001"])
        .row([
            Cell::from("Flips"),
            Cell::from("1 %"),
            Cell::toned(Tone::Bad, "3 %, failed"),
        ])
    }

    fn report() -> Report {
        let first = Section::new("Gates")
            .intro("What had to hold.")
            .note(NoteKind::Good, "All but one hold.")
            .table(table("Gates of the build"));
        let second = Section::new("Curves")
            .figure(chart(), "First figure")
            .figure(chart(), "Second figure")
            .note(NoteKind::Warning, "Few rows.")
            .figure(chart(), "Third figure");
        Report::new("Credit model", "Test part")
            .fact("Rows", "900")
            .section(first)
            .section(second)
            .section(Section::new("Nothing yet").note(NoteKind::Info, "To come."))
    }

    #[test]
    fn everything_is_on_the_page() {
        let html = report().to_html().unwrap();
        for text in [
            "<html lang=\"en\">",
            "<title>Credit model</title>",
            "<h1>Credit model</h1>",
            "<p class=\"subtitle\">Test part</p>",
            "<div><dt>Rows</dt><dd>900</dd></div>",
            "<li><a href=\"#section-2\">Curves</a></li>",
            "<h2 id=\"section-1\">Gates</h2>",
            "<h2 id=\"section-2\">Curves</h2>",
            "<h2 id=\"section-3\">Nothing yet</h2>",
            "<p class=\"intro\">What had to hold.</p>",
            "<p class=\"note good\"><strong>Passed:</strong> All but one hold.</p>",
            "<p class=\"note warning\"><strong>Warning:</strong> Few rows.</p>",
            "<p class=\"note info\"><strong>Note:</strong> To come.</p>",
            "<caption><span>Gates of the build</span></caption>",
            "<th scope=\"col\" class=\"number\">Limit</th>",
            "<th scope=\"row\" class=\"text\">AUC lost</th>",
            "<td class=\"number\">0.001</td>",
            "<td class=\"number\"><span class=\"tone bad\">3 %, failed</span></td>",
            "<figcaption>Third figure</figcaption>",
        ] {
            assert!(html.contains(text), "{text} is missing from {html}");
        }
        assert_eq!(html.matches("<svg ").count(), 3);
        assert!(html.ends_with("</html>\n"));
    }

    #[test]
    fn figures_that_follow_each_other_share_a_line() {
        let html = report().to_html().unwrap();
        let figures: Vec<usize> = html
            .split("<div class=\"figures\">")
            .skip(1)
            .map(|line| line.matches("<figure>").count())
            .collect();
        assert_eq!(figures, [2, 1]);
    }

    #[test]
    fn every_text_is_escaped() {
        let section = Section::new(HOSTILE)
            .intro(HOSTILE)
            .note(NoteKind::Info, HOSTILE)
            .figure(chart(), HOSTILE)
            .table(
                Table::new(HOSTILE, [Column::text(HOSTILE), Column::number(HOSTILE)])
                    .row([Cell::from(HOSTILE), Cell::toned(Tone::Good, HOSTILE)]),
            );
        let mut report = Report::new(HOSTILE, HOSTILE)
            .fact(HOSTILE, HOSTILE)
            .section(section.clone())
            .section(section.clone())
            .section(section);
        report.lang = HOSTILE.to_owned();
        let html = report.to_html().unwrap();
        assert!(!html.contains("<script"), "{html}");
        assert!(!html.contains("\"y\""), "{html}");
    }

    #[test]
    fn the_page_loads_nothing() {
        let html = report().to_html().unwrap();
        let bare = html.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        for reference in [
            "http:", "https:", "src=", "url(", "@import", "<link", "<script",
        ] {
            assert!(!bare.contains(reference), "{reference}");
        }
        assert!(bare.contains("default-src 'none'"));
        let anchors = bare.matches("href=").count();
        assert_eq!(anchors, bare.matches("href=\"#section-").count());
    }

    #[test]
    fn the_same_report_makes_the_same_bytes() {
        assert_eq!(report().to_html().unwrap(), report().to_html().unwrap());
    }

    #[test]
    fn a_bare_report_is_a_page() {
        let html = Report::new("Empty", "").to_html().unwrap();
        for absent in ["<dl>", "<nav", "subtitle\">", "<section"] {
            assert!(!html.contains(absent), "{absent}");
        }
    }

    #[test]
    fn a_row_that_does_not_fit_is_refused() {
        let table = table("Gates").row(["one cell"]);
        let report = Report::new("t", "").section(Section::new("s").table(table));
        let error = report.to_html().unwrap_err();
        assert_eq!(
            error.to_string(),
            "row 2 of the table \"Gates\" has 1 cells for 3 columns"
        );
    }
}
