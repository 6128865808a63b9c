//! What a model is on its way into a bundle: as handed in, pruned, as bundled.

use serde::Serialize;

/// One value for each stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Stages<T> {
    /// The model handed in, in its own arithmetic.
    pub float: T,
    /// Pruned, still in float; only nets are pruned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pruned: Option<T>,
    /// The bundle's.
    pub bundle: T,
}

impl<T> Stages<T> {
    /// Of each stage, what `of` makes of it.
    ///
    /// # Errors
    /// The first that `of` gives.
    pub fn try_map<U, E>(&self, mut of: impl FnMut(&T) -> Result<U, E>) -> Result<Stages<U>, E> {
        Ok(Stages {
            float: of(&self.float)?,
            pruned: self.pruned.as_ref().map(&mut of).transpose()?,
            bundle: of(&self.bundle)?,
        })
    }

    /// Each stage there is, with its title.
    pub fn named(&self) -> Vec<(&'static str, &T)> {
        let pruned = self.pruned.as_ref().map(|pruned| ("Pruned", pruned));
        [("Float", &self.float)]
            .into_iter()
            .chain(pruned)
            .chain([("Bundle", &self.bundle)])
            .collect()
    }

    /// What the bundle was quantised from.
    pub fn unquantised(&self) -> &T {
        self.pruned.as_ref().unwrap_or(&self.float)
    }
}
