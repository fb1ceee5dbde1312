//! What travels between the front Worker and an identity's object.
//!
//! Both sides are deployed together, yet for a moment after a deployment an old front may talk to a new
//! object. So fields are only ever added, with a default; whatever can't be done that way gets a new
//! [`VERSION`], and each side refuses the versions it does not know.

mod account;

pub use account::*;
use limits::{Decision, Policy, PolicyError, Quota, Retry, UnixMillis, Window};
use serde::{Deserialize, Serialize};

/// The version both sides speak.
pub const VERSION: u32 = 2;
/// Longest nonce, action id or holder in bytes.
pub const MAX_ID_BYTES: usize = 64;
/// Policies in one command at most.
pub const MAX_CHARGES: usize = 32;
/// How long it can be remembered that somebody proved to be a person, in milliseconds: one hour.
pub const MAX_VOUCH_MS: u64 = 60 * 60_000;

/// A command with its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// [`VERSION`].
    pub v: u32,
    /// What to do.
    pub command: Command,
}

/// What an object can be asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Takes units under all policies, or under none.
    Take(Take),
    /// Shows how things stand. Takes and stores nothing.
    Peek(Vec<Offer>),
    /// Changes something, for an admin.
    Act(Act),
    /// Shows what an action did, if it happened.
    Recall(String),
    /// Shows or changes what is kept of a user.
    Account(AccountCommand),
    /// Remembers for so many milliseconds, at most [`MAX_VOUCH_MS`], that a person stands behind the identity.
    Vouch(u64),
    /// Tells whether that is remembered.
    AskVouched,
    /// Takes units, then panics.
    #[cfg(feature = "faults")]
    Panic(Take),
    /// Takes units, after so many milliseconds.
    #[cfg(feature = "faults")]
    Hang(Take, u64),
}

/// A request for units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Take {
    /// Names the request. Asked once more with the same nonce, the object answers as before and takes
    /// nothing. At most [`MAX_ID_BYTES`] visible ASCII characters.
    pub nonce: String,
    /// What a user brings; none for a network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// What it costs, by tier.
    pub offers: Vec<Offer>,
}

/// What a request costs callers of one tier. The object knows which one the caller is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The tier.
    pub tier: String,
    /// What it costs, under which policies.
    pub charges: Vec<Charge>,
}

/// One policy, and what a request costs under it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// Name of the policy; its ledger is kept under this name.
    pub policy: String,
    /// Units per window; none for unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Kind of the window.
    pub window: WindowKind,
    /// Length of the window in milliseconds.
    pub ms: u64,
    /// Units asked for.
    #[serde(default)]
    pub cost: u32,
    /// Whether the policy only records.
    #[serde(default, skip_serializing_if = "is_false")]
    pub shadow: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_false(flag: &bool) -> bool {
    !flag
}

/// Kinds of windows; [`limits::Window`] tells what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum WindowKind {
    Fixed,
    Calendar,
    Sliding,
    Bucket,
    Concurrency,
}

impl Charge {
    /// Asks for `cost` units under `policy`.
    #[must_use]
    pub fn new(policy: &Policy, cost: u32) -> Self {
        let window = match policy.window() {
            Window::Fixed { .. } => WindowKind::Fixed,
            Window::Calendar { .. } => WindowKind::Calendar,
            Window::Sliding { .. } => WindowKind::Sliding,
            Window::Bucket { .. } => WindowKind::Bucket,
            Window::Concurrency { .. } => WindowKind::Concurrency,
        };
        Self {
            policy: policy.name().to_owned(),
            limit: policy.quota().limit(),
            window,
            ms: policy.window().ms(),
            cost,
            shadow: policy.is_shadow(),
        }
    }

    /// The policy as `limits` knows it. A limit of 0 can't be built there and becomes 1; no sender makes one.
    pub(crate) fn to_policy(&self) -> Result<Policy, PolicyError> {
        let ms = self.ms;
        let window = match self.window {
            WindowKind::Fixed => Window::Fixed { ms },
            WindowKind::Calendar => Window::Calendar { ms },
            WindowKind::Sliding => Window::Sliding { ms },
            WindowKind::Bucket => Window::Bucket { ms },
            WindowKind::Concurrency => Window::Concurrency { lease_ms: ms },
        };
        let quota = self.limit.map_or(Quota::Unlimited, Quota::at_least_one);
        let policy = Policy::new(&self.policy, quota, window)?;
        Ok(if self.shadow { policy.in_shadow() } else { policy })
    }
}

/// Name of the policy that an API key brings along.
#[must_use]
pub fn key_policy(id: &str) -> String {
    let digits: String = id.chars().filter(char::is_ascii_hexdigit).take(24).collect();
    format!("key-{digits}")
}

/// A change that an admin makes, or a job that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// Names the action. Asked once more with the same id, the object shows what it did then.
    pub id: String,
    /// When it was asked for. An action that comes later than [`MAX_ACT_AGE_MS`] is refused.
    pub asked_at: u64,
    /// Who asked.
    pub author: String,
    /// What to do.
    pub action: Action,
    /// The policies to show before and after, by tier.
    pub policies: Vec<Offer>,
}

/// How long an action may be under way, in milliseconds. After that it never happens, so that whoever looks
/// for its outcome can tell.
pub const MAX_ACT_AGE_MS: u64 = 30_000;

/// What can be done to what is counted. Instants are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Forgets what was taken, under one policy or under all.
    Reset {
        /// Name of the policy.
        policy: Option<String>,
    },
    /// Gives another quota.
    SetOverride {
        /// Name of the policy.
        policy: String,
        /// Units per window, at least 1.
        value: u32,
        /// Until when; for ever if none.
        expires_at: Option<u64>,
        /// Why.
        reason: String,
    },
    /// Takes the other quota back.
    ClearOverride {
        /// Name of the policy.
        policy: String,
    },
    /// Refuses everything.
    Ban {
        /// Until when; for ever if none.
        until: Option<u64>,
        /// Why.
        reason: String,
    },
    /// Ends that.
    Unban,
    /// Gives units back, because the service failed to do what they were taken for. An action is remembered for an
    /// hour; repeated later than that, it may give back units of longer windows once more.
    Refund {
        /// Which ones. Those of a window that is over change nothing.
        charges: Vec<Refund>,
    },
}

/// Units to give back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// The policy that they were taken under, and how many.
    pub charge: Charge,
    /// End of the window that they were taken in, as [`Standing::reset_at`] told then.
    pub reset_at: u64,
}

impl Action {
    /// The action as it is written in the audit.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Reset { .. } => "reset",
            Self::SetOverride { .. } => "set_override",
            Self::ClearOverride { .. } => "clear_override",
            Self::Ban { .. } => "ban",
            Self::Unban => "unban",
            Self::Refund { .. } => "refund",
        }
    }
}

/// What the object answers. Instants are milliseconds since 1970, by the object's clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// A request for units was decided. If it was admitted, that is on disk.
    Decided(Decided),
    /// The identity is banned: nothing was asked or taken.
    Banned(Banned),
    /// The claim is not good: nothing was asked or taken.
    Rejected(Rejection),
    /// An answer about a user.
    Account(AccountReply),
    /// How things stand.
    State(State),
    /// What an action did.
    Acted(Acted),
    /// Whether a person stands behind the identity, as far as is remembered.
    Vouched(bool),
    /// No such action is known.
    Unknown,
    /// The command was not understood, or came too late.
    Refused(String),
}

/// The decision on a request for units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// The object's clock, so that seconds are counted by one clock.
    pub now: u64,
    /// One per charge of the caller's tier, and one more for the key, if it came with one.
    pub standings: Vec<Standing>,
    /// The charge that is in the way; none if the units are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_by: Option<usize>,
    /// Who the caller is, if a user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<Member>,
}

/// How things stand under one policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Units per window; none for unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Units that count now.
    pub used: u32,
    /// When all units are back.
    pub reset_at: u64,
    /// When the request fits, if it does not now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fits_at: Option<u64>,
    /// Whether it never fits.
    #[serde(default, skip_serializing_if = "is_false")]
    pub never: bool,
}

impl Standing {
    /// Units left; none if unlimited.
    #[must_use]
    pub fn remaining(&self) -> Option<u32> {
        self.limit.map(|limit| limit.saturating_sub(self.used))
    }

    /// Whether the request fits, or did.
    #[must_use]
    pub const fn fits(&self) -> bool {
        self.fits_at.is_none() && !self.never
    }
}

impl From<limits::Standing<'_>> for Standing {
    fn from(standing: limits::Standing<'_>) -> Self {
        let fits_at = match standing.retry {
            Retry::At(at) => Some(at.0),
            Retry::Now | Retry::Never => None,
        };
        Self {
            limit: standing.limit(),
            used: standing.used,
            reset_at: standing.reset_at.0,
            fits_at,
            never: standing.retry == Retry::Never,
        }
    }
}

impl Decided {
    pub(crate) fn new(decision: &Decision<'_>, now: UnixMillis) -> Self {
        let standings = &decision.standings;
        Self {
            now: now.0,
            standings: standings.iter().copied().map(Standing::from).collect(),
            refused_by: decision.denial.and_then(|denial| {
                standings.iter().position(|standing| standing.policy.name() == denial.policy.name())
            }),
            member: None,
        }
    }
}

/// Why nothing was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Banned {
    /// The object's clock.
    pub now: u64,
    /// Until when; for ever if none.
    pub until: Option<u64>,
}

/// Everything an admin sees of one identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The object's clock.
    pub at: u64,
    /// The tier.
    pub tier: String,
    /// How things stand, exactly.
    pub policies: Vec<PolicyState>,
    /// The ban, if there is one.
    pub ban: Option<Exception>,
}

/// How things stand under one policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyState {
    /// Name of the policy.
    pub policy: String,
    /// Kind of its window.
    pub window: WindowKind,
    /// Length of its window in milliseconds.
    pub window_ms: u64,
    /// Units per window, an override included; none for unlimited.
    pub limit: Option<u32>,
    /// Units that count now.
    pub used: u32,
    /// Units left; none for unlimited.
    pub remaining: Option<u32>,
    /// When all units are back.
    pub reset_at: u64,
    /// Whether the policy only records.
    pub shadow: bool,
    /// The override, if there is one.
    pub r#override: Option<Exception>,
}

/// An override or a ban.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exception {
    /// Units per window; none for a ban.
    pub value: Option<u32>,
    /// Until when; for ever if none.
    pub expires_at: Option<u64>,
    /// Why.
    pub reason: String,
    /// Who decided so.
    pub author: String,
    /// Since when.
    pub since: u64,
}

/// What an action did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acted {
    /// How things stood.
    pub before: State,
    /// How they stand.
    pub after: State,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests() -> Policy {
        Policy::new("requests", Quota::units(10).unwrap(), Window::Fixed { ms: 60_000 }).unwrap()
    }

    /// A change here breaks requests that are under way while a deployment rolls out.
    #[test]
    fn the_wire_is_pinned() {
        let take = Take {
            nonce: "n".to_owned(),
            claim: Some(Claim::Session("s".to_owned())),
            offers: vec![Offer { tier: "free".to_owned(), charges: vec![Charge::new(&requests(), 1)] }],
        };
        let envelope = Envelope { v: 2, command: Command::Take(take) };
        let text = concat!(
            r#"{"v":2,"command":{"take":{"nonce":"n","claim":{"session":"s"},"offers":[{"tier":"free","charges":["#,
            r#"{"policy":"requests","limit":10,"window":"fixed","ms":60000,"cost":1}]}]}}}"#
        );
        assert_eq!(serde_json::to_string(&envelope).unwrap(), text);
        assert_eq!(serde_json::from_str::<Envelope>(text).unwrap(), envelope);

        let standing = Standing { limit: Some(10), used: 10, reset_at: 9, fits_at: Some(9), never: false };
        let reply =
            Reply::Decided(Decided { now: 5, standings: vec![standing], refused_by: Some(0), member: None });
        let text = concat!(
            r#"{"decided":{"now":5,"standings":[{"limit":10,"used":10,"reset_at":9,"fits_at":9}],"#,
            r#""refused_by":0}}"#
        );
        assert_eq!(serde_json::to_string(&reply).unwrap(), text);
        assert_eq!(serde_json::from_str::<Reply>(text).unwrap(), reply);
    }

    /// A change here loses refunds that are asked for while a deployment rolls out.
    #[test]
    fn refunds_are_pinned() {
        let refund = Refund { charge: Charge::new(&requests(), 1), reset_at: 9 };
        let action = Action::Refund { charges: vec![refund] };
        let text = concat!(
            r#"{"refund":{"charges":[{"charge":{"policy":"requests","limit":10,"window":"fixed","ms":60000,"#,
            r#""cost":1},"reset_at":9}]}}"#
        );
        assert_eq!(serde_json::to_string(&action).unwrap(), text);
        assert_eq!(serde_json::from_str::<Action>(text).unwrap(), action);
        assert_eq!(action.name(), "refund");
    }

    #[test]
    fn policies_survive_the_journey() {
        for window in [
            Window::Fixed { ms: 1 },
            Window::Calendar { ms: 2 },
            Window::Sliding { ms: 3 },
            Window::Bucket { ms: 4 },
            Window::Concurrency { lease_ms: 5 },
        ] {
            let policy = Policy::new("p", Quota::at_least_one(3), window).unwrap().in_shadow();
            assert_eq!(Charge::new(&policy, 1).to_policy(), Ok(policy));
        }
        let unlimited = Policy::new("p", Quota::Unlimited, Window::Fixed { ms: 1 }).unwrap();
        assert_eq!(Charge::new(&unlimited, 1).to_policy(), Ok(unlimited));
        assert!(Charge { ms: 0, ..Charge::new(&requests(), 1) }.to_policy().is_err());
    }

    #[test]
    fn unknown_commands_are_refused() {
        assert!(serde_json::from_str::<Envelope>(r#"{"v":2,"command":{"grant":{}}}"#).is_err());
    }
}
