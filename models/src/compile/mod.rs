//! The compiler: a trained model becomes a plan. [`source`] tells the families apart; the data of a
//! chain of dense layers flows one way: [`import`] → [`calibrate`] → [`prune`] → [`quantise`] →
//! [`lower`]. Any other net is a [`graph`].

pub mod calibrate;
pub mod graph;
pub mod import;
pub mod lower;
pub mod net;
pub mod prune;
pub mod quantise;
mod size;
pub mod source;

pub use size::Size;
pub use source::Source;
