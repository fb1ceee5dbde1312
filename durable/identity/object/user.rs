//! What the object of a user does besides counting: it keeps sessions, the profile and the state of keys.

use std::collections::HashMap;

use limits::{Policy, Quota, UnixMillis, Window};
use worker::Result;

use super::super::account::{self, Account, Judged, MAX_KEYS, MAX_READING_AGE_MS, MAX_SESSIONS, User};
use super::super::schema::Tables;
use super::super::wire::{
    AccountCommand, AccountReply, Charge, Ending, Key, KeyUse, Member, Profile, Rejection, Reply, Session,
    SessionShown, Standing, key_policy,
};
use super::{Identity, KEEP_ACTIONS_MS, Uses, clock};

/// How long nobody else is asked to collect the uses of a key, in milliseconds. Whoever was asked comes long before
/// that, or died.
const COLLECTED_WITHIN_MS: u64 = 30_000;
/// The window of a key's own limit, in milliseconds.
const KEY_WINDOW_MS: u64 = 60_000;

impl Identity {
    /// Carries out a command about the user, and has the alarm come when something of them is over.
    pub(super) async fn keep(&self, command: AccountCommand) -> Result<Reply> {
        let now = clock();
        // From the reading to the writing there is no await.
        let reply = self.change_account(command, now).inspect_err(|_| self.forget())?;
        let wrote = !matches!(
            reply,
            Reply::Account(AccountReply::Sessions(_) | AccountReply::Uses { .. }) | Reply::Rejected(_)
        );
        if wrote && let Some(at) = self.tables.load_next_end(KEEP_ACTIONS_MS)? {
            self.arm(at).await?;
        }
        Ok(reply)
    }

    fn change_account(&self, command: AccountCommand, now: UnixMillis) -> Result<Reply> {
        let mut memory = self.memory.borrow_mut();
        let account = load_account_once(&mut memory.account, &self.tables)?;
        let reply = match command {
            AccountCommand::Introduce(profile) => {
                self.introduce(account, &profile, now)?;
                AccountReply::Done
            }
            AccountCommand::OpenSession { profile, session } => {
                if matches!(account.user, User::Deleted(version) if version >= profile.version) {
                    return Ok(Reply::Rejected(Rejection::Deleted));
                }
                self.introduce(account, &profile, now)?;
                // Who was suspended meanwhile gets no session.
                let known = self.tables.load_account()?;
                if let User::Known(known) = &known.user
                    && account::is_suspended(known, now)
                {
                    memory.account = None;
                    return Ok(Reply::Rejected(Rejection::Suspended { reason: known.ban_reason.clone() }));
                }
                self.open_session(&known, &session, now)?;
                AccountReply::Done
            }
            AccountCommand::ShowSession { key, prolong } => {
                let Some(session) = account.session(&key, now) else {
                    return Ok(Reply::Rejected(Rejection::Dead));
                };
                let User::Known(profile) = &account.user else {
                    return Ok(Reply::Rejected(Rejection::Dead));
                };
                let prolonged = account::prolonged(session, now).filter(|_| prolong);
                let shown = SessionShown {
                    profile: Profile::clone(profile),
                    prolonged: prolonged.is_some(),
                    session: prolonged.unwrap_or_else(|| session.clone()),
                };
                if !shown.prolonged {
                    return Ok(Reply::Account(AccountReply::Session(Box::new(shown))));
                }
                self.tables.save_session(&shown.session)?;
                AccountReply::Session(Box::new(shown))
            }
            AccountCommand::ListSessions => {
                let sessions = account.sessions.iter().filter(|session| now.0 < session.expires_at);
                return Ok(Reply::Account(AccountReply::Sessions(sessions.cloned().collect())));
            }
            AccountCommand::EndSessions(ending) => {
                let ends = |session: &&Session| match &ending {
                    Ending::One(key) => session.key == *key,
                    Ending::AllBut(key) => session.key != *key,
                    Ending::All => true,
                };
                let ended: Vec<&Session> = account.sessions.iter().filter(ends).collect();
                for session in &ended {
                    self.tables.delete_session(&session.key)?;
                }
                AccountReply::Ended(u32::try_from(ended.len()).unwrap_or(u32::MAX))
            }
            AccountCommand::LearnKey { hash, key, read_at } => {
                if matches!(account.user, User::Deleted(_)) {
                    return Ok(Reply::Rejected(Rejection::Deleted));
                }
                if now.0.saturating_sub(read_at) > MAX_READING_AGE_MS {
                    return Ok(Reply::Refused("the record was read too long ago".to_owned()));
                }
                if account.is_news_of_key(&hash, &key) {
                    self.learn_key(account, &hash, &key, now)?;
                }
                AccountReply::Done
            }
            AccountCommand::CollectUses { hash } => {
                let uses = memory.uses.remove(&hash).unwrap_or_default();
                return Ok(Reply::Account(AccountReply::Uses { n: uses.n, last_at: uses.last_at }));
            }
            AccountCommand::Bury { version } => {
                for session in &account.sessions {
                    self.tables.delete_session(&session.key)?;
                }
                for (hash, _) in &account.keys {
                    self.tables.delete_key(hash)?;
                }
                if account.is_news(version) {
                    self.tables.save_user(version, None, now)?;
                }
                AccountReply::Done
            }
        };
        // Storage is the truth; what was answered a moment ago says nothing any more.
        memory.account = None;
        memory.answered.clear();
        Ok(Reply::Account(reply))
    }

    /// Takes note of a profile that is news. A suspension ends all sessions.
    fn introduce(&self, account: &Account, profile: &Profile, now: UnixMillis) -> Result<()> {
        if !account.is_news(profile.version) {
            return Ok(());
        }
        self.tables.save_user(profile.version, Some(profile), now)?;
        if account::is_suspended(profile, now) {
            for session in &account.sessions {
                self.tables.delete_session(&session.key)?;
            }
        }
        Ok(())
    }

    fn open_session(&self, account: &Account, session: &Session, now: UnixMillis) -> Result<()> {
        let alive: Vec<&Session> =
            account.sessions.iter().filter(|session| now.0 < session.expires_at).collect();
        let n_too_many = (alive.len() + 1).saturating_sub(MAX_SESSIONS);
        for oldest in alive.iter().take(n_too_many) {
            self.tables.delete_session(&oldest.key)?;
        }
        self.tables.save_session(session)
    }

    fn learn_key(&self, account: &Account, hash: &str, key: &Key, now: UnixMillis) -> Result<()> {
        let others = account.keys.iter().filter(|(known, _)| known != hash);
        let n_too_many = (others.clone().count() + 1).saturating_sub(MAX_KEYS);
        for (oldest, _) in others.take(n_too_many) {
            self.tables.delete_key(oldest)?;
        }
        self.tables.save_key(hash, key, now)
    }
}

/// The user, read from storage the first time.
pub(super) fn load_account_once<'a>(
    account: &'a mut Option<Account>,
    tables: &Tables,
) -> Result<&'a Account> {
    if account.is_none() {
        *account = Some(tables.load_account()?);
    }
    Ok(account.get_or_insert_default())
}

/// What a request costs under the key's own limit: as much as it costs at most under another. None for a limit
/// of 0, which is no policy.
pub(super) fn charge_of_key(key: &Key, offered: &[Charge]) -> Option<Charge> {
    let quota = Quota::units(key.rate_limit)?;
    let policy = Policy::new(&key_policy(&key.id), quota, Window::Fixed { ms: KEY_WINDOW_MS }).ok()?;
    Some(Charge::new(&policy, offered.iter().map(|charge| charge.cost).max().unwrap_or(0)))
}

/// How things stand for whoever may never.
pub(super) fn barred(now: UnixMillis) -> Standing {
    Standing { limit: Some(0), used: 0, reset_at: now.0, fits_at: None, never: true }
}

/// Who was judged. The first use of a key since its uses were collected has somebody collect them again: soon
/// enough that this object is not evicted before, which would forget them.
pub(super) fn member(
    judged: &Judged<'_>,
    uses: &mut HashMap<String, Uses>,
    is_counted: bool,
    now: UnixMillis,
) -> Member {
    let key = judged.key.map(|(hash, key)| {
        let mut is_to_be_recorded = false;
        if is_counted {
            let uses = uses.entry(hash.to_owned()).or_default();
            uses.n = uses.n.saturating_add(1);
            uses.last_at = now.0;
            is_to_be_recorded = uses.asked_at.is_none_or(|at| at.until(now) >= COLLECTED_WITHIN_MS);
            if is_to_be_recorded {
                uses.asked_at = Some(now);
            }
        }
        KeyUse {
            id: key.id.clone(),
            scopes: key.scopes.clone(),
            rate_limit: key.rate_limit,
            is_to_be_recorded,
        }
    });
    Member { tier: judged.tier.name().to_owned(), role: judged.role.to_owned(), key }
}
