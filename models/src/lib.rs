//! Fieldscore's compiler: from a trained model and its recipe to one signed bundle.

pub mod evaluate;
mod error;
pub mod keys;

pub use error::{Error, Fault, Result};
