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

use std::cell::{Cell, RefCell};
use std::time::Duration;

use durable::identity::wire::{AccountCommand, Claim, ClerkClaim, KeyUse, Member, Rejection};
use limits::{Demand, Forbidden, Identity, Rights, Role, Scope, Tier, UserId, authorize};
use serde_json::json;
use uuid::Uuid;
use worker::{Delay, console_error};

use crate::api_key;
use crate::app::{App, now};
use crate::auth::permission;
use crate::error::ApiError;
use crate::events::{self, Event, Scene};
use crate::incoming::Incoming;
use crate::jwt::JwtError;
use crate::jwt::access::AccessIdentity;
use crate::jwt::clerk::{ClerkClaims, verify_clerk};
use crate::records;
use crate::router::{Route, is_within};
use crate::store::{keys, users};

use credentials::{Credential, read_credentials};
pub use identify::{client_address, identify};
use limit::Price;
pub use limit::{Charged, report_counters, window_name};
use policies::Counted;
pub use policies::Policies;
use refusals::Refusals;

/// How long after a use of a key its uses are collected, so that many are written down together. An object that
/// nobody calls forgets them after 10 s; an event may go on for 30 s after its answer.
/// <https://developers.cloudflare.com/durable-objects/concepts/durable-object-lifecycle/>
const COLLECT_AFTER: Duration = Duration::from_secs(8);

/// How often a request looks whether it is its turn to ask about a key.
const TURN_PAUSE: Duration = Duration::from_millis(20);

thread_local! {
    /// Networks that brought so many bad credentials lately that they were refused.
    static GUESSERS: RefCell<Refusals<()>> = RefCell::default();
}

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
    /// By the admin key, which is nobody's in particular; whom Access knows, that one has used it.
    AdminKey(Option<AccessIdentity>),
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
            Self::AdminKey(_) => "admin-key",
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
            (Proof::AdminKey(None), _) => "admin-key".to_owned(),
            (Proof::AdminKey(Some(who)), _) => format!("admin-key of {}", who.name()),
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
    /// Where it went.
    pub route: &'static Route,
}

/// Counts again what came once, for each message on its socket.
pub struct Again {
    request: Incoming,
    route: &'static Route,
    request_id: String,
    n: Cell<u32>,
}

impl Again {
    /// Takes the units of one more request like the first. Judges the credentials once more, too: a session that was
    /// ended meanwhile has no further message.
    ///
    /// # Errors
    /// As [`admit`], and a refusal.
    pub async fn take(&self, app: &App) -> Result<(), ApiError> {
        self.n.set(self.n.get() + 1);
        let nonce = format!("{}-{}", self.request_id, self.n.get());
        let (_, charged) = admit(app, &self.request, self.route, &nonce).await?;
        charged.refusal().map_or(Ok(()), Err)
    }
}

impl Admitted {
    /// For whoever will come again on the same connection.
    pub fn into_again(self) -> Again {
        let Self { request, route, request_id, .. } = self;
        Again { request, route, request_id, n: Cell::new(0) }
    }

    /// Writes a security event down: what was done to this user, and by whom.
    pub fn record(&self, app: &App, event: Event, user: UserId) {
        let (address, user) = (client_address(&self.request).ok(), user.to_string());
        let detail = self.caller.proof.name();
        let scene = Scene { path: "", detail, address: address.as_deref(), user: Some(&user) };
        events::record(app, event, scene);
    }
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
                let who = guard::check_access(app, request).await?;
                let caller = Caller { identity: asking.network, rights, proof: Proof::AdminKey(who) };
                Ok((caller, Charged::nothing()))
            }
            Err(error) => Err(asking.count_failure(error).await),
        };
    }
    let (caller, charged) = match route.demand {
        Demand::Public => asking.for_network().await?,
        _ => asking.for_whoever_it_is().await?,
    };
    if let Err(forbidden) = authorize(&caller.rights, route.demand) {
        let error = match (forbidden, route.demand) {
            (Forbidden::Anonymous, Demand::Admin) => guard::refuse_anonymous(app),
            (Forbidden::NotAPerson, _) if is_within(route.path(), "/keys") => ApiError::KeysForPeople,
            (Forbidden::NotAPerson, _) if is_within(route.path(), "/configuration/saved") => {
                ApiError::SavedConfigurationsForPeople
            }
            (forbidden, _) => ApiError::Forbidden(forbidden),
        };
        return Err(charged.refusal().unwrap_or(error));
    }
    if route.demand == Demand::Admin && charged.refusal().is_none() {
        guard::check_access(app, request).await?;
    }
    Ok((caller, charged))
}

/// What the token of Clerk's says that a request brings; none if it brings none that is good.
///
/// # Errors
/// 503 if the keys of Clerk can't be had.
pub async fn clerk_claims(app: &App, request: &Incoming) -> Result<Option<ClerkClaims>, ApiError> {
    let credentials = read_credentials(app, request)?;
    let mut tokens = credentials.into_iter().filter_map(|credential| match credential {
        Credential::Clerk { token, .. } => Some(token),
        _ => None,
    });
    let Some(token) = tokens.next() else { return Ok(None) };
    match verify_clerk(app, &token, request.header("Origin")?.as_deref()).await {
        Ok(claims) => Ok(Some(claims)),
        Err(JwtError::Invalid(_)) => Ok(None),
        Err(error @ JwtError::Unavailable(_)) => {
            Err(ApiError::unavailable("The verification of tokens", error))
        }
    }
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
    fn price(&self) -> Price {
        Price { policy: self.route.policy, path: self.route.path() }
    }

    /// Counted for the network it came from.
    async fn for_network(self) -> Result<(Caller, Charged), ApiError> {
        let price = self.price();
        let Self { app, request, request_id, network, .. } = self;
        match limit::take(app, request, &network, None, price, request_id).await? {
            Ok((charged, _)) => Ok((Caller::anonymous(network), charged)),
            Err(rejection) => {
                Err(ApiError::Internal { cause: format!("a network was rejected: {rejection:?}") })
            }
        }
    }

    /// Counted for whoever the credentials prove; for the network if they prove nobody.
    async fn for_whoever_it_is(self) -> Result<(Caller, Charged), ApiError> {
        for credential in read_credentials(self.app, self.request)? {
            let admitted = match credential {
                Credential::Key(text) => self.with_key(&text).await,
                Credential::MalformedKey => Err(unknown_key()),
                Credential::Session { user, key } => self.with_session(user, key).await,
                Credential::Clerk { token, is_bearer } => self.with_clerk(&token, is_bearer).await,
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
        self.for_network().await
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
            (Rejection::UnknownKey, _) => self.learn_key(&hash).await?,
            (Rejection::Stranger, Some(owner)) => owner,
            (rejection, _) => return Err(rejected_key(rejection)),
        };
        let nonce = format!("{}-key", self.request_id);
        match self.take_introduced(owner, claim(), &nonce).await? {
            Ok(admitted) => Ok(Some(admitted)),
            Err(rejection) => Err(rejected_key(rejection)),
        }
    }

    /// Has the owner's object told of a key, if the record knows it. Of many requests that bring the same key at
    /// once, one asks the database and the others wait for what it hears.
    async fn learn_key(&self, hash: &str) -> Result<UserId, ApiError> {
        if is_guessing(&self.network) {
            // The database need not be asked again at once.
            return Err(unknown_key());
        }
        let mut has_waited = false;
        let _turn = loop {
            match owners::take_turn(hash, now()) {
                Some(turn) => break turn,
                None => has_waited = true,
            }
            Delay::from(TURN_PAUSE).await;
        };
        if has_waited && let Some(owner) = owners::find(hash) {
            return Ok(owner);
        }
        let database = self
            .app
            .postgres()
            .map_err(|error| ApiError::not_configured("API key authentication is not configured", error))?;
        let read_at = now().0;
        let found = keys::find_key(&database, hash).await;
        let found = found.map_err(|error| ApiError::unavailable("API key authentication", error))?;
        let key = found.ok_or_else(unknown_key)?;
        match records::tell_of_key(self.app, &key, read_at).await? {
            Ok(()) => owners::keep(hash.to_owned(), key.owner),
            Err(rejection) => return Err(rejected_key(rejection)),
        }
        Ok(key.owner)
    }

    /// A session that is no longer there is like none.
    async fn with_session(&self, user: UserId, key: String) -> Result<Option<(Caller, Charged)>, ApiError> {
        match self.take(user, Claim::Session(key), self.request_id).await? {
            Ok(admitted) => Ok(Some(admitted)),
            Err(Rejection::Suspended { reason }) => Err(ApiError::Suspended { reason }),
            Err(_) => Ok(None),
        }
    }

    /// A bearer token of Clerk's is good or an error; a cookie that is not good is like none.
    async fn with_clerk(&self, token: &str, is_bearer: bool) -> Result<Option<(Caller, Charged)>, ApiError> {
        let rejected = |detail: String| {
            let error = ApiError::CredentialRejected { code: "token_invalid", detail };
            if is_bearer { Err(error) } else { Ok(None) }
        };
        let origin = self.request.header("Origin")?;
        let claims = match verify_clerk(self.app, token, origin.as_deref()).await {
            Ok(claims) => claims,
            Err(JwtError::Invalid(flaw)) => return rejected(flaw.to_string()),
            Err(error @ JwtError::Unavailable(_)) => {
                return Err(ApiError::unavailable("The verification of tokens", error));
            }
        };
        let Some(user) = self.find_clerk_user(&claims.sub).await? else {
            return rejected("The user of this token was deleted".to_owned());
        };
        let claim = Claim::Clerk(ClerkClaim {
            issued_at: claims.issued_at_s.saturating_mul(1000),
            tier: claims.tier.map(|tier| tier.name().to_owned()),
            role: claims.role.map(|role| role.name().to_owned()),
        });
        match self.take_introduced(user, claim, self.request_id).await? {
            Ok(admitted) => Ok(Some(admitted)),
            Err(Rejection::Suspended { reason }) => Err(ApiError::Suspended { reason }),
            Err(_) => rejected("The user of this token was deleted".to_owned()),
        }
    }

    /// Who a user of Clerk's is here. None if Clerk deleted them.
    async fn find_clerk_user(&self, sub: &str) -> Result<Option<UserId>, ApiError> {
        let name = format!("clerk {sub}");
        if let Some(user) = owners::find(&name) {
            return Ok(Some(user));
        }
        let id_if_new = UserId(Uuid::new_v4().into_bytes());
        let found = users::load_or_create_clerk_user(&self.app.d1()?, sub, id_if_new, self.app.now.0).await;
        let found = found.map_err(|error| ApiError::unavailable("The record of users", error))?;
        if let Some(user) = found {
            owners::keep(name, user);
        }
        Ok(found)
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
        let hash = match &claim {
            Claim::Key(hash) => hash.clone(),
            _ => String::new(),
        };
        let taken = limit::take(self.app, self.request, &identity, Some(claim), self.price(), nonce).await?;
        Ok(match taken {
            Err(rejection) => Err(rejection),
            Ok((charged, member)) => {
                let rights = member.map_or(Rights::ANONYMOUS, |member| {
                    if let Some(key) = &member.key {
                        self.record_uses(user, hash, key);
                    }
                    rights_of(&member)
                });
                Ok((Caller { identity, rights, proof }, charged))
            }
        })
    }

    /// Has the uses of a key written down after the answer, and hears whether the record changed without the
    /// object: whoever changed it may have died before telling.
    fn record_uses(&self, owner: UserId, hash: String, key: &KeyUse) {
        if !key.is_to_be_recorded {
            return;
        }
        let (app, id) = (self.app.clone(), key.id.clone());
        self.app.afterwards(async move {
            Delay::from(COLLECT_AFTER).await;
            if let Err(error) = records::record_uses(&app, owner, hash, &id).await {
                let cause = error.cause().unwrap_or("see the error's kind");
                console_error!(
                    "{}",
                    json!({ "level": "error", "what": "uses of an API key", "cause": cause })
                );
            }
        });
    }

    /// What the caller is told of a failed proof. It is counted for the network like work, wherever it was tried,
    /// so that guessing ends soon.
    async fn count_failure(&self, error: ApiError) -> ApiError {
        let Self { app, request, request_id, network, .. } = self;
        let price = Price { policy: Policy::Requests, ..self.price() };
        match limit::take(app, request, network, None, price, request_id).await {
            Ok(Ok((charged, _))) => match charged.refusal() {
                Some(refusal) => {
                    GUESSERS
                        .with_borrow_mut(|guessers| guessers.keep(network.object_name(), now(), None, ()));
                    refusal
                }
                None => error,
            },
            Ok(Err(_)) => error,
            Err(outage) => outage,
        }
    }
}

/// Whether this network was refused a moment ago because of credentials that were not good.
fn is_guessing(network: &Identity) -> bool {
    GUESSERS.with_borrow(|guessers| guessers.find(&network.object_name(), now()).is_some())
}

/// What the user may do, by what the object says of them.
fn rights_of(member: &Member) -> Rights {
    let is_admin = permission::is_admin(&member.role);
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
