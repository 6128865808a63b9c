//! Fieldscore's compiler: from a trained model and its recipe to one signed bundle.

pub mod applications;
pub mod build;
pub mod cli;
pub mod compile;
pub mod data;
mod error;
pub mod evaluate;
pub mod keys;
pub mod pages;
pub mod recipe;

pub use error::{Error, Fault, Result};
