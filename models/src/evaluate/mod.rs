//! What a model is worth on labelled rows, and the page that says so.
//!
//! | module | what it gives |
//! |---|---|
//! | [`metrics`] | AUC, Gini, KS, Brier score, ECE and log loss of one set of predictions |
//! | [`bootstrap`] | the same with 95 % intervals, and the paired difference of two models |
//! | [`curves`] | ROC, calibration bins, score histogram, cut-off table, flips |
//! | [`fairness`] | how groups are treated, and what compression changed: ratios, gaps, flips |
//! | [`bands`] | decisions that differ, by score |
//! | [`shares`] | ratio, gap and significance of two shares |
//! | [`lift`] | the share of the bad that the riskiest tenths hold |
//! | [`what_if`] | what other cut-offs would have meant, in money too |
//! | [`fields`] | information value and stability of each field |
//! | [`monotone`] | a search for applicants whose score goes the wrong way with a field |
//! | [`soundness`] | these four together, as `build` and `evaluate` say them |
//! | [`given`] | the values of applications |
//! | [`intervals`] | [`intervals::Interval`] and Wilson's interval for a share |
//! | [`plots`] | those curves as inline SVG |
//! | [`scored`] | what a bundle says of many rows |
//! | [`report`] | a document of tables, figures and notes, written as one HTML file or as Markdown |
//!
//! *Bad* (the applicant defaulted) is the positive class throughout. A probability is a probability
//! of default: higher is riskier. A score runs the other way: higher is safer. Every number is a
//! function of its arguments alone: resampling has a fixed seed, and no clock, locale or hash order
//! enters.

pub mod bands;
pub mod bootstrap;
mod chart;
pub mod curves;
pub mod fairness;
pub mod fields;
pub mod given;
pub mod intervals;
pub mod lift;
mod markdown;
pub mod metrics;
pub mod monotone;
pub mod plots;
mod render;
pub mod report;
pub mod scored;
pub mod shares;
pub mod soundness;
pub mod what_if;
