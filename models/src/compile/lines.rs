//! Lines: models that are linear in their features. A scorecard's points, or what a scikit-learn
//! pipeline ends with; both bring their preprocessing along.

use crate::compile::net::Net;
use crate::compile::pipeline::Pipeline;

/// Which of them a model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// A table of points.
    Scorecard,
    /// A pipeline from scikit-learn.
    Pipeline,
}

/// A model with its preprocessing.
#[derive(Debug, Clone)]
pub struct Lines {
    /// Which it is.
    pub family: Family,
    /// From inputs to features.
    pub pipeline: Pipeline,
    /// From features to the output of the second class, or to points.
    pub net: Net,
    /// Whether a sigmoid at the end was taken off, so that the output is log-odds.
    pub sigmoid_removed: bool,
    /// The two classes of a classifier; none of a scorecard or a regression.
    pub classes: Vec<String>,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
}

impl Lines {
    /// The model whose output is that of the class `bad`: of a classifier that has a first class of
    /// this name the first, else the second.
    #[must_use]
    pub fn toward(mut self, bad: &str) -> Self {
        if self.classes.first().is_some_and(|first| first == bad)
            && let Some(last) = self.net.layers.last_mut()
        {
            let numbers = last.weights.iter_mut().chain(&mut last.bias);
            numbers.for_each(|number| *number = -*number);
            self.classes.swap(0, 1);
        }
        self
    }
}
