//! From `[policy]` to what the runtime reads: names to indices, decimals to whole numbers.

use fieldscore_runtime::decide::{
    self, Cell, ColumnKind, Flags, HitPolicy, KnockOut, MAX_TERM, Outcome, OutputColumn,
    PolicyValue, Source, Test,
};
use fieldscore_runtime::schema::{self, Answer, FieldKind, SchemaParts};
use fieldscore_runtime::{Date, DecimalMark};

use super::cover::{self, Case, Domain, Fault};
use super::{Output, OutputName, RateIn, RateKind, Span, Table, Value, cell};
use crate::error::{Error, Result};
use crate::recipe::{Condition, Recipe, RuleOutcome, parse_value};

/// Names that are neither fields nor values of a recipe.
const RESERVED: [&str; 7] = [
    "score",
    "probability",
    "as_of",
    "flags",
    "fields",
    "knock_out",
    "outcome",
];

/// What the runtime makes of an annual rate: parts per million, which as per cent have four decimals.
const RATE_DECIMALS: u8 = 4;

/// What a value is written as.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    Number(u8),
    Field(FieldKind),
    Words(Vec<String>),
    Truth,
    Date,
}

impl Form {
    fn decimals(&self) -> u8 {
        match self {
            Self::Number(decimals) => *decimals,
            Self::Field(kind) => kind.decimals(),
            _ => 0,
        }
    }

    /// Whether it may be counted with.
    fn is_number(&self) -> bool {
        match self {
            Self::Number(_) => true,
            Self::Field(kind) => kind.is_numeric() && *kind != FieldKind::Date,
            _ => false,
        }
    }

    fn is_date(&self) -> bool {
        matches!(self, Self::Date | Self::Field(FieldKind::Date))
    }

    fn parse(&self, text: &str) -> Option<i64> {
        let place = |words: &[String]| words.iter().position(|w| w == text).map(|at| at as i64);
        match self {
            _ if self.is_date() => Date::parse(text).map(|date| date.days().into()),
            Self::Truth | Self::Field(FieldKind::Boolean) => match text {
                "false" => Some(0),
                "true" => Some(1),
                _ => None,
            },
            Self::Words(words) | Self::Field(FieldKind::Category { codes: words }) => place(words),
            _ if self.is_number() => {
                schema::parse_number(text, self.decimals(), DecimalMark::Point)
            }
            _ => None,
        }
    }

    fn show(&self, number: i64) -> String {
        match self {
            _ if self.is_date() => {
                Date::from_days(number).map_or_else(String::new, |d| d.to_string())
            }
            Self::Truth | Self::Field(FieldKind::Boolean) => (number != 0).to_string(),
            Self::Words(words) | Self::Field(FieldKind::Category { codes: words }) => {
                let word = usize::try_from(number).ok().and_then(|at| words.get(at));
                word.map_or_else(String::new, |word| format!("\"{word}\""))
            }
            _ => {
                let decimals = usize::from(self.decimals());
                let unit = 10_u64.pow(decimals as u32);
                let (whole, rest) = (number.unsigned_abs() / unit, number.unsigned_abs() % unit);
                let sign = if number < 0 { "-" } else { "" };
                match decimals {
                    0 => format!("{sign}{whole}"),
                    _ => format!("{sign}{whole}.{rest:0decimals$}"),
                }
            }
        }
    }
}

struct Lowering<'a> {
    recipe: &'a Recipe,
    schema: &'a SchemaParts,
    values: Vec<PolicyValue>,
    forms: Vec<Form>,
    domains: Vec<Domain>,
    tables: Vec<Option<decide::Table>>,
    /// Whether a table says nothing in some case.
    silent: Vec<bool>,
    /// Names whose values are being lowered.
    open: Vec<&'a str>,
}

/// Lowers a recipe's policy.
///
/// # Errors
/// Where a name is not known or a value does not fit, and where a table leaves a case without an answer
/// or with two: the case is named.
pub fn lower(recipe: &Recipe, schema: &SchemaParts) -> Result<decide::Policy> {
    let policy = &recipe.policy;
    let mut lowering = Lowering {
        recipe,
        schema,
        values: Vec::new(),
        forms: Vec::new(),
        domains: Vec::new(),
        tables: vec![None; policy.tables.len()],
        silent: vec![false; policy.tables.len()],
        open: Vec::new(),
    };
    lowering.check_names()?;
    for index in 0..policy.tables.len() {
        lowering.table(index)?;
    }
    for name in policy.values.keys() {
        lowering.refer(name, &format!("policy.values.{name}"))?;
    }
    let mut terms = Vec::new();
    for name in &policy.terms {
        terms.push(lowering.refer(name, "policy.terms")?);
    }
    terms.sort_unstable();
    let mut knock_outs = Vec::new();
    let mut on_values = Vec::new();
    for rule in &policy.knock_out {
        match rule.when.iter().all(|condition| condition.value.is_none()) {
            true => knock_outs.push(lowering.knock_out(rule)?),
            false => on_values.push(rule),
        }
    }
    let on_values = lowering.knock_outs_on_values(&on_values)?;
    let bands = lowering.bands()?;
    let tables = lowering.tables.into_iter().flatten().chain(on_values);
    let mut lowered = decide::Policy::new(bands.0, bands.1, knock_outs);
    (lowered.values, lowered.terms) = (lowering.values, terms);
    lowered.tables = tables.collect();
    Ok(lowered)
}

/// What knock-out rules and tables say.
fn outcome(outcome: RuleOutcome) -> Outcome {
    match outcome {
        RuleOutcome::Refer => Outcome::Refer,
        RuleOutcome::Decline => Outcome::Decline,
    }
}

/// A cell of TOML as the text that stands in a table.
fn text_of(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl<'a> Lowering<'a> {
    fn check_names(&self) -> Result<()> {
        let policy = &self.recipe.policy;
        let values = policy.values.keys().map(|name| (name, "values"));
        let tables = policy.tables.keys().map(|name| (name, "tables"));
        for (name, part) in values.chain(tables) {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
            let taken = RESERVED.contains(&name.as_str())
                || self.recipe.fields.contains_key(name)
                || part == "tables" && policy.values.contains_key(name);
            if taken || name.is_empty() || name.len() > 32 || !name.chars().all(plain) {
                return Err(Error::input(
                    format!("policy.{part}.{name}"),
                    "a name of 1 to 32 ASCII letters, digits, '-' or '_' that no field, value or table has",
                ));
            }
        }
        Ok(())
    }

    /// The score's cut-offs; without them, what no score is below.
    fn bands(&self) -> Result<(i32, i32)> {
        let policy = &self.recipe.policy;
        match (policy.approve_from, policy.refer_from) {
            (Some(approve), Some(refer)) => Ok((approve, refer)),
            (None, None) => {
                let tables = self.tables.iter().flatten();
                match tables.clone().any(|table| table.outcome_column().is_some()) {
                    true => Ok((self.recipe.score.floor, self.recipe.score.floor)),
                    false => Err(Error::input(
                        "policy",
                        "approve_from and refer_from, or a table with a column of outcomes",
                    )),
                }
            }
            _ => Err(Error::input(
                "policy",
                "both approve_from and refer_from, or neither",
            )),
        }
    }

    /// Adds a value, or finds the one of that name.
    fn push(
        &mut self,
        name: String,
        source: Source,
        form: Form,
        unit: &str,
        domain: Domain,
    ) -> u16 {
        if let Some(at) = self.values.iter().position(|value| value.name == name) {
            return at as u16;
        }
        self.values.push(PolicyValue {
            name,
            source,
            decimals: form.decimals(),
            unit: unit.to_owned(),
        });
        self.forms.push(form);
        self.domains.push(domain);
        (self.values.len() - 1) as u16
    }

    fn form(&self, at: u16) -> &Form {
        &self.forms[usize::from(at)]
    }

    fn domain(&self, at: u16) -> Domain {
        self.domains[usize::from(at)]
    }

    /// The value that a name of a recipe means, made where it is not there yet.
    fn refer(&mut self, name: &str, key: &str) -> Result<u16> {
        if let Some(at) = self.values.iter().position(|value| value.name == name) {
            return Ok(at as u16);
        }
        let score = &self.recipe.score;
        let whole = Form::Number(0);
        let own = |source, form, domain| (source, form, domain);
        let (source, form, domain) = match name {
            "score" => {
                let domain = Domain::of(score.floor.into(), score.ceiling.into());
                own(Source::Score, whole, domain)
            }
            "probability" => {
                let form = Form::Number(RATE_DECIMALS);
                own(Source::Probability, form, Domain::of(100, 999_900))
            }
            "as_of" => own(Source::AsOf, Form::Date, Domain::of(-62_091, 157_053)),
            _ => match name.strip_prefix("flag.") {
                Some(flag) => {
                    let bit = (0..32).map(|bit| Flags::from_bits(1 << bit));
                    let flag = bit.into_iter().find(|f| f.names().next() == Some(flag));
                    let flag = flag.ok_or_else(|| {
                        let all = (0..32).filter_map(|b| Flags::from_bits(1 << b).names().next());
                        let all: Vec<&str> = all.collect();
                        Error::input(key, format!("one of the flags {}", all.join(", ")))
                    })?;
                    own(Source::Flag(flag.bits()), Form::Truth, Domain::of(0, 1))
                }
                None => return self.refer_own(name, key),
            },
        };
        let unit = if name == "probability" { "%" } else { "" };
        Ok(self.push(name.to_owned(), source, form, unit, domain))
    }

    /// As [`refer`](Self::refer), for fields, values and tables.
    fn refer_own(&mut self, name: &str, key: &str) -> Result<u16> {
        if let Some(at) = self.schema.fields.iter().position(|f| f.name == name) {
            let field = &self.schema.fields[at];
            let (form, domain) = (Form::Field(field.kind.clone()), field_domain(field));
            let unit = match &field.kind {
                FieldKind::Money { currency, .. } => currency.clone(),
                _ => String::new(),
            };
            return Ok(self.push(
                name.to_owned(),
                Source::Field(at as u16),
                form,
                &unit,
                domain,
            ));
        }
        let policy = &self.recipe.policy;
        if let Some((own, value)) = policy.values.get_key_value(name) {
            self.enter(own, key)?;
            let at = self.value(own, value)?;
            self.open.pop();
            return Ok(at);
        }
        let (table, column) = name.split_once('.').unwrap_or((name, ""));
        let Some((index, own, table)) = policy.tables.get_full(table) else {
            return Err(Error::input(
                key,
                format!(
                    "fields, values, tables, score, probability, as_of or flag.NAME; there is no {name}"
                ),
            ));
        };
        self.enter(own, key)?;
        self.table(index)?;
        self.open.pop();
        let column = match table.outputs.get_index_of(column) {
            Some(at) => at,
            None if column.is_empty() && table.outputs.len() == 1 => 0,
            None => {
                let all: Vec<String> = table.outputs.keys().map(|c| format!("{own}.{c}")).collect();
                return Err(Error::input(
                    key,
                    format!("one of {}; there is no {name}", all.join(", ")),
                ));
            }
        };
        if table.hit == super::Hit::Collect {
            return Err(Error::input(
                key,
                format!(
                    "a table that says one thing; {own} collects (hits = \"{own}\" counts them)"
                ),
            ));
        }
        let (form, unit) = match &table.outputs[column] {
            Output::Named(OutputName::Outcome) => (Form::Words(outcomes()), ""),
            Output::Named(OutputName::Number) => (Form::Number(0), ""),
            Output::Words(words) => (Form::Words(words.clone()), ""),
            Output::Number(number) => (Form::Number(number.decimals), number.unit.as_str()),
        };
        let domain = self.output_domain(index, column);
        let source = Source::Output {
            table: index as u16,
            column: column as u16,
        };
        Ok(self.push(name.to_owned(), source, form, unit, domain))
    }

    /// Notes that what is called `name` is being lowered: it must not be a part of itself.
    fn enter(&mut self, name: &'a str, key: &str) -> Result<()> {
        if self.open.contains(&name) {
            return Err(Error::input(
                key,
                format!("a value that {name} is no part of"),
            ));
        }
        self.open.push(name);
        Ok(())
    }

    /// What may stand in a column of a lowered table.
    fn output_domain(&self, table: usize, column: usize) -> Domain {
        let Some(lowered) = &self.tables[table] else {
            return Domain::any();
        };
        let said = lowered.rules.iter().map(|rule| rule.then[column]);
        let silent = self.silent[table];
        match lowered.hit {
            HitPolicy::CollectSum => {
                let low = said.clone().map(|x| x.min(0)).fold(0, i64::saturating_add);
                let high = said.map(|x| x.max(0)).fold(0, i64::saturating_add);
                Domain::of(low, high).or_missing(silent)
            }
            _ => Domain::of(said.clone().min().unwrap_or(0), said.max().unwrap_or(0))
                .or_missing(silent),
        }
    }

    /// `at` with so many decimals: itself, or times a power of ten.
    fn with_decimals(&mut self, at: u16, decimals: u8, key: &str) -> Result<u16> {
        let own = self.form(at).decimals();
        let Some(more) = decimals.checked_sub(own) else {
            let name = &self.values[usize::from(at)].name;
            return Err(Error::input(
                key,
                format!("at least the {own} decimals of {name}, not {decimals}"),
            ));
        };
        if more == 0 {
            return Ok(at);
        }
        let times = 10_i64.pow(more.into());
        let one = Form::Number(0);
        let power = self.push(
            format!("constant {times}"),
            Source::Constant(times),
            one,
            "",
            Domain::of(times, times),
        );
        let name = format!("{} × {times}", self.values[usize::from(at)].name);
        let source = Source::Product {
            left: at,
            right: power,
            by: 1,
            rounding: decide::Rounding::Down,
        };
        let scaled = scale(self.domain(at), times.into(), 1);
        Ok(self.push(name, source, Form::Number(decimals), "", scaled))
    }

    /// A value that may be counted with.
    fn operand(&mut self, name: &str, key: &str) -> Result<u16> {
        let at = self.refer(name, key)?;
        match self.form(at).is_number() {
            true => Ok(at),
            false => Err(Error::input(key, format!("numbers, which {name} is not"))),
        }
    }

    fn date(&mut self, name: &str, key: &str) -> Result<u16> {
        let at = self.refer(name, key)?;
        match self.form(at).is_date() {
            true => Ok(at),
            false => Err(Error::input(key, format!("dates, which {name} is not"))),
        }
    }

    /// Operands with the same decimals: those asked for, or the most that one of them has.
    fn alike(
        &mut self,
        names: &[String],
        decimals: Option<u8>,
        key: &str,
    ) -> Result<(Vec<u16>, u8)> {
        let all: Vec<u16> = names
            .iter()
            .map(|name| self.operand(name, key))
            .collect::<Result<_>>()?;
        let most = all.iter().map(|&at| self.form(at).decimals()).max();
        let decimals = decimals.or(most).unwrap_or(0);
        let all = all
            .into_iter()
            .map(|at| self.with_decimals(at, decimals, key));
        Ok((all.collect::<Result<_>>()?, decimals))
    }

    /// Lowers a value of the recipe.
    fn value(&mut self, name: &str, value: &Value) -> Result<u16> {
        let key = format!("policy.values.{name}");
        let kinds = [
            value.number.is_some(),
            value.sum.is_some(),
            value.product.is_some(),
            value.ratio.is_some(),
            value.least.is_some(),
            value.greatest.is_some(),
            value.instalment.is_some(),
            value.annual_rate.is_some(),
            value.months.is_some(),
            value.years.is_some(),
            value.output.is_some(),
            value.hits.is_some(),
        ];
        if kinds.into_iter().filter(|is| *is).count() != 1
            || value.sum.is_none() && !value.less.is_empty()
        {
            return Err(Error::input(
                key,
                "exactly one of number, sum (with less), product, ratio, least, greatest, instalment, annual_rate, months, years, output, hits",
            ));
        }
        if value.decimals.is_some_and(|decimals| decimals > 9) {
            return Err(Error::input(key, "at most 9 decimals"));
        }
        let rounding = || {
            let rounding = value.rounding.map(decide::Rounding::from);
            rounding.ok_or_else(|| {
                Error::input(
                    &*key,
                    "rounding: half_up, half_even, up or down, for a quotient",
                )
            })
        };
        let (source, form, domain) = if let Some(number) = &value.number {
            let form = Form::Number(value.decimals.unwrap_or(0));
            let number = form.parse(&text_of(number)).ok_or_else(|| {
                Error::input(&*key, format!("a number with {} decimals", form.decimals()))
            })?;
            (Source::Constant(number), form, Domain::of(number, number))
        } else if let Some(plus) = &value.sum {
            let all = [&plus[..], &value.less].concat();
            let (mut plus_at, decimals) = self.alike(&all, value.decimals, &key)?;
            let minus = plus_at.split_off(plus.len());
            let domain = self.sum_domain(&plus_at, &minus);
            let source = Source::Sum {
                plus: plus_at,
                minus,
            };
            (source, Form::Number(decimals), domain)
        } else if let Some([left, right]) = &value.product {
            let (left, right) = (self.operand(left, &key)?, self.operand(right, &key)?);
            let have = self.form(left).decimals() + self.form(right).decimals();
            let decimals = value.decimals.unwrap_or(have.min(9));
            let by = have
                .checked_sub(decimals)
                .and_then(|fewer| 10_i64.checked_pow(fewer.into()));
            let by = by.ok_or_else(|| Error::input(&*key, format!("at most {have} decimals")))?;
            let rounding = if by == 1 {
                decide::Rounding::Down
            } else {
                rounding()?
            };
            let domain = product(self.domain(left), self.domain(right), by);
            let source = Source::Product {
                left,
                right,
                by,
                rounding,
            };
            (source, Form::Number(decimals), domain)
        } else if let Some([left, right]) = &value.ratio {
            let (left, right) = (self.operand(left, &key)?, self.operand(right, &key)?);
            let (a, b) = (self.form(left).decimals(), self.form(right).decimals());
            let decimals = value.decimals.unwrap_or(4);
            let times = (decimals + b)
                .checked_sub(a)
                .and_then(|more| 10_i64.checked_pow(more.into()));
            let times =
                times.ok_or_else(|| Error::input(&*key, format!("at least {} decimals", a - b)))?;
            let source = Source::Ratio {
                left,
                right,
                times,
                rounding: rounding()?,
            };
            let zero = self.domain(right);
            let fixed = zero.low == zero.high && zero.low > 0 && !zero.missing;
            let domain = match fixed {
                true => scale(self.domain(left), times.into(), zero.low.into()),
                false => Domain::any(),
            };
            (source, Form::Number(decimals), domain)
        } else if let Some(names) = value.least.as_ref().or(value.greatest.as_ref()) {
            let (all, decimals) = self.alike(names, value.decimals, &key)?;
            if all.is_empty() {
                return Err(Error::input(key, "at least one value"));
            }
            let of: Vec<Domain> = all.iter().map(|&at| self.domain(at)).collect();
            let missing = of.iter().any(|domain| domain.missing);
            let (lows, highs) = (of.iter().map(|d| d.low), of.iter().map(|d| d.high));
            let (source, low, high) = match value.least.is_some() {
                true => (Source::Least(all), lows.min(), highs.min()),
                false => (Source::Greatest(all), lows.max(), highs.max()),
            };
            let domain = Domain::of(low.unwrap_or(0), high.unwrap_or(0)).or_missing(missing);
            (source, Form::Number(decimals), domain)
        } else if let Some(loan) = &value.instalment {
            let (amount, rate, term) = (
                self.operand(&loan.amount, &key)?,
                self.operand(&loan.rate, &key)?,
                self.months_of(&loan.term, &key)?,
            );
            let decimals = value.decimals.unwrap_or(self.form(amount).decimals());
            let amount = self.with_decimals(amount, decimals, &key)?;
            let hundred = if loan.rate_in == RateIn::Percent {
                100
            } else {
                1
            };
            let whole = hundred * 10_i64.pow(self.form(rate).decimals().into());
            let known = self.domain(amount).low >= 0
                && self.domain(rate).low >= 0
                && self.domain(term).low >= 1
                && self.domain(term).high <= MAX_TERM;
            let missing = !known
                || [amount, rate, term]
                    .iter()
                    .any(|&at| self.domain(at).missing);
            let source = Source::Instalment {
                amount,
                rate,
                term,
                whole,
                rounding: rounding()?,
            };
            let domain = Domain::of(0, i64::MAX).or_missing(missing);
            (source, Form::Number(decimals), domain)
        } else if let Some(loan) = &value.annual_rate {
            let names = [loan.amount.clone(), loan.instalment.clone()];
            let (both, _) = self.alike(&names, None, &key)?;
            let term = self.months_of(&loan.term, &key)?;
            let kind = match loan.kind {
                RateKind::Nominal => decide::AnnualRate::Nominal,
                RateKind::Effective => decide::AnnualRate::Effective,
            };
            if value
                .decimals
                .is_some_and(|decimals| decimals != RATE_DECIMALS)
            {
                return Err(Error::input(
                    key,
                    format!("{RATE_DECIMALS} decimals, which an annual rate in per cent has"),
                ));
            }
            let source = Source::AnnualRate {
                amount: both[0],
                instalment: both[1],
                term,
                kind,
            };
            let domain = Domain::of(0, i64::MAX).or_missing(true);
            (source, Form::Number(RATE_DECIMALS), domain)
        } else if let Some(span) = value.months.as_ref().or(value.years.as_ref()) {
            let (source, domain) = self.months(span, &key)?;
            match value.months.is_some() {
                true => (source, Form::Number(0), domain),
                false => {
                    let months = format!("{name} in months");
                    let left = self.push(months, source, Form::Number(0), "", domain);
                    let twelve = Domain::of(12, 12);
                    let twelve = self.push(
                        "constant 12".to_owned(),
                        Source::Constant(12),
                        Form::Number(0),
                        "",
                        twelve,
                    );
                    let source = Source::Ratio {
                        left,
                        right: twelve,
                        times: 1,
                        rounding: decide::Rounding::Down,
                    };
                    (source, Form::Number(0), scale(domain, 1, 12))
                }
            }
        } else if let Some(table) = &value.hits {
            let Some((index, own, table)) = self.recipe.policy.tables.get_full(table) else {
                return Err(Error::input(key, format!("a table; there is no {table}")));
            };
            self.enter(own, &key)?;
            self.table(index)?;
            self.open.pop();
            let domain = Domain::of(0, table.rules.len() as i64);
            (Source::Hits(index as u16), Form::Number(0), domain)
        } else {
            let output = value.output.as_deref().unwrap_or_default();
            let at = self.refer(output, &key)?;
            let from = &self.values[usize::from(at)];
            let Source::Output { .. } = from.source else {
                return Err(Error::input(
                    key,
                    format!("a table's column, which {output} is not"),
                ));
            };
            let (source, unit) = (from.source.clone(), from.unit.clone());
            let (form, domain) = (self.form(at).clone(), self.domain(at));
            return Ok(self.push(name.to_owned(), source, form, &unit, domain));
        };
        let unit = match (&value.annual_rate, value.unit.is_empty()) {
            (Some(_), true) => "%",
            _ => &value.unit,
        };
        Ok(self.push(name.to_owned(), source, form, unit, domain))
    }

    /// A number of months.
    fn months_of(&mut self, name: &str, key: &str) -> Result<u16> {
        let at = self.operand(name, key)?;
        match self.form(at).decimals() {
            0 => Ok(at),
            _ => Err(Error::input(
                key,
                format!("a term in whole months, which {name} is not"),
            )),
        }
    }

    fn months(&mut self, span: &Span, key: &str) -> Result<(Source, Domain)> {
        let (from, to) = (self.date(&span.from, key)?, self.date(&span.to, key)?);
        let (first, last) = (self.domain(from), self.domain(to));
        let missing = first.missing || last.missing;
        let date = |days: i64| Date::from_days(days);
        let between = |from: i64, to: i64| Some(date(from)?.months_until(date(to)?));
        let low = between(first.high, last.low);
        let high = between(first.low, last.high);
        let domain = Domain::of(low.unwrap_or(-7200), high.unwrap_or(7200)).or_missing(missing);
        Ok((Source::Months { from, to }, domain))
    }

    fn sum_domain(&self, plus: &[u16], minus: &[u16]) -> Domain {
        let domain = |at: &u16| self.domain(*at);
        let (mut low, mut high, mut missing) = (0_i128, 0_i128, false);
        for d in plus.iter().map(domain) {
            (low, high) = (low + i128::from(d.low), high + i128::from(d.high));
            missing |= d.missing;
        }
        for d in minus.iter().map(domain) {
            (low, high) = (low - i128::from(d.high), high - i128::from(d.low));
            missing |= d.missing;
        }
        narrow(low, high, missing)
    }

    /// Lowers the recipe's table of an index, once.
    fn table(&mut self, index: usize) -> Result<()> {
        if self.tables[index].is_some() {
            return Ok(());
        }
        let recipe = self.recipe;
        let Some((name, table)) = recipe.policy.tables.get_index(index) else {
            return Ok(());
        };
        let key = format!("policy.tables.{name}");
        let mut inputs = Vec::new();
        for (at, input) in table.inputs.iter().enumerate() {
            inputs.push(self.refer(input, &format!("{key}.inputs[{at}]"))?);
        }
        let columns: Vec<OutputColumn> = table
            .outputs
            .iter()
            .map(|(name, output)| OutputColumn {
                name: name.clone(),
                kind: match output {
                    Output::Named(OutputName::Outcome) => ColumnKind::Outcome,
                    Output::Named(OutputName::Number) | Output::Number(_) => ColumnKind::Number,
                    Output::Words(words) => ColumnKind::Words(words.clone()),
                },
            })
            .collect();
        let mut rules = Vec::new();
        for (number, rule) in table.rules.iter().enumerate() {
            let key = format!("{key}.rules[{number}]");
            rules.push(self.rule(table, rule, &inputs, &key)?);
        }
        let lowered = decide::Table {
            name: name.clone(),
            hit: table.hit.into(),
            inputs,
            columns,
            rules,
        };
        self.check_form(&lowered, table, &key)?;
        self.check_cover(index, &lowered, &key)?;
        self.tables[index] = Some(lowered);
        Ok(())
    }

    fn rule(
        &self,
        table: &Table,
        rule: &super::Rule,
        inputs: &[u16],
        key: &str,
    ) -> Result<decide::Rule> {
        if rule.when.len() != inputs.len() || rule.then.len() != table.outputs.len() {
            return Err(Error::input(
                key,
                format!(
                    "a test for each of the {} inputs and a value for each of the {} outputs",
                    inputs.len(),
                    table.outputs.len()
                ),
            ));
        }
        let mut when = Vec::new();
        for (at, (text, &input)) in rule.when.iter().zip(inputs).enumerate() {
            let form = self.form(input);
            let ordered = form.is_number() || form.is_date();
            let parsed = cell::parse(&text_of(text), ordered, |text| form.parse(text));
            when.push(
                parsed.map_err(|expected| Error::input(format!("{key}.when[{at}]"), expected))?,
            );
        }
        let mut then = Vec::new();
        for (at, (text, output)) in rule.then.iter().zip(table.outputs.values()).enumerate() {
            let form = match output {
                Output::Named(OutputName::Outcome) => Form::Words(outcomes()),
                Output::Named(OutputName::Number) => Form::Number(0),
                Output::Words(words) => Form::Words(words.clone()),
                Output::Number(number) => Form::Number(number.decimals),
            };
            let number = form.parse(&text_of(text)).ok_or_else(|| {
                let expected = match &form {
                    Form::Words(words) => format!("one of {}", words.join(", ")),
                    form => format!("a number with {} decimals", form.decimals()),
                };
                Error::input(format!("{key}.then[{at}]"), expected)
            })?;
            then.push(number);
        }
        Ok(decide::Rule {
            code: rule.code.clone(),
            when,
            then,
        })
    }

    /// What the runtime asks of a table, said in the recipe's words.
    fn check_form(&self, lowered: &decide::Table, table: &Table, key: &str) -> Result<()> {
        let wrong = |place: String, expected: &str| Err(Error::input(place, expected));
        let outcome = lowered.outcome_column();
        let named = table.outputs.values();
        if named
            .filter(|o| matches!(o, Output::Named(OutputName::Outcome)))
            .count()
            > 1
        {
            return wrong(format!("{key}.outputs"), "at most one column of outcomes");
        }
        let first = lowered.columns.first().map(|column| &column.kind);
        match lowered.hit {
            HitPolicy::Priority if first == Some(&ColumnKind::Number) => {
                return wrong(
                    format!("{key}.outputs"),
                    "words or outcomes first, whose order is the priority",
                );
            }
            HitPolicy::CollectSum
                if lowered.columns.iter().any(|c| c.kind != ColumnKind::Number) =>
            {
                return wrong(format!("{key}.outputs"), "numbers, which are added up");
            }
            _ => {}
        }
        for (number, rule) in lowered.rules.iter().enumerate() {
            let tells = outcome.is_some_and(|at| rule.then[at] != 0);
            if tells != rule.code.is_some() {
                return wrong(
                    format!("{key}.rules[{number}]"),
                    "a code and a text where it refers or declines, and only there: they are the reason that people are given",
                );
            }
        }
        Ok(())
    }

    /// A table answers every case, and a table of unique rules no case twice.
    fn check_cover(&mut self, index: usize, table: &decide::Table, key: &str) -> Result<()> {
        let domains: Vec<Domain> = table.inputs.iter().map(|&at| self.domain(at)).collect();
        let case = |case: &Case| {
            let shown = table.inputs.iter().zip(case).map(|(&at, number)| {
                let name = &self.values[usize::from(at)].name;
                match number {
                    Some(number) => format!("{name} = {}", self.form(at).show(*number)),
                    None => format!("{name} missing"),
                }
            });
            shown.collect::<Vec<_>>().join(", ")
        };
        let found = match cover::fault(table, &domains) {
            None => return Ok(()),
            Some(Fault::Gap(_)) if table.hit == HitPolicy::CollectSum => {
                self.silent[index] = true;
                return Ok(());
            }
            Some(Fault::Gap(found)) => Error::input(key, format!("a rule for every case; none holds for {}", case(&found)))
                .hint("add a rule for it, or one of '-' for the rest; a field's range and missing policy say what can be"),
            Some(Fault::Overlap(first, second, found)) => Error::input(
                key,
                format!(
                    "one rule for every case; rules {} and {} both hold for {}",
                    first + 1,
                    second + 1,
                    case(&found)
                ),
            )
            .hint("part them, or choose the hit policy first, priority or collect"),
            Some(Fault::Never(rule)) => Error::input(
                format!("{key}.rules[{rule}]"),
                "a rule that holds for some case",
            )
            .hint("rules before it, or the range of an input, leave nothing to it"),
            Some(Fault::TooMuch) => Error::input(key, "a table whose cases can be told apart in bounded memory")
                .hint("divide it into several tables"),
        };
        Err(found)
    }

    fn knock_out(&self, rule: &crate::recipe::KnockOut) -> Result<KnockOut> {
        let key = format!("policy.knock_out {}", rule.code);
        let when = rule
            .when
            .iter()
            .map(|condition| self.condition(condition, &key));
        Ok(KnockOut {
            code: rule.code.clone(),
            when: when.collect::<Result<_>>()?,
            outcome: outcome(rule.outcome),
        })
    }

    fn condition(&self, condition: &Condition, key: &str) -> Result<decide::Condition> {
        let name = condition.field.as_deref().unwrap_or_default();
        let Some(at) = self.schema.fields.iter().position(|f| f.name == name) else {
            return Err(Error::input(
                key,
                format!("conditions on fields; there is no {name}"),
            ));
        };
        let kind = &self.schema.fields[at].kind;
        let value =
            |value: &toml::Value| parse_value(kind, value, &format!("{key}, condition on {name}"));
        let test = match (
            &condition.above,
            &condition.below,
            &condition.is,
            condition.missing,
        ) {
            (Some(limit), None, None, None) if kind.is_numeric() => Test::Above(value(limit)?),
            (None, Some(limit), None, None) if kind.is_numeric() => Test::Below(value(limit)?),
            (None, None, Some(is), None) => Test::Is(value(is)?),
            (None, None, None, Some(true)) => Test::Missing,
            _ => return Err(one_test(key, name)),
        };
        Ok(decide::Condition {
            field: at as u16,
            test,
        })
    }

    /// Knock-out rules on values: a table that collects their outcomes.
    fn knock_outs_on_values(
        &mut self,
        rules: &[&crate::recipe::KnockOut],
    ) -> Result<Option<decide::Table>> {
        let mut inputs: Vec<u16> = Vec::new();
        let mut lowered = Vec::new();
        for rule in rules {
            let key = format!("policy.knock_out {}", rule.code);
            let mut tests: Vec<(u16, Cell)> = Vec::new();
            for condition in &rule.when {
                let name = match (&condition.value, &condition.field) {
                    (Some(name), None) | (None, Some(name)) => name,
                    _ => return Err(Error::input(key, "a field or a value in each condition")),
                };
                let at = self.refer(name, &key)?;
                if tests.iter().any(|(other, _)| *other == at) {
                    return Err(Error::input(&*key, format!("one condition on {name}"))
                        .hint("a table's cells take intervals: above and below in one"));
                }
                tests.push((at, self.test(condition, at, name, &key)?));
                if !inputs.contains(&at) {
                    inputs.push(at);
                }
            }
            lowered.push((rule, tests));
        }
        if lowered.is_empty() {
            return Ok(None);
        }
        let rules = lowered.into_iter().map(|(rule, tests)| {
            let test = |at: &u16| {
                tests
                    .iter()
                    .find(|(own, _)| own == at)
                    .map(|(_, cell)| cell.clone())
            };
            decide::Rule {
                code: Some(rule.code.clone()),
                when: inputs.iter().map(test).collect(),
                then: vec![outcome(rule.outcome) as i64],
            }
        });
        Ok(Some(decide::Table {
            name: "knock_out".to_owned(),
            hit: HitPolicy::Collect,
            rules: rules.collect(),
            inputs,
            columns: vec![OutputColumn {
                name: "outcome".to_owned(),
                kind: ColumnKind::Outcome,
            }],
        }))
    }

    fn test(&self, condition: &Condition, at: u16, name: &str, key: &str) -> Result<Cell> {
        let form = self.form(at);
        let ordered = form.is_number() || form.is_date();
        let text = match (
            &condition.above,
            &condition.below,
            &condition.is,
            condition.missing,
        ) {
            (Some(limit), None, None, None) => format!("> {}", text_of(limit)),
            (None, Some(limit), None, None) => format!("< {}", text_of(limit)),
            (None, None, Some(is), None) => format!("\"{}\"", text_of(is)),
            (None, None, None, Some(true)) => "missing".to_owned(),
            _ => return Err(one_test(key, name)),
        };
        let parsed = cell::parse(&text, ordered, |text| form.parse(text));
        let cell = parsed
            .map_err(|expected| Error::input(format!("{key}, condition on {name}"), expected))?;
        cell.ok_or_else(|| one_test(key, name))
    }
}

fn one_test(key: &str, name: &str) -> Error {
    Error::input(
        format!("{key}, condition on {name}"),
        "exactly one of above, below (numbers and dates), is, missing = true",
    )
}

/// The outcomes, by their numbers.
fn outcomes() -> Vec<String> {
    [Outcome::Approve, Outcome::Refer, Outcome::Decline]
        .map(|outcome| outcome.name().to_owned())
        .to_vec()
}

/// What a policy may find in a field: what its missing, range and category policies let through.
fn field_domain(field: &schema::Field) -> Domain {
    let domain = match &field.kind {
        FieldKind::Boolean => Domain::of(0, 1),
        FieldKind::Category { codes } => {
            let last = (codes.len() as i64 - 1).max(0);
            Domain::of(0, last).or_missing(field.unknown != Answer::Refuse)
        }
        FieldKind::Date if field.range.is_none() => Domain::of(-62_091, 157_053),
        kind if kind.is_numeric() => match field.range {
            Some((low, high)) if field.out_of_range == Answer::Refuse => Domain::of(low, high),
            _ => Domain::of(i64::MIN, i64::MAX),
        },
        _ => Domain::of(0, 0),
    };
    domain.or_missing(field.missing != Answer::Refuse)
}

fn narrow(low: i128, high: i128, missing: bool) -> Domain {
    match (i64::try_from(low), i64::try_from(high)) {
        (Ok(low), Ok(high)) => Domain::of(low, high).or_missing(missing),
        // Beyond 64 bits there is no number.
        _ => {
            let clamp = |x: i128| x.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
            Domain::of(clamp(low), clamp(high)).or_missing(true)
        }
    }
}

/// A domain times a number, divided by another one; both above zero. A quotient is rounded by less than 1.
fn scale(domain: Domain, times: i128, by: i128) -> Domain {
    let more = i128::from(by != 1);
    let low = (i128::from(domain.low) * times).div_euclid(by);
    let high = (i128::from(domain.high) * times).div_euclid(by) + more;
    narrow(low, high, domain.missing)
}

fn product(left: Domain, right: Domain, by: i64) -> Domain {
    let wide = |x: i64| i128::from(x);
    let corners = [
        wide(left.low) * wide(right.low),
        wide(left.low) * wide(right.high),
        wide(left.high) * wide(right.low),
        wide(left.high) * wide(right.high),
    ];
    let low = corners.into_iter().min().unwrap_or(0);
    let high = corners.into_iter().max().unwrap_or(0);
    let more = i128::from(by != 1);
    let by = i128::from(by);
    narrow(
        low.div_euclid(by),
        high.div_euclid(by) + more,
        left.missing || right.missing,
    )
}
