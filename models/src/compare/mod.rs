//! Two bundles side by side: what changed between them, and what that does to the outcomes of the
//! same applications.

mod changes;
mod migration;

pub use changes::{Change, Part, SectionChange, changes, sections};
pub use migration::{Cell, Decided, Differences, GroupMoves, Migration, Refused, Row};
