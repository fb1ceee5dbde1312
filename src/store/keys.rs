//! PostgreSQL: the record of API keys.

use durable::identity::wire::Key;
use limits::UserId;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
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
    /// Last use, within a minute or so.
    pub last_used_at: Option<u64>,
    /// When it was made.
    pub created_at: u64,
    /// When it was last changed.
    pub updated_at: u64,
}

/// The columns of an [`ApiKey`], in the order of [`read`]. Types that the driver knows without further crates.
const COLUMNS: &str = "id::text, user_id::text, key_hash, key_prefix, name, scopes, rate_limit_per_minute, version, \
     (extract(epoch FROM expires_at) * 1000)::bigint, (extract(epoch FROM revoked_at) * 1000)::bigint, \
     (extract(epoch FROM last_used_at) * 1000)::bigint, (extract(epoch FROM created_at) * 1000)::bigint, \
     (extract(epoch FROM updated_at) * 1000)::bigint";

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

/// The key whose text has this hash.
///
/// # Errors
/// [`StoreError`].
pub async fn find_key(hyperdrive: &Hyperdrive, hash: &str) -> Result<Option<ApiKey>, StoreError> {
    ask(hyperdrive, async |client| {
        let query = format!("SELECT {COLUMNS} FROM api_keys WHERE key_hash = $1");
        let rows = client.query_typed(&query, &[(&hash, Type::TEXT)]).await?;
        rows.first().map(read).transpose()
    })
    .await
}

/// Notes that a key was used `n` times and lately. Returns the key as it is now; none if it is gone.
///
/// # Errors
/// [`StoreError`].
pub async fn record_use(
    hyperdrive: &Hyperdrive,
    id: &str,
    n: u32,
    used_at: u64,
) -> Result<Option<ApiKey>, StoreError> {
    let (n, used_at) = (i64::from(n), i64::try_from(used_at).unwrap_or(i64::MAX));
    ask(hyperdrive, async |client| {
        let statement = format!(
            "UPDATE api_keys SET request_count = request_count + $2, \
             last_used_at = greatest(last_used_at, to_timestamp($3::bigint / 1000.0)) \
             WHERE id = $1::text::uuid RETURNING {COLUMNS}"
        );
        let values = [
            (&id as &(dyn tokio_postgres::types::ToSql + Sync), Type::TEXT),
            (&n, Type::INT8),
            (&used_at, Type::INT8),
        ];
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
