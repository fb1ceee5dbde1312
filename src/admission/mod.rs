//! Who is asking, and is there room: decided before any handler runs.
//!
//! Rooms are asked for in this order. Each costs more than the one before it, and everything that can be
//! refused without state is refused before an object is called:
//! 1. `identify`: the request becomes an identity, `guard`: and perhaps an admin;
//! 2. `refusals`: what was refused a moment ago is refused again;
//! 3. `limit`: one call to that identity's object.

mod guard;
mod identify;
mod limit;
mod policies;
mod refusals;

use limits::{Identity, Scope, Tier};

use crate::app::App;
use crate::error::ApiError;
use crate::incoming::Incoming;
use crate::router::Route;

pub use identify::client_address;
pub use limit::{Charged, report_counters};
use policies::Counted;
pub use policies::Policies;

/// What a route is counted under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// All policies that count requests that do work.
    Requests,
    /// All policies that count small reads.
    Reads,
    /// All policies there are, at no cost: the caller only looks.
    Free,
    /// None: what is sent is proven by its signature, and a sender that is refused sends again.
    Exempt,
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The identity that is counted.
    pub identity: Identity,
    /// What it may spend.
    pub tier: Tier,
}

/// A request that was admitted, and what is known of it.
pub struct Admitted {
    /// The request.
    pub request: Incoming,
    /// Who asks.
    pub caller: Caller,
    /// How things stand with the caller's limits.
    pub charged: Charged,
    /// What stands for the `{}` of the route's path, decoded.
    pub item: String,
    /// The request's id.
    pub request_id: String,
}

/// Everything that must hold before a handler runs. Counted even if the handler then refuses.
///
/// # Errors
/// If the caller can't be told, is not let in, or can't be counted. A refusal for want of room is no error.
pub async fn admit(
    app: &App,
    request: &Incoming,
    route: &Route,
    request_id: &str,
) -> Result<(Caller, Charged), ApiError> {
    let identity = identify::identify(request)?;
    // Credentials are not read yet, so everybody else is anonymous; that tier has both scopes.
    let tier = Tier::Anonymous;
    let caller = Caller { identity, tier };
    let allowed = match route.scope {
        Scope::Public | Scope::Compile => Ok(()),
        Scope::Admin => guard::check_admin(app, request),
    };
    if route.policy == Policy::Exempt {
        return Ok((caller, Charged::nothing()));
    }
    // Whoever has the key is not limited. A wrong one is counted like work, so that guessing ends soon.
    if route.scope == Scope::Admin && allowed.is_ok() {
        return Ok((Caller { tier: Tier::Admin, ..caller }, Charged::nothing()));
    }
    let charged = limit::take(app, request, &caller, route, request_id).await?;
    match allowed {
        Ok(()) => Ok((caller, charged)),
        Err(error) => Err(charged.refusal().unwrap_or(error)),
    }
}
