//! PostgreSQL: the record of API keys.

use durable::identity::wire::Key;
use limits::UserId;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use worker::Hyperdrive;

use super::postgres::{StoreError, ask};

/// A key as its owner sees it. Instants are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Whose.
    pub owner: UserId,
    /// SHA-256 of its text, 64 lower-case hexadecimal digits.
    pub hash: String,
    /// First characters of its text.
    pub prefix: String,
    /// What the owner calls it.
    pub name: String,
    /// What requests are judged by.
    pub state: Key,
    /// Last use, but for the last few seconds.
    pub last_used_at: Option<u64>,
    /// When it was made.
    pub created_at: u64,
    /// When it was last changed.
    pub updated_at: u64,
}

impl ApiKey {
    /// Whether requests with it are let in.
    pub fn is_active(&self, now: u64) -> bool {
        self.state.revoked_at.is_none() && self.state.expires_at.is_none_or(|expires_at| now < expires_at)
    }
}

/// Keys shown at once; an owner can have 25 that are good.
const MAX_SHOWN: i64 = 1000;

/// The columns of an [`ApiKey`], in the order of [`read`]. Types that the driver knows without further crates.
const COLUMNS: &str = "id::text, user_id::text, key_hash, key_prefix, name, scopes, rate_limit_per_minute, version, \
     (extract(epoch FROM expires_at) * 1000)::bigint, (extract(epoch FROM revoked_at) * 1000)::bigint, \
     (extract(epoch FROM last_used_at) * 1000)::bigint, (extract(epoch FROM created_at) * 1000)::bigint, \
     (extract(epoch FROM updated_at) * 1000)::bigint";

/// Hyperdrive answers plain reads from what it heard up to a minute ago. It does not when a function is called whose
/// value changes. <https://developers.cloudflare.com/hyperdrive/concepts/query-caching/>
const AS_OF_NOW: &str = "clock_timestamp() IS NOT NULL";

fn read(row: &Row) -> Result<ApiKey, StoreError> {
    let instant = |n: usize| Ok::<_, StoreError>(row.try_get::<_, Option<i64>>(n)?.map(unsigned));
    let owner: String = row.try_get(1)?;
    Ok(ApiKey {
        owner: owner.parse().map_err(|_| StoreError::Malformed("api_keys.user_id"))?,
        hash: row.try_get(2)?,
        prefix: row.try_get(3)?,
        name: row.try_get(4)?,
        state: Key {
            id: row.try_get(0)?,
            version: unsigned(row.try_get(7)?),
            scopes: row.try_get(5)?,
            rate_limit: u32::try_from(row.try_get::<_, i32>(6)?).unwrap_or(0),
            expires_at: instant(8)?,
            revoked_at: instant(9)?,
        },
        last_used_at: instant(10)?,
        created_at: instant(11)?.unwrap_or(0),
        updated_at: instant(12)?.unwrap_or(0),
    })
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The key whose text has this hash.
///
/// # Errors
/// [`StoreError`].
pub async fn find_key(hyperdrive: &Hyperdrive, hash: &str) -> Result<Option<ApiKey>, StoreError> {
    ask(hyperdrive, async |client| {
        let query = format!("SELECT {COLUMNS} FROM api_keys WHERE key_hash = $1 AND {AS_OF_NOW}");
        let rows = client.query_typed(&query, &[(&hash, Type::TEXT)]).await?;
        rows.first().map(read).transpose()
    })
    .await
}

/// A key to be made.
#[derive(Debug)]
pub struct NewKey<'a> {
    /// Whose.
    pub owner: UserId,
    /// SHA-256 of its text.
    pub hash: &'a str,
    /// First characters of its text.
    pub prefix: &'a str,
    /// What the owner calls it.
    pub name: &'a str,
    /// What it may do.
    pub scopes: &'a [String],
    /// Its own limit per 60 seconds.
    pub rate_limit: u32,
    /// Until when, in milliseconds since 1970; for ever if none.
    pub expires_at: Option<u64>,
}

/// Makes a key. None if its owner has `most` already that are neither revoked nor over.
///
/// # Errors
/// [`StoreError`]. The key may have been made; nobody has its text then.
pub async fn create_key(
    hyperdrive: &Hyperdrive,
    key: &NewKey<'_>,
    most: u32,
) -> Result<Option<ApiKey>, StoreError> {
    let (owner, most) = (key.owner.to_string(), i64::from(most));
    let rate_limit = i32::try_from(key.rate_limit).unwrap_or(i32::MAX);
    let expires_at = key.expires_at.map(signed);
    ask(hyperdrive, async |client| {
        let transaction = client.transaction().await?;
        // One after the other for each owner: a statement does not see the rows that another one is about to add.
        // The statement that counts comes after the lock, because what it sees is settled when it begins.
        let lock = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
        transaction.query_typed(lock, &[(&owner, Type::TEXT)]).await?;
        let statement = format!(
            "INSERT INTO api_keys \
               (user_id, key_hash, key_prefix, name, scopes, rate_limit_per_minute, expires_at) \
             SELECT $1::text::uuid, $2, $3, $4, $5, $6, to_timestamp($7::bigint / 1000.0) \
             WHERE (SELECT count(*) FROM api_keys WHERE user_id = $1::text::uuid \
               AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())) < $8 \
             RETURNING {COLUMNS}"
        );
        let values = [
            (&owner as &(dyn ToSql + Sync), Type::TEXT),
            (&key.hash, Type::TEXT),
            (&key.prefix, Type::TEXT),
            (&key.name, Type::TEXT),
            (&key.scopes, Type::TEXT_ARRAY),
            (&rate_limit, Type::INT4),
            (&expires_at, Type::INT8),
            (&most, Type::INT8),
        ];
        let rows = transaction.query_typed(&statement, &values).await?;
        transaction.commit().await?;
        rows.first().map(read).transpose()
    })
    .await
}

/// The newest keys of a user, or of everybody; revoked ones too.
///
/// # Errors
/// [`StoreError`].
pub async fn load_keys(hyperdrive: &Hyperdrive, owner: Option<UserId>) -> Result<Vec<ApiKey>, StoreError> {
    let owner = owner.map(|owner| owner.to_string());
    ask(hyperdrive, async |client| {
        let query = format!(
            "SELECT {COLUMNS} FROM api_keys WHERE ($1 IS NULL OR user_id = $1::text::uuid) AND {AS_OF_NOW} \
             ORDER BY created_at DESC, id LIMIT $2"
        );
        let values = [(&owner as &(dyn ToSql + Sync), Type::TEXT), (&MAX_SHOWN, Type::INT8)];
        client.query_typed(&query, &values).await?.iter().map(read).collect()
    })
    .await
}

/// Keys that begin like this and are not revoked; some, if there are many.
///
/// # Errors
/// [`StoreError`].
pub async fn find_keys_by_prefix(hyperdrive: &Hyperdrive, prefix: &str) -> Result<Vec<ApiKey>, StoreError> {
    ask(hyperdrive, async |client| {
        let query = format!(
            "SELECT {COLUMNS} FROM api_keys WHERE key_prefix = $1 AND revoked_at IS NULL AND {AS_OF_NOW} LIMIT 2"
        );
        client.query_typed(&query, &[(&prefix, Type::TEXT)]).await?.iter().map(read).collect()
    })
    .await
}

/// Gives a key of this owner another name or other scopes; what is none stays. None if there is no such key, or it
/// is revoked.
///
/// # Errors
/// [`StoreError`]. The change may have been made.
pub async fn update_key(
    hyperdrive: &Hyperdrive,
    owner: UserId,
    id: &str,
    name: Option<&str>,
    scopes: Option<&[String]>,
) -> Result<Option<ApiKey>, StoreError> {
    let owner = owner.to_string();
    ask(hyperdrive, async |client| {
        let statement = format!(
            "UPDATE api_keys SET name = coalesce($3, name), scopes = coalesce($4, scopes) \
             WHERE id = $1::text::uuid AND user_id = $2::text::uuid AND revoked_at IS NULL RETURNING {COLUMNS}"
        );
        let values = [
            (&id as &(dyn ToSql + Sync), Type::TEXT),
            (&owner, Type::TEXT),
            (&name, Type::TEXT),
            (&scopes, Type::TEXT_ARRAY),
        ];
        client.query_typed(&statement, &values).await?.first().map(read).transpose()
    })
    .await
}

/// Revokes a key, of this owner if one is given. Returns the key as it is now, and whether this revoked it; none if
/// there is no such key.
///
/// # Errors
/// [`StoreError`]. The key may have been revoked.
pub async fn revoke_key(
    hyperdrive: &Hyperdrive,
    owner: Option<UserId>,
    id: &str,
) -> Result<Option<(ApiKey, bool)>, StoreError> {
    let owner = owner.map(|owner| owner.to_string());
    ask(hyperdrive, async |client| {
        let values = [(&id as &(dyn ToSql + Sync), Type::TEXT), (&owner, Type::TEXT)];
        let which = "id = $1::text::uuid AND ($2 IS NULL OR user_id = $2::text::uuid)";
        let statement = format!(
            "UPDATE api_keys SET revoked_at = now() WHERE {which} AND revoked_at IS NULL RETURNING {COLUMNS}"
        );
        if let Some(row) = client.query_typed(&statement, &values).await?.first() {
            return Ok(Some((read(row)?, true)));
        }
        let query = format!("SELECT {COLUMNS} FROM api_keys WHERE {which} AND {AS_OF_NOW}");
        let rows = client.query_typed(&query, &values).await?;
        rows.first().map(|row| Ok((read(row)?, false))).transpose()
    })
    .await
}

/// Deletes a key that nobody got to see.
///
/// # Errors
/// [`StoreError`].
pub async fn delete_key(hyperdrive: &Hyperdrive, id: &str) -> Result<(), StoreError> {
    ask(hyperdrive, async |client| {
        let statement = "DELETE FROM api_keys WHERE id = $1::text::uuid";
        client.query_typed(statement, &[(&id, Type::TEXT)]).await?;
        Ok(())
    })
    .await
}

/// Notes that a key was used `n` times and lately. Returns the key as it is now; none if it is gone.
///
/// # Errors
/// [`StoreError`].
pub async fn record_uses(
    hyperdrive: &Hyperdrive,
    id: &str,
    n: u32,
    used_at: u64,
) -> Result<Option<ApiKey>, StoreError> {
    let (n, used_at) = (i64::from(n), signed(used_at));
    ask(hyperdrive, async |client| {
        let statement = format!(
            "UPDATE api_keys SET request_count = request_count + $2, \
             last_used_at = greatest(last_used_at, to_timestamp($3::bigint / 1000.0)) \
             WHERE id = $1::text::uuid RETURNING {COLUMNS}"
        );
        let values = [(&id as &(dyn ToSql + Sync), Type::TEXT), (&n, Type::INT8), (&used_at, Type::INT8)];
        let rows = client.query_typed(&statement, &values).await?;
        rows.first().map(read).transpose()
    })
    .await
}

/// Deletes all keys of these users for good.
///
/// # Errors
/// [`StoreError`].
pub async fn delete_keys_of(hyperdrive: &Hyperdrive, owners: &[UserId]) -> Result<u64, StoreError> {
    let owners: Vec<String> = owners.iter().map(ToString::to_string).collect();
    ask(hyperdrive, async |client| {
        let statement = "WITH gone AS (DELETE FROM api_keys WHERE user_id = ANY($1::text[]::uuid[]) RETURNING 1) \
                         SELECT count(*) FROM gone";
        let rows = client.query_typed(statement, &[(&owners, Type::TEXT_ARRAY)]).await?;
        Ok(rows.first().map(|row| row.try_get::<_, i64>(0)).transpose()?.map_or(0, unsigned))
    })
    .await
}
