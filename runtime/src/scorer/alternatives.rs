//! What would change a decision: the fewest and smallest changes of changeable fields with which the
//! same applicant reaches a better outcome. Each is found by scoring it, as [`Scorer::score`] does.
//!
//! A field's new values lie on a grid, from the present value outwards. The score need not be monotone
//! in them, so they are walked over in steps that widen with the distance, and the first that reaches
//! an outcome is moved back by halving. Where one field does not do, those that help most are taken
//! together, two and then three of them, each as far as it helps; then all go back by the same share,
//! and then each by itself. ADR 28 says why.

use super::{Inner, Scorer, Scratch};
use crate::decide::{Decision, Flags, Outcome};
use crate::error::Result;
use crate::kernels::arch::fp_state::DefaultFpState;
use crate::schema::{Application, Direction, Field, FieldKind, Given, MAX_MAGNITUDE, Schema};

/// No more alternatives are given.
pub const MAX_ALTERNATIVES: usize = 3;

/// No alternative changes more fields.
pub const MAX_CHANGES: usize = 3;

/// No more applications are scored to find them.
pub const MAX_ALTERNATIVE_SCORES: u32 = 4096;

/// Nor do they take more multiply-adds and features: a second or so on a slow phone.
const MAX_WORK: u64 = 1 << 30;

/// How many fields are tried together, at most.
const TOGETHER: usize = 8;

/// Into how many parts the way of fields that change together is divided.
const PARTS: i64 = 64;

/// What changing a field by all that its range allows costs: the unit of [`Move::cost`].
const WHOLE: i64 = 4096;

/// A field's new value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The field's index.
    pub field: u16,
    /// The value as [`Condition`](crate::decide::Condition)s have it: a number of 10^-decimals, 0 or 1
    /// of a boolean, a category's index. [`Schema::text_of`](crate::schema::Schema::text_of) is its text.
    pub value: i64,
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Change(field {}, value not shown)", self.field)
    }
}

/// What leads to a better outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alternative {
    /// The changes, one to [`MAX_CHANGES`], in the order of the fields.
    pub changes: Vec<Change>,
    /// What is decided with them.
    pub decision: Decision,
}

/// Up to [`MAX_ALTERNATIVES`] alternatives, those with the fewest changes first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alternatives {
    /// They; none where the application is approved, where a person must decide whatever the values,
    /// and where none has been found.
    pub found: Vec<Alternative>,
    /// How many applications have been scored.
    pub scores: u32,
}

/// A field's new values in one direction, and one of them.
#[derive(Clone, Copy)]
struct Move<'s> {
    field: u16,
    /// The categories that may come; else values are `start + step * (at - 1)`.
    codes: Option<&'s [u16]>,
    start: i64,
    step: i64,
    /// How many values there are.
    len: i64,
    /// How many steps the whole range has; 0 where values have no order.
    span: i64,
    /// Which of them it is, from 1: the first is the nearest to the present value.
    at: i64,
}

impl Move<'_> {
    fn value(&self) -> i64 {
        let index = self.at - 1;
        match self.codes {
            Some(codes) => codes.get(index as usize).map_or(0, |&code| code.into()),
            None => self.start + self.step * index,
        }
    }

    /// How much of its range the field moves by.
    fn cost(&self) -> i64 {
        match self.span {
            0 => WHOLE,
            span => self.at * WHOLE / span,
        }
    }

    /// The value to look at after this one, the last one included; `fine` is how many lie between one and
    /// twice its distance.
    fn next(&self, fine: i64) -> i64 {
        let wide = match self.span {
            0 => 1,
            _ => (self.at.min(self.len / 8) / fine).max(1),
        };
        match self.at < self.len {
            true => self.len.min(self.at + wide),
            false => self.len + 1,
        }
    }
}

/// The moves of a field from its present value: none, one, or one each way.
fn moves<'s>(index: usize, field: &'s Field, given: Given, out: &mut Vec<Move<'s>>) {
    let change = field.change.as_ref();
    let direction = change.map_or(Direction::Any, |change| change.direction);
    let mut add = |start, step, len, span| {
        if len > 0 {
            out.push(Move {
                field: index as u16,
                codes: change.and_then(|change| change.codes.as_deref()),
                start,
                step,
                len,
                span,
                at: 0,
            });
        }
    };
    let (low, high) = match &field.kind {
        FieldKind::Category { codes } => {
            let own = change.and_then(|change| change.codes.as_ref());
            let len = own.map_or(codes.len(), Vec::len);
            return add(0, 1, len as i64, 0);
        }
        FieldKind::Boolean => (0, 1),
        FieldKind::Integer | FieldKind::Decimal { .. } | FieldKind::Money { .. } => {
            match change.and_then(|change| change.range).or(field.range) {
                Some((low, high)) => (low.max(-MAX_MAGNITUDE), high.min(MAX_MAGNITUDE)),
                None => return,
            }
        }
        _ => return,
    };
    let step = change.map_or(1, |change| change.step);
    // In steps: the least multiple that is in the range, and the greatest.
    let up = |value: i64| -(-value).div_euclid(step);
    let (first, last) = (up(low), high.div_euclid(step));
    let span = (last - first).max(1);
    let now = match given {
        Given::Number(raw) => raw,
        Given::Truth(truth) => truth.into(),
        // What is missing is given from the range's end on.
        _ if direction == Direction::Down => high + 1,
        _ => low - 1,
    };
    if direction != Direction::Down {
        let start = first.max(now.div_euclid(step) + 1);
        add(start * step, step, last - start + 1, span);
    }
    if direction != Direction::Up {
        let start = last.min(up(now) - 1);
        add(start * step, -step, start - first + 1, span);
    }
}

/// How good a decision is: the less the better. Of equal outcomes, the one in whose way fewer rules and
/// policies of fields stand, then the greater score.
fn rank(decision: &Decision) -> (Outcome, u32, i32) {
    let referred = decision.referred.words().map(u64::count_ones);
    let standing = decision.fired.count_ones() + referred.iter().sum::<u32>();
    (decision.outcome, standing, -decision.score)
}

/// A search: an application whose values change, and how many scores are left.
struct Search<'s> {
    inner: &'s Inner,
    scratch: &'s mut Scratch,
    given: &'s [Given],
    application: Application,
    left: u32,
}

/// What has been seen of a field's values.
#[derive(Clone, Copy, Default)]
struct Seen<'s> {
    /// The value with the best decision, if that is better than the present one.
    most: Option<(Move<'s>, Decision)>,
    /// The first value with the best outcome, likewise, and the one before it.
    reached: Option<(i64, Move<'s>, Decision)>,
}

/// Moves that reach an outcome, the decision with them, and what they cost.
type Found<'s> = (Vec<Move<'s>>, Decision, i64);

impl<'s> Search<'s> {
    /// The decision with these moves, if there is a score left and nothing is refused.
    fn score(&mut self, moves: &[Move<'_>]) -> Option<Decision> {
        self.left = self.left.checked_sub(1)?;
        let schema: &Schema = &self.inner.schema;
        for change in moves {
            let value = change.value();
            let given = match schema.fields()[usize::from(change.field)].kind {
                FieldKind::Category { .. } => Given::Category(value as u32),
                FieldKind::Boolean => Given::Truth(value != 0),
                _ => Given::Number(value),
            };
            self.application.given[usize::from(change.field)] = given;
        }
        let decision = self.inner.score(&self.application, self.scratch).ok();
        for change in moves {
            let at = usize::from(change.field);
            self.application.given[at] = self.given[at];
        }
        decision
    }

    /// Moves back what `set` sets, from `high`, which reaches the outcome of `decision`, towards `low`.
    fn back(
        &mut self,
        moves: &mut [Move<'_>],
        decision: &mut Decision,
        (mut low, mut high): (i64, i64),
        set: impl Fn(&mut [Move<'_>], i64),
    ) {
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            set(moves, middle);
            match self.score(moves) {
                Some(found) if found.outcome <= decision.outcome => {
                    (high, *decision) = (middle, found);
                }
                _ => low = middle,
            }
        }
        set(moves, high);
    }

    /// Looks at a field's value, the one before it having been looked at.
    fn look(&mut self, change: Move<'s>, before: i64, now: &Decision, seen: &mut Seen<'s>) {
        if let Some(decision) = self.score(&[change]) {
            let best = seen.reached.as_ref().map_or(now, |(_, _, best)| best);
            if decision.outcome < best.outcome {
                seen.reached = Some((before, change, decision));
            }
            let best = seen.most.as_ref().map_or(now, |(_, best)| best);
            if rank(&decision) < rank(best) {
                seen.most = Some((change, decision));
            }
        }
    }

    /// Walks over a field's values: how far it helps most, and with what decision, and the least change
    /// with which it reaches the best outcome that it does, if better than `now`.
    fn walk(
        &mut self,
        mut change: Move<'s>,
        fine: i64,
        now: &Decision,
    ) -> (Option<(Move<'s>, Decision)>, Option<Found<'s>>) {
        let mut seen = Seen::default();
        let mut before = 0;
        change.at = 1;
        while change.at <= change.len {
            self.look(change, before, now, &mut seen);
            before = change.at;
            change.at = change.next(fine);
        }
        // A peak between two values is looked for around the greater one.
        let mut wide = seen.most.map_or(0, |(most, _)| most.next(fine) - most.at);
        while wide > 1 && seen.reached.is_none() {
            wide = (wide + 1) / 2;
            let most = seen.most.map_or(0, |(most, _)| most.at);
            for at in [most - wide, most + wide] {
                if (1..=change.len).contains(&at) {
                    self.look(Move { at, ..change }, 0, now, &mut seen);
                }
            }
        }
        let found = seen.reached.map(|(before, change, mut decision)| {
            let mut moves = vec![change];
            self.back(
                &mut moves,
                &mut decision,
                (before, change.at),
                |moves, at| {
                    moves[0].at = at;
                },
            );
            let cost = moves[0].cost();
            (moves, decision, cost)
        });
        (seen.most, found)
    }

    /// Fields together, each as far as it helps most; then back.
    fn together(&mut self, mut moves: Vec<Move<'s>>, now: &Decision) -> Option<Found<'s>> {
        let mut decision = self.score(&moves)?;
        if decision.outcome >= now.outcome {
            return None;
        }
        let most = moves.clone();
        self.back(&mut moves, &mut decision, (0, PARTS), |moves, part| {
            for (change, most) in moves.iter_mut().zip(&most) {
                if most.span > 0 {
                    // Not below 1: none of them stays where it is.
                    let rest = most.at % PARTS * part;
                    change.at = most.at / PARTS * part + (rest + PARTS - 1) / PARTS;
                }
            }
        });
        for each in 0..moves.len() {
            if moves[each].span > 0 {
                let far = moves[each].at;
                self.back(&mut moves, &mut decision, (0, far), |moves, at| {
                    moves[each].at = at;
                });
            }
        }
        let cost = moves.iter().map(Move::cost).sum();
        Some((moves, decision, cost))
    }
}

/// Moves the `count` least of `from` to `to`, the first of equals first: no more than a few are ever wanted,
/// and a sort is kilobytes where code is downloaded.
fn least<T, K: Ord>(mut from: Vec<T>, count: usize, to: &mut Vec<T>, key: impl Fn(&T) -> K) {
    while to.len() < count
        && let Some((at, _)) = from.iter().enumerate().min_by_key(|(_, one)| key(one))
    {
        to.push(from.remove(at));
    }
}

/// Adds to `shown` the best of `found`, better outcomes first.
fn show<'s>(found: Vec<Found<'s>>, shown: &mut Vec<Found<'s>>) {
    let key = |(_, decision, cost): &Found<'_>| (decision.outcome, *cost);
    least(found, MAX_ALTERNATIVES, shown, key);
}

/// Calls `each` with every choice of `count` of `all`, until it says that it is enough.
fn choices<'s>(
    all: &[Move<'s>],
    count: usize,
    chosen: &mut Vec<Move<'s>>,
    each: &mut impl FnMut(&[Move<'s>]),
) {
    if count == 0 {
        return each(chosen);
    }
    for (at, one) in all.iter().enumerate() {
        chosen.push(*one);
        choices(&all[at + 1..], count - 1, chosen, each);
        chosen.pop();
    }
}

impl Inner {
    /// Looks for alternatives to `now`, the application's decision, with so many scores.
    fn alternatives(
        &self,
        application: &Application,
        now: &Decision,
        scores: u32,
        scratch: &mut Scratch,
    ) -> Alternatives {
        let mut search = Search {
            inner: self,
            scratch,
            given: &application.given,
            application: application.copy(),
            left: scores,
        };
        let mut all = Vec::new();
        let fields = self.schema.fields().iter().zip(&application.given);
        for (index, (field, given)) in fields.enumerate().filter(|(_, (f, _))| f.changeable) {
            moves(index, field, *given, &mut all);
        }
        // As fine as half of the scores allow.
        let walked = |fine: i64| {
            let count = |change: &Move<'_>| {
                let mut change = Move { at: 1, ..*change };
                let mut count = 0;
                while change.at <= change.len {
                    count += 1;
                    change.at = change.next(fine);
                }
                count
            };
            all.iter().map(count).sum::<u32>()
        };
        let mut fine = PARTS;
        while fine > 1 && walked(fine) > scores / 2 {
            fine /= 2;
        }
        let (mut alone, mut all_helpful) = (Vec::new(), Vec::new());
        for both in all.chunk_by(|a, b| a.field == b.field) {
            let (mut most, mut found) = (None, None);
            for change in both {
                let (far, reached) = search.walk(*change, fine, now);
                most = most.into_iter().chain(far).min_by_key(|(_, d)| rank(d));
                found = found
                    .into_iter()
                    .chain(reached)
                    .min_by_key(|(_, d, cost)| (d.outcome, *cost));
            }
            match (found, most) {
                (Some(found), _) => alone.push(found),
                (None, most) => all_helpful.extend(most),
            }
        }
        let (mut shown, mut helpful) = (Vec::new(), Vec::new());
        show(alone, &mut shown);
        let rank = |(_, decision): &(Move<'_>, Decision)| rank(decision);
        least(all_helpful, TOGETHER, &mut helpful, rank);
        let helpful: Vec<Move<'_>> = helpful.into_iter().map(|(change, _)| change).collect();
        for count in 2..=MAX_CHANGES {
            if shown.len() >= MAX_ALTERNATIVES {
                break;
            }
            let mut found = Vec::new();
            choices(&helpful, count, &mut Vec::new(), &mut |chosen| {
                let has = |one: &Move<'_>| chosen.iter().any(|own| own.field == one.field);
                if !shown.iter().any(|(moves, ..)| moves.iter().all(has)) {
                    found.extend(search.together(chosen.to_vec(), now));
                }
            });
            show(found, &mut shown);
        }
        let found = shown.into_iter().map(|(moves, decision, _)| {
            let change = |one: &Move<'_>| Change {
                field: one.field,
                value: one.value(),
            };
            let mut changes = Vec::new();
            let found = moves.iter().map(change).collect();
            least(found, MAX_CHANGES, &mut changes, |change| change.field);
            Alternative { changes, decision }
        });
        Alternatives {
            found: found.collect(),
            scores: scores - search.left,
        }
    }
}

impl Scorer {
    /// What would change the decision on a declined or referred application: up to
    /// [`MAX_ALTERNATIVES`] sets of changes of fields that the recipe calls changeable, inside their
    /// ranges and directions. Each has been scored and reaches a better outcome; those of one field
    /// come first, then better outcomes, then smaller changes (summed up as shares of the ranges), then
    /// the order of fields. None has all the fields of another. No value is taken away, and a missing one
    /// may be given.
    ///
    /// A change that would do may not be found where only few values close to each other do. At most
    /// [`MAX_ALTERNATIVE_SCORES`] applications are scored, fewer for a large model.
    ///
    /// # Errors
    /// As [`Scorer::score`].
    pub fn alternatives(&self, application: &Application) -> Result<Alternatives> {
        let now = self.score(application)?;
        let person =
            Flags::EXPIRED.bits() | Flags::NOT_YET_VALID.bits() | Flags::AUTOMATION_REFUSED.bits();
        if now.outcome == Outcome::Approve || now.flags.bits() & person != 0 {
            return Ok(Alternatives {
                found: Vec::new(),
                scores: 1,
            });
        }
        let each = self.multiply_adds() + self.inner.transforms.width() as u64;
        let scores = (MAX_WORK / each.max(1)).min(u64::from(MAX_ALTERNATIVE_SCORES) - 1) as u32;
        let _state = DefaultFpState::enter();
        let mut scratch = self.inner.scratch();
        let mut found = self
            .inner
            .alternatives(application, &now, scores, &mut scratch);
        found.scores += 1;
        scratch.wipe();
        self.inner.give_back(scratch);
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
