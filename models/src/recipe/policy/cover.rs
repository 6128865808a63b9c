//! Whether a table has an answer to every case, and no more than one where it says so.
//!
//! The rules' bounds cut each input's numbers into parts that no rule tells apart. Going from input to
//! input, parts that the same rules remain for are one: so the walk is over sets of rules, not over the
//! product of the parts (Calvanese et al. 2018, "Semantics, analysis and simplification of DMN decision
//! tables", for the geometry).

use std::collections::{BTreeSet, HashSet};

use fieldscore_runtime::decide::{Cell, HitPolicy, Table};

/// What an input may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Domain {
    /// The least number.
    pub low: i64,
    /// The greatest one.
    pub high: i64,
    /// Whether there may be none.
    pub missing: bool,
}

impl Domain {
    /// These numbers.
    pub fn of(low: i64, high: i64) -> Self {
        let missing = false;
        Self { low, high, missing }
    }

    /// Any number, or none.
    pub fn any() -> Self {
        Self::of(i64::MIN, i64::MAX).or_missing(true)
    }

    /// The same numbers; none as well where `missing`.
    pub fn or_missing(self, missing: bool) -> Self {
        Self {
            missing: self.missing || missing,
            ..self
        }
    }
}

/// A case: a number, or none, for each input.
pub type Case = Vec<Option<i64>>;

/// What is wrong with a table.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// No rule holds.
    Gap(Case),
    /// These rules hold, by index, where only one may.
    Overlap(usize, usize, Case),
    /// A rule that never holds, by index.
    Never(usize),
    /// There is too much of it to tell.
    TooMuch,
}

/// No walk keeps more sets of rules.
const MAX_SETS: usize = 200_000;

type Rules = Vec<u64>;

/// The numbers, or none, that stand for a part of an input's domain: those nearest to zero come first,
/// a missing value last.
fn parts(table: &Table, input: usize, domain: Domain) -> Vec<Option<i64>> {
    let mut starts = BTreeSet::from([domain.low]);
    for cell in table
        .rules
        .iter()
        .filter_map(|rule| rule.when[input].as_ref())
    {
        for &(from, to) in &cell.ranges {
            starts.insert(from);
            starts.extend(to.checked_add(1));
        }
    }
    let inside: Vec<i64> = starts
        .into_iter()
        .filter(|at| (domain.low..=domain.high).contains(at))
        .collect();
    let ends = inside
        .iter()
        .skip(1)
        .map(|next| next - 1)
        .chain([domain.high]);
    let nearest = |(from, to): (&i64, i64)| 0.clamp(*from, to);
    let mut all: Vec<i64> = inside.iter().zip(ends).map(nearest).collect();
    all.sort_by_key(|x| (x.unsigned_abs(), *x < 0));
    let numbers = all.into_iter().map(Some);
    numbers.chain(domain.missing.then_some(None)).collect()
}

fn holds(cell: Option<&Cell>, value: Option<i64>) -> bool {
    let within = |cell: &Cell, x: i64| cell.ranges.iter().any(|&(a, b)| (a..=b).contains(&x));
    cell.is_none_or(|cell| value.map_or(cell.missing, |x| within(cell, x)))
}

/// Looks for the first fault of a table whose inputs are of these domains.
pub fn fault(table: &Table, domains: &[Domain]) -> Option<Fault> {
    let count = table.rules.len();
    let mut all = vec![0_u64; count.div_ceil(64)];
    (0..count).for_each(|rule| all[rule / 64] |= 1 << (rule % 64));
    // Each set of rules that remains, and a case that leads to it.
    let mut sets: Vec<(Rules, Case)> = vec![(all, Vec::new())];
    for (input, &domain) in domains.iter().enumerate() {
        let parts = parts(table, input, domain);
        let masks: Vec<Rules> = parts
            .iter()
            .map(|&part| {
                let mut mask = vec![0_u64; count.div_ceil(64)];
                for (index, rule) in table.rules.iter().enumerate() {
                    let holds = holds(rule.when[input].as_ref(), part);
                    mask[index / 64] |= u64::from(holds) << (index % 64);
                }
                mask
            })
            .collect();
        let mut known: HashSet<Rules> = HashSet::new();
        let mut next: Vec<(Rules, Case)> = Vec::new();
        for (rules, case) in &sets {
            for (mask, part) in masks.iter().zip(&parts) {
                let left: Rules = rules.iter().zip(mask).map(|(a, b)| a & b).collect();
                if !known.insert(left.clone()) {
                    continue;
                }
                next.push((left, [&case[..], &[*part]].concat()));
                if next.len() > MAX_SETS {
                    return Some(Fault::TooMuch);
                }
            }
        }
        sets = next;
    }
    let mut ever = vec![false; count];
    let mut gap = None;
    for (rules, case) in sets {
        let mut held = (0..count).filter(|rule| rules[rule / 64] >> (rule % 64) & 1 == 1);
        let first = held.next();
        let unique = table.hit == HitPolicy::Unique;
        if let (true, Some(first), Some(second)) = (unique, first, held.next()) {
            return Some(Fault::Overlap(first, second, case));
        }
        match (first, table.hit) {
            (None, HitPolicy::Collect) => {}
            (None, _) => gap = gap.or(Some(Fault::Gap(case))),
            (Some(first), HitPolicy::First) => ever[first] = true,
            (Some(_), _) => {
                let all = (0..count).filter(|rule| rules[rule / 64] >> (rule % 64) & 1 == 1);
                all.for_each(|rule| ever[rule] = true);
            }
        }
    }
    gap.or_else(|| ever.iter().position(|ever| !ever).map(Fault::Never))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use fieldscore_runtime::decide::{ColumnKind, OutputColumn, Rule};
    use proptest::prelude::*;

    use super::*;

    fn table(hit: HitPolicy, rules: Vec<Vec<Option<Cell>>>) -> Table {
        let columns = vec![OutputColumn {
            name: "n".to_owned(),
            kind: ColumnKind::Number,
        }];
        let rules = rules.into_iter().map(|when| Rule {
            code: None,
            when,
            then: vec![0],
        });
        Table {
            name: "t".to_owned(),
            hit,
            inputs: vec![0, 1],
            columns,
            rules: rules.collect(),
        }
    }

    fn cell() -> impl Strategy<Value = Option<Cell>> {
        let range = (-4_i64..4, 0_i64..4).prop_map(|(from, len)| (from, from + len));
        let cell = (range, any::<bool>()).prop_map(|(range, missing)| Cell {
            ranges: vec![range],
            missing,
        });
        prop_oneof![2 => cell.prop_map(Some), 1 => Just(None)]
    }

    proptest! {
        /// What is found is what trying every case finds.
        #[test]
        fn gaps_and_overlaps_are_those_of_every_case(
            rules in prop::collection::vec([cell(), cell()].prop_map(Vec::from), 1..7),
            unique in any::<bool>(),
        ) {
            let hit = if unique { HitPolicy::Unique } else { HitPolicy::Priority };
            let table = table(hit, rules);
            let domain = Domain::of(-5, 6).or_missing(true);
            let values = || (-5..=6).map(Some).chain([None]);
            let cases = values().flat_map(|a| values().map(move |b| [a, b]));
            let held = |case: &[Option<i64>]| -> Vec<usize> {
                let holds_all = |rule: &Rule| {
                    rule.when.iter().zip(case).all(|(cell, x)| holds(cell.as_ref(), *x))
                };
                let all = table.rules.iter().enumerate().filter(|(_, rule)| holds_all(rule));
                all.map(|(index, _)| index).collect()
            };
            let every: Vec<Vec<usize>> = cases.map(|case| held(&case)).collect();
            let overlap = unique && every.iter().any(|held| held.len() > 1);
            let gap = every.iter().any(Vec::is_empty);
            match fault(&table, &[domain; 2]) {
                Some(Fault::Overlap(first, second, case)) => {
                    prop_assert!(overlap);
                    let held = held(&case);
                    prop_assert!(held.contains(&first) && held.contains(&second));
                }
                Some(Fault::Gap(case)) => {
                    prop_assert!(gap && !overlap && held(&case).is_empty());
                }
                Some(Fault::Never(rule)) => {
                    prop_assert!(!gap && !overlap);
                    prop_assert!(every.iter().all(|held| !held.contains(&rule)));
                }
                found => prop_assert!(found.is_none() && !gap && !overlap),
            }
        }
    }

    #[test]
    fn a_first_rule_that_takes_all_leaves_nothing_to_those_behind_it() {
        let table = table(HitPolicy::First, vec![vec![None, None], vec![None, None]]);
        assert_eq!(fault(&table, &[Domain::any(); 2]), Some(Fault::Never(1)));
    }
}
