//! Every variable and secret that the service and its commands read. The documents, the examples and the checklist
//! before a deployment are made of this one table.

mod checklist;
mod documents;
mod form;
mod variables;

pub use checklist::{Facts, Line, Outcome, checklist};
pub use documents::{development_example, operator_example, variables_page};
pub use form::Form;
pub use variables::{Kind, Needed, VARIABLES, Variable, find};
