//! Who is asking, and is there room: decided before any handler runs.
//!
//! Rooms are asked for in this order. Each costs more than the one before it, and everything that can be
//! refused without state is refused before an object is called:
//! 1. `identify`: the request becomes an identity;
//! 2. `limit`: one call to that identity's object.

mod identify;
mod limit;
mod policy;

pub use identify::identify;
pub use limit::{Charge, take};
pub use policy::Policy;
