//! The compiler: a trained model becomes a plan. [`source`] tells the families apart; the data of a
//! chain of dense layers flows one way: [`import`] → [`calibrate`] → [`prune`] → [`quantise`] →
//! [`lower`]. Any other net is a [`graph`]. Scorecards ([`scorecard`]) and scikit-learn's
//! pipelines ([`onnx_ml`]) are [`lines`], which bring their preprocessing as a [`pipeline`].

pub mod blend;
pub mod calibrate;
mod faults;
pub mod file;
pub mod graph;
pub mod guard;
pub mod import;
pub mod lines;
pub mod lower;
pub mod net;
pub mod onnx_ml;
pub mod pipeline;
mod program;
pub mod prune;
pub mod quantise;
pub mod scorecard;
mod size;
pub mod source;
pub mod stack;
mod tflite;
pub mod trees;

pub use program::Program;
pub use size::Size;
pub use source::Source;
