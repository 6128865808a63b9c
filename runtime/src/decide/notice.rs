//! The notice of a decision that an applicant takes home: its words, the same on every device.
//!
//! Keys of [`Texts`]: `notice.lender` (else `product.name`), `notice.review`, `notice.approve`,
//! `notice.refer`, `notice.decline`, `notice.score` (the score is on the notice where it is there),
//! `notice.word.WORD`, and `texts.version`. [`built_in`] has what a bundle leaves out.

use std::fmt;

use crate::decide::{Outcome, Reason, restore};
use crate::error::{Result, show};
use crate::schema::{Application, is_right_to_left};
use crate::{Explanation, Scorer};

/// What stands on a notice where a bundle has nothing of its own: the key behind `notice.`, English,
/// Chinese.
const WORDS: [(&str, &str, &str); 12] = [
    (
        "approve",
        "Your application is approved.",
        "您的申请已通过。",
    ),
    (
        "decline",
        "Your application is declined.",
        "您的申请未获通过。",
    ),
    (
        "refer",
        "A person will decide on your application.",
        "您的申请将由人工作出决定。",
    ),
    (
        "review",
        "You may ask the lender to have a person review this decision.",
        "您可以要求贷款机构对此决定进行人工复核。",
    ),
    ("score", "Score", "评分"),
    ("word.application", "Application", "申请编号"),
    ("word.basis", "Basis", "依据"),
    ("word.date", "Date", "日期"),
    ("word.lender", "Lender", "贷款机构"),
    ("word.reasons", "Main reasons", "主要原因"),
    ("word.review", "Review by a person", "人工复核"),
    (
        "word.title",
        "Decision on your loan application",
        "贷款申请决定通知",
    ),
];

/// The keys, behind `notice.`, that have built-in words.
pub fn notice_keys() -> impl Iterator<Item = &'static str> {
    WORDS.iter().map(|(key, ..)| *key)
}

/// The built-in words of a key, given without `notice.`: Chinese in Chinese, else English; empty where
/// there is no such key.
pub fn built_in(key: &str, language: &str) -> &'static str {
    let chinese = language.split('-').next() == Some("zh");
    let words = WORDS.iter().find(|(own, ..)| *own == key);
    words.map_or("", |&(_, en, zh)| if chinese { zh } else { en })
}

/// A decision in words: what is printed, shown or sent to the applicant. None of the values that they
/// gave is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The language that it is written in: the bundle's that serves the one asked for best.
    pub language: String,
    /// Whether that is written from right to left.
    pub right_to_left: bool,
    /// Its title.
    pub title: String,
    /// What was decided.
    pub outcome: Outcome,
    /// The same in a sentence.
    pub statement: String,
    /// Labels and what they say, in order: the lender, the application's id, its date, the score where
    /// the recipe wants it, and the bundle and version of texts that it stands on.
    pub facts: Vec<(String, String)>,
    /// The title of the reasons.
    pub reasons_title: String,
    /// The reasons that led to it, the most important first; none where the application is approved.
    pub reasons: Vec<String>,
    /// The title of [`Notice::review`].
    pub review_title: String,
    /// How to have a person look at the decision.
    pub review: String,
}

impl Notice {
    /// The notice as plain text, each line ended.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        let mut line = |parts: &[&str]| {
            parts.iter().for_each(|part| out.push_str(part));
            out.push('\n');
        };
        line(&[&self.title, "\n"]);
        for (label, value) in &self.facts {
            line(&[label, ": ", value]);
        }
        line(&["\n", &self.statement]);
        if !self.reasons.is_empty() {
            line(&["\n", &self.reasons_title]);
        }
        for (number, reason) in ["1. ", "2. ", "3. ", "4. "].iter().zip(&self.reasons) {
            line(&[number, reason]);
        }
        line(&["\n", &self.review_title]);
        line(&[&self.review]);
        out
    }
}

/// An application's id on one line, all of it.
struct OneLine<'a>(&'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|letter| show(letter, f))
    }
}

impl Scorer {
    /// The notice of a decision, in the language that serves `language` best.
    pub fn notice(
        &self,
        application: &Application,
        explanation: &Explanation,
        language: &str,
    ) -> Notice {
        let (texts, decision) = (self.texts(), &explanation.decision);
        let own = &texts.languages[texts.language(language)];
        let find = |key: &str| texts.text(key, own).map(str::to_owned);
        let word = |key: &str| {
            find(&["notice.", key].concat()).unwrap_or_else(|| built_in(key, own).to_owned())
        };
        let lender = find("notice.lender").or_else(|| find("product.name"));
        let meta = self.meta();
        let mut basis = format!("{} {}", meta.product, meta.sequence);
        if let Some(version) = find("texts.version") {
            basis = [&basis, ", ", &version].concat();
        }
        let mut facts = vec![
            (
                word("word.lender"),
                lender.unwrap_or_else(|| meta.product.clone()),
            ),
            (
                word("word.application"),
                OneLine(application.id()).to_string(),
            ),
            (word("word.date"), application.as_of().to_string()),
        ];
        if let Some(label) = find("notice.score") {
            facts.push((label, decision.score.to_string()));
        }
        facts.push((word("word.basis"), basis));
        let outcome = decision.outcome;
        // A rule that refers is no reason to decline, though the record has it.
        let leads = |reason: &Reason| match *reason {
            Reason::System(..) => outcome == Outcome::Refer,
            Reason::Rule(at) => self.policy().outcome_of(at) == outcome,
            Reason::Field(..) => true,
        };
        let mut reasons: Vec<Reason> = explanation.reasons.iter().collect();
        if outcome == Outcome::Approve {
            reasons.clear();
        }
        if reasons.iter().any(leads) {
            reasons.retain(leads);
        }
        Notice {
            right_to_left: is_right_to_left(own),
            title: word("word.title"),
            outcome,
            statement: word(outcome.name()),
            facts,
            reasons_title: word("word.reasons"),
            reasons: reasons
                .into_iter()
                .map(|reason| self.reason_text(reason, own))
                .collect(),
            review_title: word("word.review"),
            review: word("review"),
            language: own.clone(),
        }
    }

    /// The notice of a decision on record, which is made again: nobody gets a notice of what this
    /// bundle did not decide.
    ///
    /// # Errors
    /// As [`Scorer::replay`], and [`ErrorKind::BadRecord`](crate::ErrorKind::BadRecord) where the
    /// decision comes out otherwise.
    pub fn notice_of(&self, record: &[u8], language: &str) -> Result<Notice> {
        let decoded = self.decided_here(record)?;
        let application = restore(&decoded, self.schema())?;
        let explanation = self.explain(&application)?;
        Ok(self.notice(&application, &explanation, language))
    }
}
