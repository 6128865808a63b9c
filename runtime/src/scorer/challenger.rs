//! The challenger's place in a scorer: it is opened with the bundle that holds it, and scores the same
//! applications in shadow.

use std::sync::Arc;

use super::{Bytes, Inner, Scorer};
use crate::bundle::EngineKind;
use crate::bundle::cbor;
use crate::bundle::container::{Container, SectionKind, Trust, features};
use crate::decide::{Assignment, ChallengerParts, Decision, Shadow};
use crate::error::{Error, Result};
use crate::kernels::Kernels;
use crate::memory::Aligned;
use crate::schema::{Application, Schema};

/// A second scorer, and which applications it gets.
pub(super) struct Challenger {
    share_ppm: u32,
    key: Box<str>,
    scorer: Scorer,
}

/// The feature bits that a container must require for the sake of its challenger.
pub(super) fn features(container: &Container) -> u64 {
    match container.find(SectionKind::CHALLENGER) {
        Some(_) => features::CHALLENGER,
        None => 0,
    }
}

impl Challenger {
    /// Opens the section's bundle. It was signed with the one around it, whose hash is over all of its bytes.
    pub(super) fn open(
        section: &[u8],
        (schema, schema_section): (&Arc<Schema>, &[u8]),
        kernels: Kernels,
    ) -> Result<Self> {
        let parts: ChallengerParts<'_> = cbor::decode(section, "section CHAL")?;
        parts.assignment.check()?;
        let fault = |expected| Err(Error::malformed("section CHAL", expected));
        // Before it is opened: bundles in bundles in bundles would go on for as long as a file is.
        let trust = Trust::DangerouslyUnverified;
        let container = Container::read(parts.bundle, trust)?;
        if container.find(SectionKind::CHALLENGER).is_some() {
            return fault("a bundle that has no challenger itself");
        }
        let bytes = Bytes::Owned(Aligned::copy_of(parts.bundle));
        let mut inner = Inner::open(bytes, trust, kernels)?;
        if inner.meta.engine != EngineKind::Plan {
            return fault("a bundle that runs as a plan");
        }
        if inner.section(SectionKind::SCHEMA) != Some(schema_section) {
            return fault("a bundle with the same fields and groups");
        }
        // So that it takes the same applications.
        inner.schema = Arc::clone(schema);
        Ok(Self {
            share_ppm: parts.assignment.share_ppm,
            key: parts.assignment.key.into(),
            scorer: Scorer {
                inner: Arc::new(inner),
            },
        })
    }

    /// The id of the challenger's bundle.
    pub(super) fn bundle_id(&self) -> &[u8; 32] {
        self.scorer.bundle_id()
    }

    fn assignment(&self) -> Assignment<'_> {
        Assignment {
            share_ppm: self.share_ppm,
            key: &self.key,
        }
    }
}

impl Inner {
    /// Has the challenger score an application that it is assigned. Where it refuses what the champion took,
    /// it says nothing: what is in shadow stops no decision.
    pub(super) fn challenge(&self, application: &Application, decision: &mut Decision) {
        let assigned = self
            .challenger
            .as_ref()
            .filter(|challenger| challenger.assignment().takes(&application.id));
        decision.challenger = assigned
            .and_then(|challenger| challenger.scorer.score(application).ok())
            .map(|own| Shadow {
                score: own.score,
                probability_ppm: own.probability_ppm,
                outcome: own.outcome,
            });
    }
}

impl Scorer {
    /// The bundle's challenger: a scorer of its own, which takes the same applications.
    pub fn challenger(&self) -> Option<&Self> {
        let challenger = self.inner.challenger.as_ref()?;
        Some(&challenger.scorer)
    }

    /// Which applications the challenger scores.
    pub fn assignment(&self) -> Option<Assignment<'_>> {
        self.inner.challenger.as_ref().map(Challenger::assignment)
    }
}
