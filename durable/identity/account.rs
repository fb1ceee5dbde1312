//! What is kept of a user, and whether a claim is good. Decides from plain data; `schema` stores it.

use limits::{Tier, UnixMillis};

use super::wire::{Claim, ClerkClaim, Key, Profile, Rejection, Session};

/// Life of a session from its opening or its last prolonging, in milliseconds: Better Auth's 7 days.
pub const SESSION_LIFE_MS: u64 = 7 * DAY_MS;
/// A session is prolonged once it is this old, in milliseconds.
const PROLONG_AFTER_MS: u64 = DAY_MS;
/// How long the profile of a user without sessions and keys is kept, and the note that one was deleted, in
/// milliseconds. The record has the rest; whoever read it longer ago has given up.
pub const KEEP_PROFILE_MS: u64 = DAY_MS;
/// How long a key that was revoked or is over is remembered, in milliseconds.
pub const KEEP_DEAD_KEYS_MS: u64 = DAY_MS;
/// How old the reading of a record may be that is told to the object, in milliseconds.
pub const MAX_READING_AGE_MS: u64 = 30_000;
/// Sessions of one user at most; the oldest makes room.
pub const MAX_SESSIONS: usize = 100;
/// Keys kept at most; more than a user can have. The one that was heard of first makes room.
pub const MAX_KEYS: usize = 100;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// What is kept of a user.
#[derive(Debug, Default)]
pub struct Account {
    pub user: User,
    /// The oldest first.
    pub sessions: Vec<Session>,
    /// By the hash of their text.
    pub keys: Vec<(String, Key)>,
}

/// What is known of the user's record.
#[derive(Debug, Default)]
pub enum User {
    #[default]
    Unknown,
    Known(Box<Profile>),
    /// Deleted, by the change with this number.
    Deleted(u64),
}

/// A claim that is good.
#[derive(Debug)]
pub struct Judged<'a> {
    pub tier: Tier,
    pub role: &'a str,
    pub key: Option<(&'a str, &'a Key)>,
}

impl Account {
    /// Whether the claim is good.
    ///
    /// A suspension is told before anything else of a user who is known: whoever has a token of theirs shall
    /// learn why it does nothing.
    pub fn judge<'a>(&'a self, claim: &'a Claim, now: UnixMillis) -> Result<Judged<'a>, Rejection> {
        let profile = match &self.user {
            User::Known(profile) => Some(profile),
            User::Unknown => None,
            User::Deleted(_) => return Err(Rejection::Deleted),
        };
        if let Some(profile) = profile
            && is_suspended(profile, now)
        {
            return Err(Rejection::Suspended { reason: profile.ban_reason.clone() });
        }
        let key = match claim {
            Claim::Session(key) => self.session(key, now).map(|_| None).ok_or(Rejection::Dead)?,
            Claim::Key(hash) => Some(self.usable_key(hash, now)?),
            Claim::Clerk(_) => None,
        };
        let profile = profile.ok_or(Rejection::Stranger)?;
        let (tier, role) = match claim {
            Claim::Clerk(clerk) => rights_of(profile, clerk),
            _ => (profile.tier.as_str(), profile.role.as_str()),
        };
        // A tier that nobody knows is one without privileges.
        let tier = Tier::from_name(tier).unwrap_or(Tier::Free);
        Ok(Judged { tier, role, key })
    }

    /// The session with this key, if it is not over.
    pub fn session(&self, key: &str, now: UnixMillis) -> Option<&Session> {
        self.sessions.iter().find(|session| session.key == key && now.0 < session.expires_at)
    }

    /// The tier that the record has.
    pub fn tier(&self) -> Tier {
        match &self.user {
            User::Known(profile) => Tier::from_name(&profile.tier).unwrap_or(Tier::Free),
            User::Unknown | User::Deleted(_) => Tier::Free,
        }
    }

    /// Whether a change of the user with this number is news.
    pub fn is_news(&self, version: u64) -> bool {
        match &self.user {
            User::Unknown => true,
            User::Known(profile) => profile.version < version,
            User::Deleted(deleted) => *deleted < version,
        }
    }

    /// Whether this state of a key is news.
    pub fn is_news_of_key(&self, hash: &str, key: &Key) -> bool {
        self.key(hash).is_none_or(|known| known.version < key.version)
    }

    fn key(&self, hash: &str) -> Option<&Key> {
        self.keys.iter().find(|(known, _)| known == hash).map(|(_, key)| key)
    }

    fn usable_key<'a>(&'a self, hash: &'a str, now: UnixMillis) -> Result<(&'a str, &'a Key), Rejection> {
        let key = self.key(hash).ok_or(Rejection::UnknownKey)?;
        if key.revoked_at.is_some() {
            return Err(Rejection::RevokedKey);
        }
        if key.expires_at.is_some_and(|expires_at| expires_at <= now.0) {
            return Err(Rejection::ExpiredKey);
        }
        Ok((hash, key))
    }
}

/// Tier and role: what the token says, unless they were changed after it was issued.
fn rights_of<'a>(profile: &'a Profile, clerk: &'a ClerkClaim) -> (&'a str, &'a str) {
    let is_newer = clerk.issued_at > profile.rights_changed_at;
    let newer = |claimed: &'a Option<String>, recorded: &'a String| {
        claimed.as_ref().filter(|_| is_newer).unwrap_or(recorded).as_str()
    };
    (newer(&clerk.tier, &profile.tier), newer(&clerk.role, &profile.role))
}

/// Whether the user is suspended now.
pub fn is_suspended(profile: &Profile, now: UnixMillis) -> bool {
    profile.banned && profile.ban_expires_at.is_none_or(|expires_at| now.0 < expires_at)
}

/// The session as it is from now on, if it is time to prolong it.
pub fn prolonged(session: &Session, now: UnixMillis) -> Option<Session> {
    let due_at = session.expires_at.saturating_sub(SESSION_LIFE_MS).saturating_add(PROLONG_AFTER_MS);
    (session.prolongs && due_at <= now.0).then(|| Session {
        updated_at: now.0,
        expires_at: now.0 + SESSION_LIFE_MS,
        ..session.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn profile() -> Profile {
        Profile {
            version: 3,
            email: Some("ann@example.org".to_owned()),
            email_verified: true,
            name: "Ann".to_owned(),
            image: None,
            tier: "pro".to_owned(),
            role: "user".to_owned(),
            rights_changed_at: NOW.0 - 1_000,
            banned: false,
            ban_reason: None,
            ban_expires_at: None,
            created_at: 0,
            updated_at: 0,
        }
    }

    fn session(expires_at: u64) -> Session {
        Session {
            id: "id".to_owned(),
            key: "s".to_owned(),
            created_at: 0,
            updated_at: 0,
            expires_at,
            ip_address: String::new(),
            user_agent: String::new(),
            impersonated_by: None,
            prolongs: true,
        }
    }

    fn key() -> Key {
        Key {
            id: "k".to_owned(),
            version: 1,
            scopes: vec!["compile".to_owned()],
            rate_limit: 60,
            expires_at: None,
            revoked_at: None,
        }
    }

    fn account(profile: Profile) -> Account {
        Account {
            user: User::Known(Box::new(profile)),
            sessions: vec![session(NOW.0 + 1)],
            keys: vec![("h".to_owned(), key())],
        }
    }

    fn judge(account: &Account, claim: Claim, now: UnixMillis) -> Result<(Tier, bool), Rejection> {
        account.judge(&claim, now).map(|judged| (judged.tier, judged.key.is_some()))
    }

    fn a_session() -> Claim {
        Claim::Session("s".to_owned())
    }

    fn a_key() -> Claim {
        Claim::Key("h".to_owned())
    }

    #[test]
    fn a_session_is_good_until_its_last_millisecond() {
        let account = account(profile());
        assert_eq!(judge(&account, a_session(), NOW), Ok((Tier::Pro, false)));
        assert_eq!(judge(&account, a_session(), NOW.plus(1)), Err(Rejection::Dead));
        assert_eq!(judge(&account, Claim::Session("t".to_owned()), NOW), Err(Rejection::Dead));
    }

    #[test]
    fn a_key_is_good_until_it_is_revoked_or_over() {
        let mut account = account(profile());
        assert_eq!(judge(&account, a_key(), NOW), Ok((Tier::Pro, true)));
        assert_eq!(judge(&account, Claim::Key("i".to_owned()), NOW), Err(Rejection::UnknownKey));
        account.keys[0].1.expires_at = Some(NOW.0);
        assert_eq!(judge(&account, a_key(), NOW), Err(Rejection::ExpiredKey));
        account.keys[0].1.revoked_at = Some(NOW.0);
        assert_eq!(judge(&account, a_key(), NOW), Err(Rejection::RevokedKey));
    }

    #[test]
    fn who_is_suspended_learns_so_whatever_they_bring() {
        let suspended = Profile {
            banned: true,
            ban_expires_at: Some(NOW.0 + 1),
            ban_reason: Some("spam".into()),
            ..profile()
        };
        let account = account(suspended);
        let rejection = Rejection::Suspended { reason: Some("spam".to_owned()) };
        for claim in [a_session(), a_key(), Claim::Session("gone".to_owned())] {
            assert_eq!(judge(&account, claim, NOW), Err(rejection.clone()));
        }
        assert_eq!(judge(&account, a_key(), NOW.plus(1)), Ok((Tier::Pro, true)));
    }

    #[test]
    fn the_deleted_and_the_unknown_are_told_apart() {
        let deleted = Account { user: User::Deleted(4), ..account(profile()) };
        assert_eq!(judge(&deleted, a_key(), NOW), Err(Rejection::Deleted));
        assert!(!deleted.is_news(4) && deleted.is_news(5));
        let unknown = Account { user: User::Unknown, ..account(profile()) };
        assert_eq!(judge(&unknown, a_key(), NOW), Err(Rejection::Stranger));
        assert_eq!(judge(&Account::default(), a_session(), NOW), Err(Rejection::Dead));
    }

    #[test]
    fn the_newer_of_token_and_record_tells_the_tier() {
        let account = account(profile());
        let clerk =
            |issued_at| Claim::Clerk(ClerkClaim { issued_at, tier: Some("admin".to_owned()), role: None });
        assert_eq!(judge(&account, clerk(NOW.0), NOW), Ok((Tier::Admin, false)));
        assert_eq!(judge(&account, clerk(NOW.0 - 1_000), NOW), Ok((Tier::Pro, false)));
    }

    #[test]
    fn a_session_is_prolonged_when_less_than_six_days_are_left() {
        let six_days = 6 * DAY_MS;
        assert_eq!(prolonged(&session(NOW.0 + six_days + 1), NOW), None);
        let due = session(NOW.0 + six_days);
        let expires_at = NOW.0 + SESSION_LIFE_MS;
        assert_eq!(prolonged(&due, NOW), Some(Session { updated_at: NOW.0, expires_at, ..due.clone() }));
        assert_eq!(prolonged(&Session { prolongs: false, ..due }, NOW), None);
    }

    #[test]
    fn what_is_older_is_no_news() {
        let account = account(profile());
        assert!(!account.is_news(3) && account.is_news(4));
        assert!(!account.is_news_of_key("h", &key()));
        assert!(account.is_news_of_key("h", &Key { version: 2, ..key() }));
        assert!(account.is_news_of_key("other", &key()));
    }
}
