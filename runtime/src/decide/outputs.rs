//! What a model's outputs are where there are several: members of a blend, and probabilities beside
//! the one that the score is made of.

use minicbor::Encode;

use crate::bundle::cbor::structure;
use crate::decide::OutputKind;
use crate::decide::scale::{Calibration, log_odds, logit, probability, probability_ppm};
use crate::error::{Error, Result};

/// No decision has more probabilities beside its own; none in a runtime without the feature
/// `outputs`.
pub const MAX_OTHERS: usize = if cfg!(feature = "outputs") { 7 } else { 0 };
/// No blend has more members.
pub const MAX_MEMBERS: usize = 64;

/// Probabilities beside the one of default, in parts per million, 100 to 999 900, in the order of
/// [`DecideParts::others`](crate::decide::DecideParts::others); the rest is 0.
pub type Others = [u32; MAX_OTHERS];

/// What the score is made of where it is not the first number of the model's first output:
/// `bias + Σ weight · member`, in f64, in the order of the members.
#[derive(Debug, Clone, PartialEq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(map)]
pub struct Blend {
    /// What is added up.
    #[n(0)]
    pub members: Vec<Member>,
    /// What the sum starts with.
    #[n(1)]
    pub bias: f64,
    /// Whether members are added up as probabilities, not as log-odds.
    #[n(2)]
    pub probabilities: bool,
}

/// A member of a blend.
#[derive(Debug, Clone, Copy, PartialEq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
pub struct Member {
    /// Which of the model's outputs it is.
    #[n(0)]
    pub output: u16,
    /// Which number of that.
    #[n(1)]
    pub element: u32,
    /// What that number is: log-odds or a probability.
    #[n(2)]
    pub kind: OutputKind,
    /// What it counts for.
    #[n(3)]
    pub weight: f64,
}

/// A probability beside the one that the score is made of.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(map)]
pub struct Other {
    /// Its name: 1 to 64 ASCII letters, digits, '-', '_' or '.'.
    #[n(0)]
    pub name: String,
    /// Which of the model's outputs it is.
    #[n(1)]
    pub output: u16,
    /// Which number of that.
    #[n(2)]
    pub element: u32,
    /// What that number is: log-odds or a probability.
    #[n(3)]
    pub kind: OutputKind,
    /// From the model's log-odds to calibrated ones.
    #[n(4)]
    pub calibration: Calibration,
}

structure!(Blend {
    0: members,
    1: bias,
    2: probabilities,
});
structure!(Member [output, element, kind, weight]);
structure!(Other {
    0: name,
    1: output,
    2: element,
    3: kind,
    4: calibration,
});

fn fault<T>(what: &str) -> Result<T> {
    Err(Error::malformed("section DCDE", what.to_owned()))
}

impl Blend {
    /// `len` says how many numbers an output has, if there is one.
    pub(crate) fn check(&self, len: impl Fn(u16) -> Option<u32>) -> Result<()> {
        let there = |member: &Member| {
            len(member.output).is_some_and(|len| member.element < len)
                && member.kind != OutputKind::Points
                && member.weight.is_finite()
        };
        let count = (1..=MAX_MEMBERS).contains(&self.members.len());
        if !count || !self.bias.is_finite() || !self.members.iter().all(there) {
            return fault("a blend of 1 to 64 log-odds or probabilities that the model gives");
        }
        Ok(())
    }

    /// The blend of a model's numbers; `number` gives one by output and element.
    ///
    /// # Errors
    /// Those of `number`.
    pub fn of(&self, number: impl Fn(u16, u32) -> Result<f64>) -> Result<f64> {
        let mut sum = self.bias;
        for member in &self.members {
            let own = number(member.output, member.element)?;
            let part = match (member.kind, self.probabilities) {
                (OutputKind::Probability, false) => logit(own),
                // What is not finite stays so, and is refused in the sum.
                (OutputKind::Logit, true) if own.is_finite() => probability(own),
                _ => own,
            };
            sum += member.weight * part;
        }
        Ok(sum)
    }
}

impl Other {
    /// As [`Blend::check`].
    pub(crate) fn check(&self, len: impl Fn(u16) -> Option<u32>) -> Result<()> {
        self.calibration.check()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let named = (1..=64).contains(&self.name.len()) && self.name.chars().all(plain);
        let there = len(self.output).is_some_and(|len| self.element < len);
        if !named || !there || self.kind == OutputKind::Points {
            return fault("further outputs with a plain name that the model gives");
        }
        Ok(())
    }

    /// The probability in parts per million of the model's number.
    pub(crate) fn ppm(&self, number: f64) -> Result<u32> {
        let odds = log_odds(number, self.kind)?;
        Ok(probability_ppm(self.calibration.apply(odds)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn member(output: u16, kind: OutputKind, weight: f64) -> Member {
        Member {
            output,
            element: 0,
            kind,
            weight,
        }
    }

    /// The blend of the log-odds 1.5 and the probability 0.25.
    fn blended(probabilities: bool) -> f64 {
        let blend = Blend {
            members: vec![
                member(0, OutputKind::Logit, 0.75),
                member(1, OutputKind::Probability, 0.5),
            ],
            bias: -0.125,
            probabilities,
        };
        blend
            .of(|output, _| Ok([1.5, 0.25][usize::from(output)]))
            .unwrap()
    }

    #[test]
    fn members_are_added_up_as_what_the_blend_says() {
        let odds = -0.125 + 0.75 * 1.5 + 0.5 * (0.25f64 / 0.75).ln();
        assert!((blended(false) - odds).abs() < 1e-15);
        let shares = -0.125 + 0.75 / (1.0 + (-1.5f64).exp()) + 0.5 * 0.25;
        assert!((blended(true) - shares).abs() < 1e-15);
    }

    #[test]
    fn what_a_model_does_not_give_is_refused() {
        let sound = Blend {
            members: vec![member(0, OutputKind::Logit, 1.0)],
            bias: 0.0,
            probabilities: false,
        };
        let len = |output| (output < 2).then_some(1);
        assert!(sound.check(len).is_ok());
        let with = |member| Blend {
            members: vec![member],
            ..sound.clone()
        };
        let beyond = Member {
            element: 1,
            ..sound.members[0]
        };
        for harmed in [
            with(member(2, OutputKind::Logit, 1.0)),
            with(member(0, OutputKind::Points, 1.0)),
            with(member(0, OutputKind::Logit, f64::NAN)),
            with(beyond),
            Blend {
                members: Vec::new(),
                ..sound.clone()
            },
            Blend {
                members: vec![sound.members[0]; MAX_MEMBERS + 1],
                ..sound.clone()
            },
            Blend {
                bias: f64::INFINITY,
                ..sound.clone()
            },
        ] {
            assert!(harmed.check(len).is_err(), "{harmed:?}");
        }
        let other = Other {
            name: "fraud".to_owned(),
            output: 1,
            element: 0,
            kind: OutputKind::Probability,
            calibration: Calibration {
                knots: vec![(-100, -100), (100, 100)],
            },
        };
        assert!(other.check(len).is_ok());
        assert_eq!(other.ppm(0.5).unwrap(), 500_000);
        let named = |name: &str| Other {
            name: name.to_owned(),
            ..other.clone()
        };
        for harmed in [
            named(""),
            named("two words"),
            named(&"x".repeat(65)),
            Other {
                output: 2,
                ..other.clone()
            },
            Other {
                element: 1,
                ..other.clone()
            },
            Other {
                kind: OutputKind::Points,
                ..other.clone()
            },
        ] {
            assert!(harmed.check(len).is_err(), "{harmed:?}");
        }
        assert!(other.ppm(f64::NAN).is_err());
    }
}
