//! Daemons that are killed over and over, applications that log in all the while, and the judge of every
//! login that is refused.

pub mod application;
pub mod killer;
pub mod labels;

pub use application::{Application, Logins};
pub use killer::{Blows, Killer};
pub use labels::LabelHistory;
