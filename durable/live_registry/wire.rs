//! What travels between identities' objects, the front Worker, the shards and the hub.
//!
//! All sides are deployed together, yet for a moment after a deployment old and new talk to each other. So
//! fields are only ever added, with a default. Instants are milliseconds since 1970.

use serde::{Deserialize, Serialize};

use super::query::{Query, QueryError};

/// Length of an identity's object name, in bytes.
pub const MAX_IDENTITY_BYTES: usize = 128;
/// Rows, and identities that are gone, in one report.
pub const MAX_REPORT: usize = 64;
/// Identities in one message from a shard to the hub: about 100 KB.
pub const MAX_CHANGES: usize = 500;
/// The largest integer that JavaScript keeps exact.
pub const MAX_INTEGER: u64 = (1 << 53) - 1;

/// Length of a tier's or policy's name, in bytes.
const MAX_NAME_BYTES: usize = 64;
/// What one report may add to a counter, so that a counter lasts nine million such reports.
const MAX_COUNT: u64 = 1_000_000_000;

/// What an object of the class can be asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Identity to shard: something changed. Answered with `null`.
    Report(Report),
    /// Front or hub to shard: which rows are there? Answered with [`ShardPage`].
    List(Query),
    /// Front to shard: what did limiting cost? Answered with [`Cost`].
    Cost,
    /// Hub to shard: pass changes on until then. Answered with `null`.
    Watch {
        /// When to stop; at most two minutes ahead.
        until: u64,
    },
    /// Shard to hub: this changed. Answered with `null`.
    Changes(Changes),
}

/// What is known of one identity. Lists and watchers show it as it travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Name of the identity's object, at most [`MAX_IDENTITY_BYTES`].
    pub identity: String,
    /// The tier.
    pub tier: String,
    /// The policy that is nearest to its limit.
    pub policy: String,
    /// Its units per window; none for unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Units spent in the open window.
    pub used: u32,
    /// End of the window.
    pub reset_at: u64,
    /// Requests refused in the open window.
    #[serde(rename = "refused")]
    pub n_refused: u32,
    /// Requests that a policy in shadow would have refused in the open window.
    #[serde(default, rename = "shadowed")]
    pub n_shadowed: u32,
    /// Whether the identity is banned.
    pub banned: bool,
    /// Whether an override holds.
    pub overridden: bool,
    /// Whether the limit is near.
    pub near: bool,
    /// The object's clock.
    pub at: u64,
}

/// What limiting cost: counters that are summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Cost {
    /// Requests admitted.
    pub admits: u64,
    /// Requests refused.
    pub denials: u64,
    /// Requests that a policy in shadow would have refused.
    pub shadow_denials: u64,
    /// Rows written for both.
    pub writes: u64,
    /// Units reserved and never spent.
    pub leases_lost: u64,
    /// Refusals that the front repeated without asking.
    pub cached_denials: u64,
    /// Requests admitted without being counted.
    pub uncounted: u64,
    /// Reports received; the shard counts them.
    pub reports: u64,
    /// How long the reports were under way, together; the shard's clock against the sender's.
    pub lag_ms_total: u64,
}

/// What an identity's object has to tell.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Report {
    /// Identities that changed, at most [`MAX_REPORT`], all of one shard.
    #[serde(default)]
    pub rows: Vec<Row>,
    /// Identities that are idle and have nothing to show, at most [`MAX_REPORT`].
    #[serde(default)]
    pub gone: Vec<String>,
    /// Costs since the last report.
    #[serde(default)]
    pub cost: Cost,
    /// The object's clock.
    pub sent_at: u64,
}

/// The first rows of a shard that match a query, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardPage {
    /// One row more than asked for, if there are more.
    pub rows: Vec<Row>,
    /// Rows in the shard.
    pub n_all: u64,
    /// Rows that match filter and search.
    pub n_matching: u64,
    /// The shard's clock.
    pub now: u64,
}

/// What changed in a shard, as it is stored by now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Changes {
    /// Rows that are new or different.
    #[serde(default)]
    pub rows: Vec<Row>,
    /// Identities without a row.
    #[serde(default)]
    pub gone: Vec<String>,
    /// Whether more had changed than could be kept.
    #[serde(default)]
    pub skipped: bool,
}

/// What a watcher is sent, and may send. Clients read these, so a change breaks them.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Message<'a> {
    /// The first message.
    Snapshot {
        /// The message after this one has the next number.
        seq: u64,
        /// The hub's clock; a row's age is counted from here.
        at: u64,
        /// The rows last heard of.
        rows: &'a [Row],
        /// Rows in the registry.
        count: u64,
    },
    /// What changed since the message before.
    Changes {
        /// One more than before, or something was missed.
        seq: u64,
        /// The hub's clock.
        at: u64,
        /// Rows that are new or different.
        rows: &'a [Row],
        /// Identities without a row.
        gone: &'a [String],
    },
}

/// A command breaks a bound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BoundError {
    /// Too many entries.
    #[error("{n} {what}, {max} are allowed")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        n: usize,
        /// How many there may be.
        max: usize,
    },
    /// A text is too long.
    #[error("{what} of {n_bytes} bytes, {max} are allowed")]
    TooLong {
        /// Which.
        what: &'static str,
        /// Its length.
        n_bytes: usize,
        /// Its longest length.
        max: usize,
    },
    /// A number is too large.
    #[error("{what} is {n}, {max} is allowed")]
    TooLarge {
        /// Which.
        what: &'static str,
        /// Its value.
        n: u64,
        /// Its largest value.
        max: u64,
    },
    /// The query breaks one of its own.
    #[error(transparent)]
    Query(#[from] QueryError),
}

impl Command {
    /// # Errors
    /// The first bound that is not kept.
    pub fn check(&self) -> Result<(), BoundError> {
        match self {
            Self::Report(report) => {
                check_sizes(&report.rows, &report.gone, MAX_REPORT)?;
                check_number("sent_at", report.sent_at, MAX_INTEGER)?;
                report.cost.counters().into_iter().try_for_each(|n| check_number("counter", n, MAX_COUNT))
            }
            Self::List(query) => Ok(query.check()?),
            Self::Changes(changes) => check_sizes(&changes.rows, &changes.gone, MAX_CHANGES),
            Self::Watch { until } => check_number("until", *until, MAX_INTEGER),
            Self::Cost => Ok(()),
        }
    }
}

impl Row {
    /// Units spent in thousandths of the limit; 0 for unlimited.
    #[must_use]
    pub fn level(&self) -> u64 {
        self.limit.map_or(0, |limit| u64::from(self.used) * 1000 / u64::from(limit.max(1)))
    }
}

impl Cost {
    /// All counters, in the order in which they are declared.
    pub(super) fn counters(&self) -> [u64; 9] {
        let Self {
            admits,
            denials,
            shadow_denials,
            writes,
            leases_lost,
            cached_denials,
            uncounted,
            reports,
            lag_ms_total,
        } = *self;
        [
            admits,
            denials,
            shadow_denials,
            writes,
            leases_lost,
            cached_denials,
            uncounted,
            reports,
            lag_ms_total,
        ]
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            admits: self.admits.saturating_add(other.admits),
            denials: self.denials.saturating_add(other.denials),
            shadow_denials: self.shadow_denials.saturating_add(other.shadow_denials),
            writes: self.writes.saturating_add(other.writes),
            leases_lost: self.leases_lost.saturating_add(other.leases_lost),
            cached_denials: self.cached_denials.saturating_add(other.cached_denials),
            uncounted: self.uncounted.saturating_add(other.uncounted),
            reports: self.reports.saturating_add(other.reports),
            lag_ms_total: self.lag_ms_total.saturating_add(other.lag_ms_total),
        }
    }
}

fn check_sizes(rows: &[Row], gone: &[String], max: usize) -> Result<(), BoundError> {
    for (what, n) in [("rows", rows.len()), ("identities gone", gone.len())] {
        if n > max {
            return Err(BoundError::TooMany { what, n, max });
        }
    }
    for row in rows {
        check_text("tier", &row.tier, MAX_NAME_BYTES)?;
        check_text("policy", &row.policy, MAX_NAME_BYTES)?;
        check_number("at", row.at, MAX_INTEGER)?;
        check_number("reset_at", row.reset_at, MAX_INTEGER)?;
    }
    rows.iter()
        .map(|row| &row.identity)
        .chain(gone)
        .try_for_each(|identity| check_text("identity", identity, MAX_IDENTITY_BYTES))
}

fn check_text(what: &'static str, text: &str, max: usize) -> Result<(), BoundError> {
    let n_bytes = text.len();
    if n_bytes > max { Err(BoundError::TooLong { what, n_bytes, max }) } else { Ok(()) }
}

fn check_number(what: &'static str, n: u64, max: u64) -> Result<(), BoundError> {
    if n > max { Err(BoundError::TooLarge { what, n, max }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live_registry::{Cursor, Filter, Sort};

    fn row() -> Row {
        Row {
            identity: "net:192.0.2.1".into(),
            tier: "free".into(),
            policy: "compile".into(),
            limit: Some(10),
            used: 9,
            reset_at: 60_000,
            n_refused: 2,
            n_shadowed: 1,
            banned: false,
            overridden: true,
            near: true,
            at: 1_000,
        }
    }

    const ROW: &str = r#"{"identity":"net:192.0.2.1","tier":"free","policy":"compile","limit":10,"used":9,"resetAt":60000,"refused":2,"shadowed":1,"banned":false,"overridden":true,"near":true,"at":1000}"#;

    /// A change here breaks reports and lists that are under way while a deployment rolls out.
    #[test]
    fn the_wire_is_pinned() {
        let cost = Cost { admits: 1, denials: 2, writes: 3, leases_lost: 4, ..Cost::default() };
        let after = Some(Cursor { key: 5, identity: "a".into() });
        let query =
            Query { filter: Some(Filter::Near), search: Some("net".into()), sort: Sort::Level, after, n: 50 };
        let report = Report { rows: vec![row()], gone: vec!["user:1".into()], cost, sent_at: 1_001 };
        let changes = Changes { rows: vec![row()], gone: vec!["user:1".into()], skipped: false };
        for (command, text) in [
            (
                Command::Report(report),
                format!(
                    r#"{{"command":"report","rows":[{ROW}],"gone":["user:1"],"cost":{{"admits":1,"denials":2,"shadow_denials":0,"writes":3,"leases_lost":4,"cached_denials":0,"uncounted":0,"reports":0,"lag_ms_total":0}},"sent_at":1001}}"#
                ),
            ),
            (
                Command::List(query),
                r#"{"command":"list","filter":"near","search":"net","sort":"level","after":{"key":5,"identity":"a"},"n":50}"#.into(),
            ),
            (Command::Cost, r#"{"command":"cost"}"#.into()),
            (Command::Watch { until: 7 }, r#"{"command":"watch","until":7}"#.into()),
            (
                Command::Changes(changes),
                format!(r#"{{"command":"changes","rows":[{ROW}],"gone":["user:1"],"skipped":false}}"#),
            ),
        ] {
            assert_eq!(serde_json::to_string(&command).unwrap(), text);
            assert_eq!(serde_json::from_str::<Command>(&text).unwrap(), command);
            assert_eq!(command.check(), Ok(()));
        }
    }

    /// A change here breaks the clients that watch.
    #[test]
    fn messages_are_pinned() {
        let rows = [row()];
        let snapshot = Message::Snapshot { seq: 0, at: 5, rows: &rows, count: 9 };
        let changes = Message::Changes { seq: 1, at: 6, rows: &[], gone: &["user:1".to_owned()] };
        assert_eq!(
            serde_json::to_string(&snapshot).unwrap(),
            format!(r#"{{"type":"snapshot","seq":0,"at":5,"rows":[{ROW}],"count":9}}"#)
        );
        assert_eq!(
            serde_json::to_string(&changes).unwrap(),
            r#"{"type":"changes","seq":1,"at":6,"rows":[],"gone":["user:1"]}"#
        );
    }

    #[test]
    fn what_was_added_later_may_be_missing() {
        let report = serde_json::from_str::<Command>(r#"{"command":"report","sent_at":1}"#).unwrap();
        assert_eq!(report, Command::Report(Report { sent_at: 1, ..Report::default() }));
        let list = serde_json::from_str::<Command>(r#"{"command":"list","n":1}"#).unwrap();
        assert_eq!(list, Command::List(Query::newest(1)));
    }

    #[test]
    fn unknown_commands_are_refused() {
        assert!(serde_json::from_str::<Command>(r#"{"command":"forget_everything"}"#).is_err());
    }

    #[test]
    fn bounds_are_kept() {
        let sent = |rows: Vec<Row>, gone: Vec<String>| {
            Command::Report(Report { rows, gone, cost: Cost::default(), sent_at: 1 }).check()
        };
        assert_eq!(sent(vec![row(); 64], vec!["x".repeat(128); 64]), Ok(()));
        assert!(matches!(sent(vec![row(); 65], vec![]), Err(BoundError::TooMany { n: 65, .. })));
        assert!(matches!(sent(vec![], vec![String::new(); 65]), Err(BoundError::TooMany { .. })));
        assert!(matches!(sent(vec![], vec!["x".repeat(129)]), Err(BoundError::TooLong { .. })));
        assert!(sent(vec![Row { identity: "x".repeat(129), ..row() }], vec![]).is_err());
        assert!(sent(vec![Row { tier: "x".repeat(65), ..row() }], vec![]).is_err());
        assert!(sent(vec![Row { reset_at: 1 << 53, ..row() }], vec![]).is_err());
        let cost = Cost { lag_ms_total: 1_000_000_001, ..Cost::default() };
        assert!(Command::Report(Report { cost, ..Report::default() }).check().is_err());
        assert!(Command::List(Query::newest(0)).check().is_err());
        assert!(Command::List(Query::newest(501)).check().is_err());
        assert!(Command::Changes(Changes { rows: vec![row(); 501], ..Changes::default() }).check().is_err());
        assert!(Command::Watch { until: u64::MAX }.check().is_err());
    }

    #[test]
    fn a_level_is_a_share_of_the_limit() {
        let level = |used, limit| Row { used, limit, ..row() }.level();
        assert_eq!(
            [level(9, Some(10)), level(3, Some(2)), level(5, None), level(1, Some(0))],
            [900, 1500, 0, 1000]
        );
        assert_eq!(level(u32::MAX, Some(1)), u64::from(u32::MAX) * 1000);
    }
}
