//! What a model is worth on labelled rows, and the page that says so.
//!
//! | module | what it gives |
//! |---|---|
//! | [`metrics`] | AUC, Gini, KS, Brier score, ECE and log loss of one set of predictions |
//! | [`bootstrap`] | the same with 95 % intervals, and the paired difference of two models |
//! | [`curves`] | ROC, calibration bins, score histogram, cut-off table, flips |
//! | [`intervals`] | [`intervals::Interval`] and Wilson's interval for a share |
//! | [`plots`] | those curves as inline SVG |
//! | [`scored`] | what a bundle says of many rows |
//! | [`report`] | a document of tables, figures and notes, written as one HTML file |
//!
//! *Bad* (the applicant defaulted) is the positive class throughout. A probability is a probability
//! of default: higher is riskier. A score runs the other way: higher is safer. Every number is a
//! function of its arguments alone: resampling has a fixed seed, and no clock, locale or hash order
//! enters.

pub mod bootstrap;
mod chart;
pub mod curves;
pub mod intervals;
pub mod metrics;
pub mod plots;
mod render;
pub mod report;
pub mod scored;
