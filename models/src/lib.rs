//! Fieldscore's compiler: from a trained model and its recipe to one signed bundle.

pub mod build;
pub mod cli;
pub mod compare;
pub mod compile;
pub mod data;
pub mod evaluate;
pub mod pages;
pub mod recipe;

pub use fieldscore_cli::{Error, Fault, Result, applications, error, keys};
