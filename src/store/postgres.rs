//! PostgreSQL through Hyperdrive. Parameters only; no statement is put together from text.

use std::time::Duration;

use futures::future::{Either, select};
use tokio_postgres::{Client, Config};
use worker::postgres_tls::PassthroughTls;
use worker::{Delay, Hyperdrive, SecureTransport, Socket, console_error};

/// How long a query may take, connecting included. A healthy one takes milliseconds.
const DEADLINE: Duration = Duration::from_secs(3);

/// PostgreSQL gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection to Hyperdrive.
    #[error("no connection: {0}")]
    Connect(#[from] worker::Error),
    /// The server refused, or the connection broke.
    #[error("{0}")]
    Query(#[from] tokio_postgres::Error),
    /// A column has what it can't have.
    #[error("{0} can't be read")]
    Malformed(&'static str),
    /// Nothing for too long.
    #[error("no answer within {} ms", DEADLINE.as_millis())]
    TooSlow,
}

/// What a working database says of itself.
#[derive(Debug)]
pub struct Facts {
    pub database: String,
    pub version: String,
    /// The server's clock, ISO 8601 in UTC.
    pub server_time: String,
    /// Tables in the public schema.
    pub n_tables: i64,
}

/// Asks the database about itself.
///
/// # Errors
/// [`StoreError`].
pub async fn load_facts(hyperdrive: &Hyperdrive) -> Result<Facts, StoreError> {
    ask(hyperdrive, async |client| {
        let row = client
            .query_one(
                "SELECT current_database()::text, current_setting('server_version'), \
                 to_char(now() AT TIME ZONE 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), \
                 (SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname = 'public')",
                &[],
            )
            .await?;
        Ok(Facts {
            database: row.try_get(0)?,
            version: row.try_get(1)?,
            server_time: row.try_get(2)?,
            n_tables: row.try_get(3)?,
        })
    })
    .await
}

/// Connects and has `query` ask, all within the deadline.
///
/// # Errors
/// [`StoreError`].
pub async fn ask<T>(
    hyperdrive: &Hyperdrive,
    query: impl AsyncFnOnce(&mut Client) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let asking = async { query(&mut connect(hyperdrive).await?).await };
    match select(Box::pin(asking), Delay::from(DEADLINE)).await {
        Either::Left((answer, _)) => answer,
        Either::Right(_) => Err(StoreError::TooSlow),
    }
}

/// A connection of its own for each event: the platform forbids sharing sockets between them, and
/// Hyperdrive pools the costly part.
async fn connect(hyperdrive: &Hyperdrive) -> Result<Client, StoreError> {
    let socket = Socket::builder()
        .secure_transport(SecureTransport::StartTls)
        .connect(hyperdrive.host(), hyperdrive.port())?;
    let config: Config = hyperdrive.connection_string().parse()?;
    let (client, connection) = config.connect_raw(socket, PassthroughTls).await?;
    wasm_bindgen_futures::spawn_local(async move {
        if let Err(error) = connection.await {
            console_error!("{}", serde_json::json!({ "level": "error", "cause": error.to_string() }));
        }
    });
    Ok(client)
}
