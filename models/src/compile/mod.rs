//! The compiler: a trained net becomes a plan. Data flows one way:
//! [`import`] → [`calibrate`] → [`prune`] → [`quantise`] → [`lower`].

pub mod calibrate;
pub mod import;
pub mod lower;
pub mod net;
pub mod prune;
pub mod quantise;
