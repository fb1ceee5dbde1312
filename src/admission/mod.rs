//! Who is asking, and is there room: decided before any handler runs.
//!
//! Rooms are asked for in this order. Each costs more than the one before it, and everything that can be
//! refused without state is refused before an object is called:
//! 1. `identify`: the network; `guard`: perhaps an admin; `credentials`: what may prove a user;
//! 2. `refusals`: what was refused a moment ago is refused again;
//! 3. `limit`: one call to that identity's object, which judges credential and limits at once.
//!
//! A credential that the object does not know takes more calls, once: `owners` and the records tell it.

mod credentials;
mod guard;
mod identify;
mod limit;
mod owners;
mod policies;
mod refusals;

use durable::identity::wire::{AccountCommand, Claim, KeyUse, Member, Rejection};
use limits::{Demand, Forbidden, Identity, Rights, Role, Scope, Tier, UserId, authorize};
use serde_json::json;
use worker::console_error;

use crate::api_key;
use crate::app::{App, now};
use crate::error::ApiError;
use crate::incoming::Incoming;
use crate::router::Route;
use crate::store::{keys, users};

use credentials::{Credential, read_credentials};
pub use identify::{client_address, identify};
use limit::Taken;
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
    /// None: what is sent proves itself by a signature before anything is asked.
    Exempt,
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The identity that is counted.
    pub identity: Identity,
    /// What the caller may do.
    pub rights: Rights,
    /// How the caller proved who they are.
    pub proof: Proof,
}

/// How a caller proved who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// Not at all.
    Nothing,
    /// By the admin key, which is nobody's in particular.
    AdminKey,
    /// By an API key.
    ApiKey,
    /// By a session, with this key.
    Session(String),
    /// By a token of Clerk's.
    Clerk,
}

impl Proof {
    /// The proof as it is written.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Nothing => "anonymous",
            Self::AdminKey => "admin-key",
            Self::ApiKey => "api-key",
            Self::Session(_) => "better-auth",
            Self::Clerk => "clerk-jwt",
        }
    }
}

impl Caller {
    fn anonymous(network: Identity) -> Self {
        Self { identity: network, rights: Rights::ANONYMOUS, proof: Proof::Nothing }
    }

    /// The user, if the caller is one.
    pub fn user(&self) -> Option<UserId> {
        match self.identity {
            Identity::User(user) => Some(user),
            Identity::Network(_) => None,
        }
    }

    /// What the caller's deeds are signed with in the audit.
    pub fn author(&self) -> String {
        match (&self.proof, &self.identity) {
            (Proof::AdminKey, _) => "admin-key".to_owned(),
            (_, identity) => identity.object_name(),
        }
    }
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
    let network = identify(request)?;
    if route.policy == Policy::Exempt {
        return Ok((Caller::anonymous(network), Charged::nothing()));
    }
    let asking = Asking { app, request, route, request_id, network };
    let offers_admin_key = route.demand == Demand::Admin && guard::offers_admin_key(request)?;
    if offers_admin_key {
        // Whoever has the key is not limited. A wrong one is counted like work, so that guessing ends soon.
        let rights = Rights { tier: Tier::Admin, role: Role::Admin, scopes: None };
        return match guard::check_admin_key(app, request) {
            Ok(()) => {
                let caller = Caller { identity: asking.network, rights, proof: Proof::AdminKey };
                Ok((caller, Charged::nothing()))
            }
            Err(error) => Err(asking.count_failure(error).await),
        };
    }
    let (caller, charged) = match route.demand {
        Demand::Public => asking.as_network().await?,
        _ => asking.as_whoever_it_is().await?,
    };
    if let Err(forbidden) = authorize(&caller.rights, route.demand) {
        let error = match (forbidden, route.demand) {
            (Forbidden::Anonymous, Demand::Admin) => guard::refuse_anonymous(app),
            (forbidden, _) => ApiError::Forbidden(forbidden),
        };
        return Err(charged.refusal().unwrap_or(error));
    }
    Ok((caller, charged))
}

/// A request on its way through admission.
struct Asking<'a> {
    app: &'a App,
    request: &'a Incoming,
    route: &'a Route,
    request_id: &'a str,
    network: Identity,
}

impl Asking<'_> {
    /// Counted for the network it came from.
    async fn as_network(self) -> Result<(Caller, Charged), ApiError> {
        let Self { app, request, route, request_id, network } = self;
        match limit::take(app, request, &network, None, route, request_id).await? {
            Taken::Charged { charged, .. } => Ok((Caller::anonymous(network), charged)),
            Taken::Rejected(rejection) => {
                Err(ApiError::Internal { cause: format!("a network was rejected: {rejection:?}") })
            }
        }
    }

    /// Counted for whoever the credentials prove; for the network if they prove nobody.
    async fn as_whoever_it_is(self) -> Result<(Caller, Charged), ApiError> {
        for credential in read_credentials(self.app, self.request)? {
            let admitted = match credential {
                Credential::Key(text) => self.with_key(&text).await,
                Credential::Session { user, key } => self.with_session(user, key).await,
                Credential::Clerk { .. } => Ok(None),
            };
            match admitted {
                Ok(Some(admitted)) => return Ok(admitted),
                Ok(None) => {}
                Err(error @ ApiError::CredentialRejected { .. }) => {
                    return Err(self.count_failure(error).await);
                }
                Err(error) => return Err(error),
            }
        }
        self.as_network().await
    }

    /// A key is good or an error: whoever brings one means it.
    async fn with_key(&self, text: &str) -> Result<Option<(Caller, Charged)>, ApiError> {
        let hash = api_key::hash(text);
        let owner = match self.app.config.auth_key.as_ref().and_then(|key| api_key::parse_owner(text, key)) {
            Some(owner) => Some(UserId(owner.into_bytes())),
            None => owners::find(&hash),
        };
        let claim = || Claim::Key(hash.clone());
        let rejection = match owner {
            Some(owner) => match self.take(owner, claim(), self.request_id).await? {
                Ok(admitted) => return Ok(Some(admitted)),
                Err(rejection) => rejection,
            },
            None => Rejection::UnknownKey,
        };
        // What the object has not heard of, the record may know. Nothing was counted yet.
        let owner = match (rejection, owner) {
            (Rejection::UnknownKey, _) => {
                if limit::is_refused(&self.network) {
                    // Somebody there is guessing; the database need not be asked again at once.
                    return Err(unknown_key());
                }
                let read_at = self.app.now.0;
                let found = keys::find_key(&self.app.postgres()?, &hash).await;
                let found = found.map_err(|error| ApiError::unavailable("API key authentication", error))?;
                let key = found.ok_or_else(unknown_key)?;
                let learn = AccountCommand::LearnKey { hash: hash.clone(), key: key.state, read_at };
                match self.app.identities()?.account(key.owner, learn).await? {
                    Ok(_) => owners::keep(hash.clone(), key.owner),
                    Err(rejection) => return Err(rejected_key(rejection)),
                }
                key.owner
            }
            (Rejection::Stranger, Some(owner)) => owner,
            (rejection, _) => return Err(rejected_key(rejection)),
        };
        let nonce = format!("{}-key", self.request_id);
        match self.take_introduced(owner, claim(), &nonce).await? {
            Ok(admitted) => Ok(Some(admitted)),
            Err(rejection) => Err(rejected_key(rejection)),
        }
    }

    /// A session that is no longer there is like none.
    async fn with_session(&self, user: UserId, key: String) -> Result<Option<(Caller, Charged)>, ApiError> {
        match self.take(user, Claim::Session(key), self.request_id).await? {
            Ok(admitted) => Ok(Some(admitted)),
            Err(Rejection::Suspended { reason }) => Err(ApiError::Suspended { reason }),
            Err(_) => Ok(None),
        }
    }

    /// Asks the user's object; introduces the user first if it has not heard of them.
    async fn take_introduced(
        &self,
        user: UserId,
        claim: Claim,
        nonce: &str,
    ) -> Result<Result<(Caller, Charged), Rejection>, ApiError> {
        match self.take(user, claim.clone(), nonce).await? {
            Err(Rejection::Stranger) => {}
            decided => return Ok(decided),
        }
        let found = users::load_user(&self.app.d1()?, user).await;
        let found = found.map_err(|error| ApiError::unavailable("The record of users", error))?;
        let Some(record) = found else { return Ok(Err(Rejection::Deleted)) };
        let introduce = AccountCommand::Introduce(record.profile);
        if let Err(rejection) = self.app.identities()?.account(user, introduce).await? {
            return Ok(Err(rejection));
        }
        self.take(user, claim, &format!("{nonce}-again")).await
    }

    async fn take(
        &self,
        user: UserId,
        claim: Claim,
        nonce: &str,
    ) -> Result<Result<(Caller, Charged), Rejection>, ApiError> {
        let identity = Identity::User(user);
        let proof = match &claim {
            Claim::Key(_) => Proof::ApiKey,
            Claim::Session(key) => Proof::Session(key.clone()),
            Claim::Clerk(_) => Proof::Clerk,
        };
        let taken = limit::take(self.app, self.request, &identity, Some(claim), self.route, nonce).await?;
        Ok(match taken {
            Taken::Rejected(rejection) => Err(rejection),
            Taken::Charged { charged, member } => {
                let rights = member.map_or(Rights::ANONYMOUS, |member| {
                    if let Some(key) = &member.key {
                        self.record_use(key);
                    }
                    rights_of(&member)
                });
                Ok((Caller { identity, rights, proof }, charged))
            }
        })
    }

    /// Has the use of a key written down after the answer, and hears whether the record changed without the
    /// object: whoever changed it may have died before telling.
    fn record_use(&self, key: &KeyUse) {
        let Some(n) = key.unrecorded else { return };
        let (app, id) = (self.app.clone(), key.id.clone());
        self.app.afterwards(async move {
            if let Err(error) = record_use(&app, &id, n).await {
                let cause = error.cause().unwrap_or("see the error's kind");
                console_error!(
                    "{}",
                    json!({ "level": "error", "what": "use of an API key", "cause": cause })
                );
            }
        });
    }

    /// What the caller is told of a failed proof. It is counted for the network, so that guessing ends soon.
    async fn count_failure(&self, error: ApiError) -> ApiError {
        let Self { app, request, route, request_id, network } = self;
        match limit::take(app, request, network, None, route, request_id).await {
            Ok(Taken::Charged { charged, .. }) => charged.refusal().unwrap_or(error),
            Ok(Taken::Rejected(_)) => error,
            Err(outage) => outage,
        }
    }
}

async fn record_use(app: &App, id: &str, n: u32) -> Result<(), ApiError> {
    let read_at = now().0;
    let recorded = keys::record_use(&app.postgres()?, id, n, app.now.0).await;
    let Some(key) = recorded.map_err(|error| ApiError::unavailable("The record of keys", error))? else {
        return Ok(());
    };
    let learn = AccountCommand::LearnKey { hash: key.hash, key: key.state, read_at };
    // Of a user who was deleted there is nothing to learn.
    let _known = app.identities()?.account(key.owner, learn).await?;
    Ok(())
}

/// What the user may do, by what the object says of them.
fn rights_of(member: &Member) -> Rights {
    let is_admin = member.role.split(',').any(|role| role.trim() == "admin");
    Rights {
        tier: Tier::from_name(&member.tier).unwrap_or(Tier::Free),
        role: if is_admin { Role::Admin } else { Role::User },
        scopes: member
            .key
            .as_ref()
            .map(|key| key.scopes.iter().filter_map(|scope| Scope::from_name(scope)).collect()),
    }
}

fn unknown_key() -> ApiError {
    ApiError::CredentialRejected { code: "api_key_invalid", detail: "Invalid API key".to_owned() }
}

fn rejected_key(rejection: Rejection) -> ApiError {
    let rejected = |code, detail: &str| ApiError::CredentialRejected { code, detail: detail.to_owned() };
    match rejection {
        Rejection::RevokedKey => rejected("api_key_revoked", "API key has been revoked"),
        Rejection::ExpiredKey => rejected("api_key_expired", "API key has expired"),
        Rejection::Suspended { reason } => ApiError::Suspended { reason },
        Rejection::UnknownKey | Rejection::Deleted | Rejection::Stranger | Rejection::Dead => unknown_key(),
    }
}
