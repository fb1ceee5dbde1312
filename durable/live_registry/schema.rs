//! A shard's tables, and every statement that touches them.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;
use worker::{Result, SqlStorage, SqlStorageValue};

use super::query::{Cursor, Filter, Query, Sort};
use super::wire::{Cost, MAX_INTEGER, Row};

/// Instants are milliseconds since 1970.
///
/// Every order has an index, so a page is read from where the last one ended; the one by age also has all
/// that a filter or a search looks at, so a count is read off it alone. It is rewritten with every report
/// anyway, so the flags cost no write of their own: a report writes the row, its age and what else changed.
const TABLES: &str = "\
CREATE TABLE IF NOT EXISTS identity (
  identity   TEXT PRIMARY KEY, -- name of the identity's object
  tier       TEXT NOT NULL,
  policy     TEXT NOT NULL,    -- the policy nearest to its limit
  quota      INTEGER,          -- its units per window, NULL for unlimited
  used       INTEGER NOT NULL, -- units spent in the open window
  reset_at   INTEGER NOT NULL, -- end of the window
  n_refused  INTEGER NOT NULL, -- requests refused in the open window
  flags      INTEGER NOT NULL, -- 1 near, 2 refused, 4 banned, 8 overridden, 16 shadowed
  level      INTEGER NOT NULL, -- thousandths of the quota that are spent, 0 for unlimited
  at         INTEGER NOT NULL, -- the clock of the identity's object
  n_shadowed INTEGER NOT NULL DEFAULT 0 -- requests that a policy in shadow would have refused in the open window
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS identity_by_age ON identity (at, identity, flags);
CREATE INDEX IF NOT EXISTS identity_by_level ON identity (level, identity);
CREATE INDEX IF NOT EXISTS identity_by_refusals ON identity (n_refused, identity);
CREATE TABLE IF NOT EXISTS shard (
  id             INTEGER PRIMARY KEY CHECK (id = 1),
  watched_until  INTEGER NOT NULL DEFAULT 0, -- until then changes are passed on to the hub
  admits         INTEGER NOT NULL DEFAULT 0, -- requests admitted
  denials        INTEGER NOT NULL DEFAULT 0, -- requests refused
  shadow_denials INTEGER NOT NULL DEFAULT 0, -- requests that a policy in shadow would have refused
  writes         INTEGER NOT NULL DEFAULT 0, -- rows written for both
  leases_lost    INTEGER NOT NULL DEFAULT 0, -- units reserved and never spent
  cached_denials INTEGER NOT NULL DEFAULT 0, -- refusals repeated by the front
  uncounted      INTEGER NOT NULL DEFAULT 0, -- requests admitted without being counted
  reports        INTEGER NOT NULL DEFAULT 0, -- reports received
  lag_ms_total   INTEGER NOT NULL DEFAULT 0  -- how long they were under way, together
);
INSERT OR IGNORE INTO shard (id) VALUES (1)";

/// What tables of before lack.
const LATER: [(&str, &str); 1] =
    [("n_shadowed", "ALTER TABLE identity ADD COLUMN n_shadowed INTEGER NOT NULL DEFAULT 0")];

/// The bits of `flags`.
const FLAGS: [(i64, Filter); 5] = [
    (1, Filter::Near),
    (2, Filter::Refused),
    (4, Filter::Banned),
    (8, Filter::Overridden),
    (16, Filter::Shadowed),
];

/// Writes nothing if the row there is newer. Returns the identity if it wrote.
const SAVE_ROW: &str = "\
INSERT INTO identity (identity, tier, policy, quota, used, reset_at, n_refused, flags, level, at, n_shadowed)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (identity) DO UPDATE SET
  tier = excluded.tier, policy = excluded.policy, quota = excluded.quota, used = excluded.used,
  reset_at = excluded.reset_at, n_refused = excluded.n_refused, flags = excluded.flags,
  level = excluded.level, at = excluded.at, n_shadowed = excluded.n_shadowed
WHERE excluded.at >= identity.at
RETURNING identity";

const ADD_COST: &str = "\
UPDATE shard SET admits = admits + ?, denials = denials + ?, shadow_denials = shadow_denials + ?,
  writes = writes + ?,
  leases_lost = leases_lost + ?, cached_denials = cached_denials + ?, uncounted = uncounted + ?,
  reports = reports + ?, lag_ms_total = lag_ms_total + ?";

/// Rows and how many of them match: ?1 the wanted flags, 0 for all; ?2 the text to find, in lower case. Not
/// LIKE, whose patterns the platform limits to 50 bytes; and so there is nothing to escape.
const COUNT: &str = "\
SELECT count(*) AS n_all,
  count(CASE WHEN (?1 = 0 OR flags & ?1) AND (?2 = '' OR instr(lower(identity), ?2)) THEN 1 END) AS n_matching
FROM identity";

/// The statement that reads a page: ?1 and ?2 as above, ?3 and ?4 key and identity to start after, ?5 rows.
macro_rules! page {
    ($after:literal, $order:literal) => {
        concat!(
            "SELECT identity, tier, policy, quota, used, reset_at, n_refused, n_shadowed, flags, at FROM identity WHERE ",
            $after,
            " AND (?1 = 0 OR flags & ?1) AND (?2 = '' OR instr(lower(identity), ?2)) ORDER BY ",
            $order,
            " LIMIT ?5"
        )
    };
}

const PAGE_BY_AGE: &str = page!("(at, identity) < (?3, ?4)", "at DESC, identity DESC");
const PAGE_BY_LEVEL: &str = page!("(level, identity) < (?3, ?4)", "level DESC, identity DESC");
const PAGE_BY_REFUSALS: &str = page!("(n_refused, identity) < (?3, ?4)", "n_refused DESC, identity DESC");
const PAGE_BY_NAME: &str = page!("?3 >= 0 AND identity > ?4", "identity");

#[derive(Deserialize)]
struct RowRecord {
    identity: String,
    tier: String,
    policy: String,
    quota: Option<u32>,
    used: u32,
    reset_at: u64,
    n_refused: u32,
    n_shadowed: u32,
    flags: i64,
    at: u64,
}

/// How many rows there are.
#[derive(Deserialize)]
pub struct Counts {
    pub n_all: u64,
    pub n_matching: u64,
}

#[derive(Deserialize)]
struct IdentityRecord {
    identity: String,
}

#[derive(Deserialize)]
struct WatchRecord {
    watched_until: u64,
}

pub fn create(sql: &SqlStorage) -> Result<()> {
    sql.exec(TABLES, None)?;
    for (column, statement) in LATER {
        let there: Vec<Value> = sql
            .exec("SELECT name FROM pragma_table_info('identity') WHERE name = ?", vec![column.into()])?
            .to_array()?;
        if there.is_empty() {
            sql.exec(statement, None)?;
        }
    }
    Ok(())
}

/// Stores `row` unless a newer one is there; tells whether it did.
pub fn save_row(sql: &SqlStorage, row: &Row) -> Result<bool> {
    let flags: i64 = FLAGS.iter().filter(|(_, kind)| kind.accepts(row)).map(|(bit, _)| bit).sum();
    let values = vec![
        row.identity.as_str().into(),
        row.tier.as_str().into(),
        row.policy.as_str().into(),
        row.limit.map(i64::from).into(),
        i64::from(row.used).into(),
        integer(row.reset_at)?,
        i64::from(row.n_refused).into(),
        flags.into(),
        integer(row.level())?,
        integer(row.at)?,
        i64::from(row.n_shadowed).into(),
    ];
    any(sql, SAVE_ROW, values)
}

/// Deletes the row unless it is newer than `at`; tells whether it did.
pub fn delete_row(sql: &SqlStorage, identity: &str, at: u64) -> Result<bool> {
    let values = vec![identity.into(), integer(at)?];
    any(sql, "DELETE FROM identity WHERE identity = ? AND at <= ? RETURNING identity", values)
}

/// Deletes the rows whose window was over at `at`, except bans and overrides, and returns whose they were.
pub fn delete_ended(sql: &SqlStorage, at: u64) -> Result<Vec<String>> {
    identities(
        sql,
        "DELETE FROM identity WHERE reset_at < ? AND flags & 12 = 0 RETURNING identity",
        vec![integer(at)?],
    )
}

/// Whether there are rows that will end by themselves.
pub fn any_will_end(sql: &SqlStorage) -> Result<bool> {
    any(sql, "SELECT identity FROM identity WHERE flags & 12 = 0 LIMIT 1", Vec::new())
}

/// The rows of a page, and one more if there are more.
pub fn load_page(sql: &SqlStorage, query: &Query) -> Result<Vec<Row>> {
    let (statement, first_key) = match query.sort {
        Sort::Recent => (PAGE_BY_AGE, MAX_INTEGER),
        Sort::Level => (PAGE_BY_LEVEL, MAX_INTEGER),
        Sort::Refused => (PAGE_BY_REFUSALS, MAX_INTEGER),
        Sort::Name => (PAGE_BY_NAME, 0),
    };
    let first = Cursor { key: first_key, identity: String::new() };
    let Cursor { key, identity } = query.after.as_ref().unwrap_or(&first);
    let mut values = criteria(query);
    values.extend([integer(*key)?, identity.as_str().into(), (i64::from(query.n) + 1).into()]);
    rows(sql, statement, values)
}

pub fn load_counts(sql: &SqlStorage, query: &Query) -> Result<Counts> {
    sql.exec(COUNT, criteria(query))?.one()
}

/// The rows of those identities that have one.
pub fn load_rows(sql: &SqlStorage, identities: &BTreeSet<String>) -> Result<Vec<Row>> {
    let statement = "SELECT identity, tier, policy, quota, used, reset_at, n_refused, n_shadowed, flags, at FROM identity \
        WHERE identity IN (SELECT value FROM json_each(?))";
    rows(sql, statement, vec![serde_json::to_string(identities)?.into()])
}

pub fn add_cost(sql: &SqlStorage, cost: &Cost) -> Result<()> {
    let values = cost.counters().into_iter().map(integer).collect::<Result<Vec<_>>>()?;
    sql.exec(ADD_COST, values).map(drop)
}

pub fn load_cost(sql: &SqlStorage) -> Result<Cost> {
    sql.exec("SELECT * FROM shard", None)?.one()
}

pub fn load_watched_until(sql: &SqlStorage) -> Result<u64> {
    let record: WatchRecord = sql.exec("SELECT watched_until FROM shard", None)?.one()?;
    Ok(record.watched_until)
}

pub fn save_watched_until(sql: &SqlStorage, until: u64) -> Result<()> {
    sql.exec("UPDATE shard SET watched_until = ?", vec![integer(until)?]).map(drop)
}

/// The parameters ?1 and ?2 of counts and pages.
fn criteria(query: &Query) -> Vec<SqlStorageValue> {
    let bits = FLAGS.iter().filter(|(_, kind)| query.filter == Some(*kind)).map(|(bit, _)| bit).sum::<i64>();
    let search = query.search.as_deref().unwrap_or_default().to_ascii_lowercase();
    vec![bits.into(), search.into()]
}

fn rows(sql: &SqlStorage, statement: &str, values: Vec<SqlStorageValue>) -> Result<Vec<Row>> {
    let records: Vec<RowRecord> = sql.exec(statement, values)?.to_array()?;
    Ok(records.into_iter().map(RowRecord::into_row).collect())
}

fn identities(sql: &SqlStorage, statement: &str, values: Vec<SqlStorageValue>) -> Result<Vec<String>> {
    let records: Vec<IdentityRecord> = sql.exec(statement, values)?.to_array()?;
    Ok(records.into_iter().map(|record| record.identity).collect())
}

fn any(sql: &SqlStorage, statement: &str, values: Vec<SqlStorageValue>) -> Result<bool> {
    Ok(!identities(sql, statement, values)?.is_empty())
}

impl RowRecord {
    fn into_row(self) -> Row {
        let has = |wanted| FLAGS.iter().any(|(bit, kind)| *kind == wanted && self.flags & bit != 0);
        Row {
            near: has(Filter::Near),
            banned: has(Filter::Banned),
            overridden: has(Filter::Overridden),
            identity: self.identity,
            tier: self.tier,
            policy: self.policy,
            limit: self.quota,
            used: self.used,
            reset_at: self.reset_at,
            n_refused: self.n_refused,
            n_shadowed: self.n_shadowed,
            at: self.at,
        }
    }
}

/// Fails beyond 2^53, where JavaScript would round.
fn integer(n: u64) -> Result<SqlStorageValue> {
    let n = i64::try_from(n).map_err(|error| worker::Error::RustError(error.to_string()))?;
    SqlStorageValue::try_from_i64(n)
}
