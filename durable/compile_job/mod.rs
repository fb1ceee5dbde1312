//! One object per job: where it is, what it was asked for, and who watches it.
//!
//! The object is named by the job's id. It stores the request before it sends the job's message, and goes on
//! sending the message by an alarm until the end is in the record. Whoever takes the message tells the object to
//! run; the object counts the attempt and asks the list's own object. A batch is a job whose parts are jobs of
//! their own, which tell it how they ended.
//!
//! # Guarantees
//! - A job that was accepted ends, within a day: completed, failed with a reason, or cancelled.
//! - It takes each step at most once. What comes after its end, a result or a cancellation, changes nothing.
//! - An attempt is written down before it is made, so a request that kills whoever touches it is given up.
//! - Nobody but its owner can tell whether there is such a job.
//! - An object that is only asked stores nothing; a week after the job was accepted it stores nothing any more.
//!
//! Out of scope: the record in D1 and the units of the identity. Whoever runs the job is told what is to be done
//! there ([`wire::Reply::Ended`]), and told again until it says that it is done.

mod id;
mod keeper;
mod object;
mod progress;
mod schema;
mod stub;
mod watchers;
pub mod wire;

pub use id::{is_id, new_id};
pub use object::CompileJob;
pub use stub::{BINDING, CompileJobStub};
