//! The compiler: a trained model becomes a plan. [`source`] tells the families apart; a net's data
//! flows one way: [`import`] → [`calibrate`] → [`prune`] → [`quantise`] → [`lower`].

pub mod calibrate;
pub mod file;
pub mod import;
pub mod lower;
pub mod net;
mod program;
pub mod prune;
pub mod quantise;
mod size;
pub mod source;
mod tflite;

pub use program::Program;
pub use size::Size;
pub use source::Source;
