//! What an explanation may cost: in evaluations, and which groups to join where it is too many.

use fieldscore_runtime::schema::MAX_GROUP_FIELDS;

/// Evaluations that an explanation may cost where a recipe does not say.
pub const DEFAULT_BUDGET: usize = 4096;

/// A group of so many fields, with the names of those that it was made of.
type Group<'n> = (usize, Vec<&'n str>);

/// How many evaluations an explanation over groups of these sizes costs: every set of groups, and for
/// each group every set of the others with every proper part of its fields.
fn evaluations(groups: &[Group<'_>]) -> usize {
    cost(groups.iter().map(|(m, _)| *m))
}

/// The same, of sizes alone: at most 16 of them, each from 1 to 10.
pub(super) fn cost(sizes: impl ExactSizeIterator<Item = usize>) -> usize {
    let all = 1usize << sizes.len();
    all + sizes.map(|m| all / 2 * ((1 << m) - 2)).sum::<usize>()
}

/// What is wrong with a budget that groups do not keep to, and what to do; none where they do.
pub(crate) fn refusal(groups: Vec<Group<'_>>, budget: usize) -> Option<(String, String)> {
    let (count, cost) = (groups.len(), evaluations(&groups));
    if cost <= budget {
        return None;
    }
    let what = format!("at least {cost} evaluations for {count} groups, not {budget}");
    let joined = join(groups, budget);
    let least = evaluations(&joined);
    if least > budget {
        let hint =
            format!("raise it, or leave fields out: no joining of groups gets below {least}");
        return Some((what, hint));
    }
    let names = joined.iter().filter(|(_, names)| names.len() > 1);
    let names: Vec<String> = names.map(|(_, names)| names.join(" and ")).collect();
    let hint = format!(
        "raise it, or join the groups {}: {least} evaluations",
        names.join("; ")
    );
    Some((what, hint))
}

/// Joins two groups after the other, each time those that leave the fewest evaluations, until these are
/// within a budget or no two leave fewer. It spares the others half of their evaluations and costs as
/// many as the joined one has parts: two fields alone in their groups, beside groups of several, cost
/// nothing.
fn join(mut groups: Vec<Group<'_>>, budget: usize) -> Vec<Group<'_>> {
    while evaluations(&groups) > budget {
        let pairs = (1..groups.len()).flat_map(|b| (0..b).map(move |a| (a, b)));
        let joined = pairs.filter_map(|(a, b)| {
            let mut next = groups.clone();
            let (fields, names) = next.remove(b);
            next[a].0 += fields;
            next[a].1.extend(names);
            (next[a].0 <= MAX_GROUP_FIELDS).then_some(next)
        });
        match joined.min_by_key(|next| evaluations(next)) {
            Some(next) if evaluations(&next) < evaluations(&groups) => groups = next,
            _ => break,
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn groups(sizes: &[usize]) -> Vec<Group<'static>> {
        let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let named = sizes.iter().zip(names);
        named.map(|(&size, name)| (size, vec![name])).collect()
    }

    #[test]
    fn groups_are_joined_where_that_costs_less() {
        // 2^3 sets, and 2^2 · (2^3 − 2) parts of one group.
        assert_eq!(evaluations(&groups(&[3, 1, 1])), 8 + 4 * 6);
        assert_eq!(refusal(groups(&[3, 1, 1]), 32), None);
        let (what, hint) = refusal(groups(&[3, 1, 1]), 20).unwrap();
        assert_eq!(what, "at least 32 evaluations for 3 groups, not 20");
        assert_eq!(hint, "raise it, or join the groups b and c: 20 evaluations");
    }

    #[test]
    fn what_no_joining_helps_is_said_to_be_so() {
        let (_, hint) = refusal(groups(&[1, 1, 1]), 7).unwrap();
        assert!(hint.contains("leave fields out"), "{hint}");
        assert!(hint.ends_with("below 8"), "{hint}");
    }

    #[test]
    fn what_is_proposed_keeps_to_the_budget() {
        for sizes in [&[4, 3, 2, 2, 1, 1, 1][..], &[5, 5, 1, 1, 1, 1], &[2; 10]] {
            let whole = evaluations(&groups(sizes));
            for budget in [whole / 2, whole * 2 / 3, whole - 1] {
                let joined = join(groups(sizes), budget);
                let fields: usize = joined.iter().map(|(fields, _)| fields).sum();
                assert_eq!(fields, sizes.iter().sum::<usize>());
                let (_, hint) = refusal(groups(sizes), budget).unwrap();
                let within = evaluations(&joined) <= budget;
                assert_eq!(within, hint.contains("join the groups"), "{hint}");
            }
        }
    }
}
