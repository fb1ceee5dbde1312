//! What travels about a user: the profile, sessions and keys. Instants are milliseconds since 1970.

use serde::{Deserialize, Serialize};

/// What a caller brings, proven as far as it can be without state: a signature or checksum was right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// A session, by its key.
    Session(String),
    /// An API key, by the SHA-256 of its text.
    Key(String),
    /// A token of Clerk's.
    Clerk(ClerkClaim),
}

/// What a token of Clerk's says of its owner's rights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClerkClaim {
    /// When it was issued: rights that changed later are the record's.
    pub issued_at: u64,
    /// The tier, if it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// The role, if it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

/// Who was admitted or refused, if the identity is a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The tier that was counted.
    pub tier: String,
    /// The role, several joined by commas.
    pub role: String,
    /// The key it came with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyUse>,
}

/// An API key in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyUse {
    /// The key's id.
    pub id: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// Its own limit per 60 seconds.
    pub rate_limit: u32,
    /// Whether whoever asked is to collect the key's uses in a moment, and to write them down.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_to_be_recorded: bool,
}

/// Why a claim is not good. Nothing was counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rejection {
    /// There is no such session, or no longer.
    Dead,
    /// This key was not heard of; the record may know it.
    UnknownKey,
    /// The key was revoked.
    RevokedKey,
    /// The key's time is over.
    ExpiredKey,
    /// The user was not heard of; the record may know them.
    Stranger,
    /// The user was deleted.
    Deleted,
    /// The user is suspended.
    Suspended {
        /// Why.
        reason: Option<String>,
    },
}

/// A user as the record has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Counts the changes of the record: an older profile never overwrites a newer one.
    pub version: u64,
    /// The primary address; none for users without one.
    pub email: Option<String>,
    /// Whether it was verified.
    pub email_verified: bool,
    /// How the user is shown.
    pub name: String,
    /// URL of a picture.
    pub image: Option<String>,
    /// What was paid for.
    pub tier: String,
    /// The role, several joined by commas.
    pub role: String,
    /// When tier or role last changed.
    pub rights_changed_at: u64,
    /// Whether the user is suspended.
    pub banned: bool,
    /// Why.
    pub ban_reason: Option<String>,
    /// Until when; for ever if none.
    pub ban_expires_at: Option<u64>,
    /// When the user was created.
    pub created_at: u64,
    /// When the user was last changed.
    pub updated_at: u64,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Names the session in lists.
    pub id: String,
    /// The random part of its token.
    pub key: String,
    /// When it was opened.
    pub created_at: u64,
    /// When it was last prolonged.
    pub updated_at: u64,
    /// Until when.
    pub expires_at: u64,
    /// Where it was opened from; empty if unknown.
    pub ip_address: String,
    /// The browser that opened it; empty if unknown.
    pub user_agent: String,
    /// The admin who acts as this user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impersonated_by: Option<String>,
    /// Whether it is prolonged while it is used.
    pub prolongs: bool,
}

/// A key as the record has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// The key's id.
    pub id: String,
    /// Counts the changes of the record: an older state never overwrites a newer one.
    pub version: u64,
    /// What it may do.
    pub scopes: Vec<String>,
    /// Its own limit per 60 seconds.
    pub rate_limit: u32,
    /// Until when; for ever if none.
    pub expires_at: Option<u64>,
    /// Since when it is refused; none while it is not.
    pub revoked_at: Option<u64>,
}

/// What can be asked about a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountCommand {
    /// Takes note of the record's profile, unless a newer one is known. A suspension ends all sessions.
    Introduce(Profile),
    /// Opens a session.
    OpenSession {
        /// The user.
        profile: Profile,
        /// The session.
        session: Session,
    },
    /// Shows a session and its user.
    ShowSession {
        /// Its key.
        key: String,
        /// Whether to prolong it, if it is time to.
        prolong: bool,
    },
    /// Shows the sessions that are not over.
    ListSessions,
    /// Ends sessions.
    EndSessions(Ending),
    /// Takes note of the record's state of a key, unless a newer one is known.
    LearnKey {
        /// SHA-256 of its text.
        hash: String,
        /// Its state.
        key: Key,
        /// When the record was read: what was read long ago may have been forgotten meanwhile.
        read_at: u64,
    },
    /// Hands out the uses of a key that were not handed out yet; done once more, it hands out none.
    CollectUses {
        /// SHA-256 of its text.
        hash: String,
    },
    /// Forgets everything about a user who was deleted, but that.
    Bury {
        /// Counts the changes of the record.
        version: u64,
    },
}

/// Which sessions end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The one with this key.
    One(String),
    /// All but the one with this key.
    AllBut(String),
    /// All.
    All,
}

/// What an object answers about a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountReply {
    /// It is done and on disk.
    Done,
    /// A session.
    Session(Box<SessionShown>),
    /// Sessions, the oldest first.
    Sessions(Vec<Session>),
    /// So many sessions ended.
    Ended(u32),
    /// Uses of a key.
    Uses {
        /// How many.
        n: u32,
        /// When the last one was.
        last_at: u64,
    },
}

/// A session and its user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionShown {
    /// The session.
    pub session: Session,
    /// Its user.
    pub profile: Profile,
    /// Whether it was prolonged just now.
    pub prolonged: bool,
}
