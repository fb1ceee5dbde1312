//! One request to an endpoint: what came with it, whose session it is, and what the browser shall keep.

use std::cell::RefCell;
use std::pin::pin;

use durable::identity::wire::{
    self, AccountCommand, AccountReply, Charge, Profile, Rejection, Session, SessionShown, Take,
};
use limits::{Identity, Policy, Quota, Tier, UnixMillis, UserId, Window};
use serde_json::Value;
use uuid::Uuid;
use worker::Method;

use super::hashing::Turn;
use super::{Failure, Outcome, shape};
use crate::admission::{client_address, identify};
use crate::app::App;
use crate::auth::address::session_address;
use crate::auth::bearer::{Bearer, parse_bearer};
use crate::auth::cookies::{Cookies, Keeps, Name, SetCookies};
use crate::auth::error::AuthError;
use crate::auth::key::AuthKey;
use crate::auth::origin::{Sent, check_form, check_request, check_urls};
use crate::auth::payload::{Takes, parse_body, parse_query};
use crate::auth::random::{ALPHANUMERIC, random_bytes, random_text};
use crate::auth::token::SessionToken;
use crate::auth::trusted::TrustedOrigins;
use crate::body;
use crate::error::ApiError;
use crate::events::{self, Event, Scene};
use crate::incoming::Incoming;
use crate::reply::Reply;
use crate::store::users::User;

/// Characters of a session's id.
const ID_LENGTH: usize = 32;
/// Life of a session that ends with the browser, in milliseconds.
const SHORT_LIFE_MS: u64 = DAY_MS;
/// Life of a session, in milliseconds.
const LIFE_MS: u64 = 7 * DAY_MS;
/// For so long a session is fresh, in milliseconds.
const FRESH_MS: u64 = DAY_MS;
/// Life of a session in which an admin acts as somebody else, in milliseconds.
const IMPERSONATION_MS: u64 = 60 * 60 * 1000;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// Longest name of a browser that is kept, in characters.
const MAX_USER_AGENT: usize = 512;

/// What a request shows as its session.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presented {
    Nothing,
    /// Well signed or well formed, but no token of ours: a session of old, or made up.
    Dead,
    Token(SessionToken),
}

/// A session that lives, and whose it is.
pub struct SignedIn {
    /// Whose.
    pub user: UserId,
    /// The session.
    pub session: Session,
    /// The user.
    pub profile: Profile,
}

/// One request.
pub struct Visit<'a> {
    /// The service.
    pub app: &'a App,
    /// Signs what is handed out.
    pub key: &'a AuthKey,
    /// The origin that clients reach the service at.
    pub base_url: String,
    /// The origins that pages may come from and be sent to.
    pub trusted: TrustedOrigins,
    /// The body.
    pub body: Value,
    /// The parameters of the query.
    pub query: Value,
    /// What stands for the last segment of the path.
    pub item: String,
    /// What the browser shall keep.
    pub cookies: RefCell<SetCookies<'a>>,
    network: Identity,
    address: String,
    method: Method,
    headers: Headers,
    presented: Presented,
    request_id: String,
}

/// The header fields that are looked at.
#[derive(Default)]
struct Headers {
    cookie: Option<String>,
    origin: Option<String>,
    referer: Option<String>,
    fetch_site: Option<String>,
    fetch_mode: Option<String>,
    fetch_dest: Option<String>,
    user_agent: Option<String>,
}

impl<'a> Visit<'a> {
    /// # Errors
    /// If the client's network can't be told.
    pub fn new(
        app: &'a App,
        key: &'a AuthKey,
        request: &Incoming,
        request_id: &str,
    ) -> Result<Self, ApiError> {
        let base_url = app.config.base_url(request.origin()).into_owned();
        let entries = app.config.trusted_origins.iter().map(String::as_str);
        let trusted = TrustedOrigins::parse(&base_url, entries)
            .map_err(|error| ApiError::Internal { cause: error.to_string() })?;
        let headers = Headers {
            cookie: request.header("Cookie")?,
            origin: request.header("Origin")?,
            referer: request.header("Referer")?,
            fetch_site: request.header("Sec-Fetch-Site")?,
            fetch_mode: request.header("Sec-Fetch-Mode")?,
            fetch_dest: request.header("Sec-Fetch-Dest")?,
            user_agent: request.header("User-Agent")?,
        };
        let cookies = Cookies::new(key, &base_url);
        // A bearer token that is usable replaces the cookie.
        let authorization = request.header("Authorization")?;
        let token = match parse_bearer(authorization.as_deref(), key) {
            Bearer::Session(token) => Some(token),
            Bearer::ApiKey(_) | Bearer::MalformedKey | Bearer::Jwt(_) | Bearer::Nothing => {
                cookies.read(headers.cookie.as_deref(), Name::SessionToken)
            }
        };
        let presented = match token.map(|token| SessionToken::parse(&token, key)) {
            None => Presented::Nothing,
            Some(None) => Presented::Dead,
            Some(Some(token)) => Presented::Token(token),
        };
        Ok(Self {
            app,
            key,
            trusted,
            body: Value::Null,
            query: parse_query(request.url()?.query().unwrap_or_default()),
            item: String::new(),
            cookies: RefCell::new(SetCookies::new(cookies)),
            network: identify(request)?,
            address: client_address(request)?,
            method: request.method(),
            headers,
            presented,
            base_url,
            request_id: request_id.to_owned(),
        })
    }

    /// Counts the request for its network and path, by the rules of Better Auth's own limiter, where it is on.
    ///
    /// # Errors
    /// 429 in Better Auth's words; 503 if nobody can count.
    pub async fn count(&self, path: &str) -> Result<(), Failure> {
        if !self.app.config.limits_auth {
            return Ok(());
        }
        let (max, seconds) = rule(path);
        let quota = Quota::at_least_one(max);
        let policy = Policy::new(&policy_name(path), quota, Window::Fixed { ms: seconds * 1000 });
        let policy = policy.map_err(|error| ApiError::Internal { cause: error.to_string() })?;
        let offer =
            wire::Offer { tier: Tier::Anonymous.name().to_owned(), charges: vec![Charge::new(&policy, 1)] };
        let take = Take { nonce: format!("{}-auth", self.request_id), claim: None, offers: vec![offer] };
        let refused = match self.app.identities()?.take(&self.network, take).await.map_err(ApiError::from)? {
            wire::Reply::Decided(decided) => decided.refused_by.map(|_| {
                let fits_at = decided.standings.first().and_then(|standing| standing.fits_at);
                UnixMillis(decided.now).retry_after_seconds(UnixMillis(fits_at.unwrap_or(decided.now)))
            }),
            wire::Reply::Banned(banned) => {
                let retry_after =
                    banned.until.map(|until| UnixMillis(banned.now).retry_after_seconds(UnixMillis(until)));
                return Err(ApiError::Banned { retry_after }.into());
            }
            other => {
                let cause = format!("the limiter answered {other:?}");
                return Err(ApiError::Internal { cause }.into());
            }
        };
        match refused {
            None => Ok(()),
            Some(seconds) => {
                self.record(Event::RateLimit, "better-auth", None);
                Err(AuthError::too_many_requests(seconds).into())
            }
        }
    }

    /// Reads the body.
    ///
    /// # Errors
    /// If it is too large, of another media type, or no JSON.
    pub async fn read(&mut self, request: &Incoming, takes: Takes, item: &str) -> Result<(), Failure> {
        let reads = matches!(self.method, Method::Get | Method::Head);
        let bytes =
            if reads { Vec::new() } else { body::read(request, self.app.config.max_body_bytes).await? };
        let content_type = request.header("Content-Type")?;
        // A stream that ends at once was meant to be a body; without any, clients say that its length is 0.
        let is_stream = !reads && request.has_body() && request.header("Content-Length")?.is_none();
        let is_body = !bytes.is_empty() || (is_stream && content_type.is_some());
        self.body = parse_body(content_type.as_deref(), is_body.then_some(&bytes), takes)?;
        item.clone_into(&mut self.item);
        Ok(())
    }

    /// Lets pass what comes from a page that is trusted and sends nobody elsewhere.
    ///
    /// # Errors
    /// 403.
    pub fn check_page(&self) -> Result<(), Failure> {
        check_request(&self.trusted, &self.method, self.sent())?;
        let callback_url = self.query.get("callbackURL").and_then(Value::as_str);
        // A page that is only read checks its own, after everything else.
        let of_query = callback_url.filter(|_| self.method != Method::Get);
        Ok(check_urls(&self.trusted, &self.body, of_query)?)
    }

    /// Lets pass a `callbackURL` of the query that sends nobody elsewhere.
    ///
    /// # Errors
    /// 403.
    pub fn check_callback(&self, callback_url: Option<&str>) -> Result<(), Failure> {
        Ok(check_urls(&self.trusted, &Value::Null, callback_url)?)
    }

    /// Lets pass a sign-in that no form of another site has sent.
    ///
    /// # Errors
    /// 403.
    pub fn check_form(&self) -> Result<(), Failure> {
        Ok(check_form(&self.trusted, self.sent())?)
    }

    fn sent(&self) -> Sent<'_> {
        let Headers { cookie, origin, referer, fetch_site, fetch_mode, fetch_dest, .. } = &self.headers;
        Sent {
            cookie: cookie.as_deref(),
            origin: origin.as_deref(),
            referer: referer.as_deref(),
            fetch_site: fetch_site.as_deref(),
            fetch_mode: fetch_mode.as_deref(),
            fetch_dest: fetch_dest.as_deref(),
        }
    }

    /// Whether the browser was told to forget the session when it is closed.
    pub fn forgets(&self) -> bool {
        let cookies = Cookies::new(self.key, &self.base_url);
        cookies.read(self.headers.cookie.as_deref(), Name::DontRemember).as_deref() == Some("true")
    }

    /// Whether the request brings a cookie of this name.
    pub fn brings(&self, name: Name) -> bool {
        Cookies::new(self.key, &self.base_url).has(self.headers.cookie.as_deref(), name)
    }

    /// The session that an admin put aside, and whether it ends with the browser.
    pub fn admin_session(&self) -> Option<(SessionToken, bool)> {
        let cookies = Cookies::new(self.key, &self.base_url);
        let (token, forgets) = cookies.read_admin_session(self.headers.cookie.as_deref())?;
        Some((SessionToken::parse(&token, self.key)?, forgets))
    }

    /// The session's token, if the request brings one that this service made.
    pub fn token(&self) -> Option<SessionToken> {
        match self.presented {
            Presented::Token(token) => Some(token),
            Presented::Nothing | Presented::Dead => None,
        }
    }

    /// The session of the request; prolonged if it is time to and `prolong` says so. The cookies of one that is
    /// dead are cleared.
    ///
    /// # Errors
    /// 503 if the user's object can't be asked.
    pub async fn session(&self, prolong: bool) -> Result<Option<SignedIn>, Failure> {
        let token = match self.presented {
            Presented::Nothing => return Ok(None),
            Presented::Dead => None,
            Presented::Token(token) => Some(token),
        };
        let shown = match token {
            Some(token) => self.show(token, prolong && !self.forgets()).await?,
            None => None,
        };
        let Some((token, shown)) = token.zip(shown) else {
            self.cookies.borrow_mut().clear_session();
            return Ok(None);
        };
        if shown.prolonged {
            self.cookies.borrow_mut().set_session(&token.text(self.key), Keeps::Days);
        }
        let user = UserId(token.user.into_bytes());
        Ok(Some(SignedIn { user, session: shown.session, profile: shown.profile }))
    }

    /// A session by its token.
    ///
    /// # Errors
    /// 503 if the user's object can't be asked.
    pub async fn show(&self, token: SessionToken, prolong: bool) -> Result<Option<SessionShown>, Failure> {
        let command = AccountCommand::ShowSession { key: token.key_text(), prolong };
        match self.ask(UserId(token.user.into_bytes()), command).await? {
            Ok(AccountReply::Session(shown)) => Ok(Some(*shown)),
            Ok(other) => Err(unexpected(&other)),
            Err(_) => Ok(None),
        }
    }

    /// The session of the request.
    ///
    /// # Errors
    /// 401 if there is none.
    pub async fn signed_in(&self) -> Result<SignedIn, Failure> {
        Ok(self.session(true).await?.ok_or(AuthError::UNAUTHORIZED)?)
    }

    /// The session of the request, which was opened less than a day ago.
    ///
    /// # Errors
    /// 401, or 403 if it was opened before that.
    pub async fn freshly_signed_in(&self) -> Result<SignedIn, Failure> {
        let signed_in = self.signed_in().await?;
        if self.is_fresh(&signed_in.session) {
            Ok(signed_in)
        } else {
            Err(AuthError::SESSION_NOT_FRESH.into())
        }
    }

    /// Whether a session was opened less than a day ago.
    pub fn is_fresh(&self, session: &Session) -> bool {
        self.app.now.0 < session.created_at.saturating_add(FRESH_MS)
    }

    /// Opens a session for a user and hands it out. Returns its token.
    ///
    /// # Errors
    /// 403 if the user is suspended; 503 if the user's object can't be asked.
    pub async fn open_session(&self, user: &User, remember: bool) -> Result<String, Failure> {
        let life_ms = if remember { LIFE_MS } else { SHORT_LIFE_MS };
        let (_, token) = self.open(user, life_ms, remember, None).await?;
        self.hand_out(&token, remember);
        Ok(token)
    }

    /// Opens a session in which an admin acts as `user`.
    ///
    /// # Errors
    /// Those of [`Visit::open_session`].
    pub async fn impersonate(&self, user: &User, admin: UserId) -> Result<(Session, String), Failure> {
        self.open(user, IMPERSONATION_MS, false, Some(admin)).await
    }

    async fn open(
        &self,
        user: &User,
        life_ms: u64,
        prolongs: bool,
        impersonated_by: Option<UserId>,
    ) -> Result<(Session, String), Failure> {
        let now = self.app.now.0;
        let token =
            SessionToken { user: Uuid::from_bytes(user.id.0), key: random_bytes().map_err(no_random)? };
        let agent = self.headers.user_agent.as_deref().unwrap_or_default();
        let session = Session {
            id: random_text(ALPHANUMERIC, ID_LENGTH).map_err(no_random)?,
            key: token.key_text(),
            created_at: now,
            updated_at: now,
            expires_at: now + life_ms,
            ip_address: session_address(Some(&self.address)),
            user_agent: agent.chars().take(MAX_USER_AGENT).collect(),
            impersonated_by: impersonated_by.map(|admin| admin.to_string()),
            prolongs,
        };
        let command = AccountCommand::OpenSession { profile: user.profile.clone(), session: session.clone() };
        match self.ask(user.id, command).await? {
            Ok(_) => Ok((session, token.text(self.key))),
            Err(Rejection::Suspended { .. }) => Err(AuthError::BANNED_USER.into()),
            // Deleted a moment ago.
            Err(_) => Err(AuthError::INVALID_EMAIL_OR_PASSWORD.into()),
        }
    }

    /// Has the browser keep the session of the request, for as long as it did.
    pub fn keep_session(&self, session: &Session) {
        if let Some(token) = self.token() {
            let remember = !self.forgets() && session.impersonated_by.is_none();
            self.hand_out(&token.text(self.key), remember);
        }
    }

    /// A turn at hashing: for a user who is signed in, or else for the network.
    ///
    /// # Errors
    /// 429 if enough hashes are under way.
    pub fn turn(&self, user: Option<UserId>) -> Result<Turn, Failure> {
        let identity = user.map_or_else(|| self.network.clone(), Identity::User);
        Ok(Turn::take(identity, self.app.now)?)
    }

    /// Has the browser keep a session: for days, or until it is closed.
    pub fn hand_out(&self, token: &str, remember: bool) {
        let mut cookies = self.cookies.borrow_mut();
        if remember {
            cookies.set_session(token, Keeps::Days);
            if self.forgets() {
                cookies.clear(Name::DontRemember);
            }
        } else {
            cookies.set_session(token, Keeps::UntilClosed);
            cookies.set_dont_remember();
        }
    }

    /// Asks a user's object.
    ///
    /// # Errors
    /// 503 if it can't be asked.
    pub async fn ask(
        &self,
        user: UserId,
        command: AccountCommand,
    ) -> Result<Result<AccountReply, Rejection>, Failure> {
        let asked =
            pin!(async { Ok::<_, Failure>(self.app.identities()?.account(user, command).await) }).await?;
        Ok(asked.map_err(ApiError::from)?)
    }

    /// Writes a security event down.
    pub fn record(&self, event: Event, detail: &str, user: Option<UserId>) {
        let user = user.map(|user| user.to_string());
        let scene = Scene { path: "/auth", detail, address: Some(&self.address), user: user.as_deref() };
        events::record(self.app, event, scene);
    }

    /// A user as clients read them.
    pub fn user(&self, user: &User) -> Value {
        shape::user(user.id, &user.profile)
    }

    /// The answer, with what the browser shall keep.
    ///
    /// # Errors
    /// A failure that is none of Better Auth's.
    pub fn finish(self, outcome: Outcome) -> Result<Reply, ApiError> {
        let mut reply = match outcome {
            Ok(reply) => reply,
            Err(Failure::Auth(error)) => {
                if error.status() == 401 {
                    self.record(Event::AuthFailure, error.code().unwrap_or_default(), None);
                }
                error.into_reply()
            }
            Err(Failure::Api(error)) => return Err(error),
        };
        let cookies = self.cookies.into_inner();
        if let Some(token) = cookies.auth_token() {
            reply = reply
                .with_header("set-auth-token", token)
                .with_header("Access-Control-Expose-Headers", "set-auth-token");
        }
        reply.cookies.extend(cookies.lines().iter().cloned());
        Ok(reply)
    }
}

/// An object that answers another question is a defect.
pub fn unexpected(reply: &AccountReply) -> Failure {
    let what = match reply {
        AccountReply::Done => "done",
        AccountReply::Session(_) => "a session",
        AccountReply::Sessions(_) => "sessions",
        AccountReply::Ended(_) => "a number of sessions",
        AccountReply::Uses { .. } => "uses of a key",
    };
    Failure::Api(ApiError::Internal { cause: format!("the object answered {what}") })
}

/// The platform without randomness is a defect.
pub fn no_random(error: getrandom::Error) -> Failure {
    Failure::Api(ApiError::Internal { cause: error.to_string() })
}

/// How many requests of one network for a path in how many seconds, as Better Auth has it.
fn rule(path: &str) -> (u32, u64) {
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| path.starts_with(prefix));
    if begins(&["/sign-in", "/sign-up", "/change-password", "/change-email"]) {
        (3, 10)
    } else if begins(&["/request-password-reset", "/send-verification-email", "/forget-password"]) {
        (3, 60)
    } else {
        (100, 10)
    }
}

/// Each path has a policy of its own. Paths that nobody answers share one, so that nobody can make up policies.
fn policy_name(path: &str) -> String {
    let known = super::ENDPOINTS.iter().find(|endpoint| endpoint.item_of(path).is_some());
    let known = known.map_or("/other", |endpoint| endpoint.path).replace("{}", "x");
    let name: String = known.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    format!("auth{name}").chars().take(limits::MAX_NAME_BYTES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limiters_rules_are_those_of_better_auth() {
        assert_eq!(rule("/sign-in/email"), (3, 10));
        assert_eq!(rule("/send-verification-email"), (3, 60));
        assert_eq!(rule("/get-session"), (100, 10));
    }

    #[test]
    fn every_path_has_a_policy_and_nobody_can_make_one_up() {
        assert_eq!(policy_name("/sign-in/email"), "auth-sign-in-email");
        assert_eq!(policy_name("/reset-password/some-token"), "auth-reset-password-x");
        assert_eq!(policy_name("/delete-user/callback"), "auth-delete-user-callback");
        for unknown in ["/nothing/at/all", "/sign-in/email/x", "/reset-password/"] {
            assert_eq!(policy_name(unknown), "auth-other");
        }
        let mut names = std::collections::HashSet::new();
        for endpoint in super::super::ENDPOINTS {
            let name = policy_name(endpoint.path);
            assert!(Policy::new(&name, Quota::at_least_one(1), Window::Fixed { ms: 1 }).is_ok(), "{name}");
            names.insert((endpoint.path, name));
        }
        let distinct: std::collections::HashSet<_> = names.iter().map(|(_, name)| name).collect();
        let paths: std::collections::HashSet<_> = names.iter().map(|(path, _)| path).collect();
        assert_eq!(distinct.len(), paths.len());
    }
}
