//! The typed caller: what the front Worker and other objects see of the registry.

use futures::future::join_all;
use serde::Serialize;
use serde::de::DeserializeOwned;
use worker::{Env, Method, ObjectNamespace, Request, RequestInit, Response};

use super::query::Query;
use super::shards::{HUB, SHARDS};
use super::wire::{Changes, Command, Cost, Report, Row, ShardPage};
use crate::call::{CallError, ask};

/// The name under which objects find the registry; the front Worker has it from its own list.
pub const BINDING: &str = "LIVE_REGISTRY";

/// Reaches all shards and the hub.
pub struct RegistryStub {
    namespace: ObjectNamespace,
}

/// Rows of all shards in one order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page {
    /// The rows.
    pub rows: Vec<Listed>,
    /// Where the next page starts, as [`Query::parse`] takes it; none on the last page.
    pub next: Option<String>,
    /// Rows in the registry.
    pub n_all: u64,
    /// Rows that match filter and search.
    pub n_matching: u64,
}

/// A row and how old it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    /// What is known.
    #[serde(flatten)]
    pub row: Row,
    /// Since when it was true: the shard's clock against the identity's, in milliseconds.
    pub age_ms: u64,
}

impl RegistryStub {
    /// The stub for the namespace bound as `binding`.
    ///
    /// # Errors
    /// If there is no such binding.
    pub fn new(env: &Env, binding: &str) -> worker::Result<Self> {
        Ok(Self { namespace: env.durable_object(binding)? })
    }

    /// Tells the shard of `identity` what changed. All rows must be of identities of the same shard, so
    /// usually of this one. Repeating it changes no row, but counts the cost twice.
    ///
    /// # Errors
    /// [`CallError`]; the report may have been stored.
    pub async fn report(&self, identity: &str, report: Report) -> Result<(), CallError> {
        self.ask(&SHARDS.name_of(identity), &Command::Report(report)).await
    }

    /// One page of all rows that match, in the order asked for.
    ///
    /// # Errors
    /// [`CallError`], if any shard could not be asked: half a list is none.
    pub async fn list(&self, query: &Query) -> Result<Page, CallError> {
        let pages: Vec<ShardPage> = self.ask_all(&Command::List(query.clone())).await?;
        Ok(merge(pages, query))
    }

    /// What limiting cost since the registry exists.
    ///
    /// # Errors
    /// [`CallError`], if any shard could not be asked.
    pub async fn cost(&self) -> Result<Cost, CallError> {
        let costs: Vec<Cost> = self.ask_all(&Command::Cost).await?;
        Ok(costs.into_iter().fold(Cost::default(), Cost::plus))
    }

    /// Opens a WebSocket to the hub; the response is the 101 to hand to the client. The upgrade is asked for
    /// anew, so no credentials of the client's go further.
    ///
    /// # Errors
    /// [`CallError::Refused`] with 503 if there are too many watchers or a shard can't be asked; others if
    /// the hub can't.
    pub async fn watch(&self) -> Result<Response, CallError> {
        let mut init = RequestInit::new();
        init.with_method(Method::Get);
        init.headers.set("Upgrade", "websocket")?;
        let request = Request::new_with_init("https://object/", &init)?;
        let mut response = self.namespace.get_by_name(HUB)?.fetch_with_request(request).await?;
        match response.status_code() {
            101 => Ok(response),
            status => Err(CallError::Refused { status, text: response.text().await? }),
        }
    }

    /// Makes all shards pass changes on until then.
    pub(super) async fn watch_shards(&self, until: u64) -> Result<(), CallError> {
        self.ask_all::<()>(&Command::Watch { until }).await.map(drop)
    }

    /// Tells the hub what changed.
    pub(super) async fn tell_hub(&self, changes: Changes) -> Result<(), CallError> {
        self.ask(HUB, &Command::Changes(changes)).await
    }

    /// Asks all shards at once. All of them are heard, even if one fails.
    async fn ask_all<T: DeserializeOwned>(&self, command: &Command) -> Result<Vec<T>, CallError> {
        let names: Vec<String> = SHARDS.names().collect();
        join_all(names.iter().map(|name| self.ask(name, command))).await.into_iter().collect()
    }

    async fn ask<T: DeserializeOwned>(&self, name: &str, command: &Command) -> Result<T, CallError> {
        ask(&self.namespace.get_by_name(name)?, command).await
    }
}

/// The first rows of all pages. Each shard gave one row more than wanted if it had more, so more rows than
/// wanted mean that there is a next page.
fn merge(pages: Vec<ShardPage>, query: &Query) -> Page {
    let n_all = pages.iter().map(|page| page.n_all).sum();
    let n_matching = pages.iter().map(|page| page.n_matching).sum();
    let mut rows: Vec<Listed> = pages.into_iter().flat_map(Listed::all).collect();
    rows.sort_unstable_by(|a, b| query.sort.order(&a.row, &b.row));
    let wanted = usize::from(query.n);
    let is_last = rows.len() <= wanted;
    rows.truncate(wanted);
    let next = rows.last().filter(|_| !is_last).map(|last| query.sort.after(&last.row).text(query.sort));
    Page { rows, next, n_all, n_matching }
}

impl Listed {
    fn all(page: ShardPage) -> impl Iterator<Item = Self> {
        let now = page.now;
        page.rows.into_iter().map(move |row| Self { age_ms: now.saturating_sub(row.at), row })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live_registry::Sort;

    /// What a shard answers, naively: everything sorted, from the first row after `last` on.
    fn answer(shard: &[Row], query: &Query, last: Option<&Row>) -> ShardPage {
        let mut rows: Vec<Row> = shard.to_vec();
        rows.sort_by(|a, b| query.sort.order(a, b));
        rows.retain(|row| last.is_none_or(|last| query.sort.order(last, row).is_lt()));
        rows.truncate(usize::from(query.n) + 1);
        let n = shard.len() as u64;
        ShardPage { rows, n_all: n, n_matching: n, now: 1_000 }
    }

    /// Few different values, so that there are many equals.
    fn some_rows(n: u32) -> Vec<Row> {
        let mut seed = 1_u32;
        let mut draw = |below: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) % below
        };
        let mut row = |n| Row {
            identity: format!("net:10.0.{}.{n}", draw(3)),
            tier: "free".into(),
            policy: "compile".into(),
            limit: Some(10),
            used: draw(4),
            reset_at: 0,
            n_refused: draw(2),
            n_shadowed: 0,
            banned: false,
            overridden: false,
            near: false,
            at: u64::from(draw(9)),
        };
        (0..n).map(&mut row).collect()
    }

    #[test]
    fn pages_in_a_row_are_the_whole_list() {
        let all = some_rows(400);
        let mut shards = vec![Vec::new(); 16];
        for (n, row) in all.iter().enumerate() {
            // Uneven on purpose, and one shard stays empty.
            shards[n * n % 15].push(row.clone());
        }
        for sort in [Sort::Recent, Sort::Level, Sort::Refused, Sort::Name] {
            let mut expected = all.clone();
            expected.sort_by(|a, b| sort.order(a, b));
            for n in [1, 7, 100, 399, 400, 500] {
                let mut query = Query { sort, n, ..Query::default() };
                let mut met: Vec<Row> = Vec::new();
                loop {
                    let pages = shards.iter().map(|shard| answer(shard, &query, met.last())).collect();
                    let page = merge(pages, &query);
                    assert_eq!((page.n_all, page.n_matching), (400, 400));
                    met.extend(page.rows.into_iter().map(|listed| listed.row));
                    let Some(next) = page.next else { break };
                    let word = serde_json::to_value(sort).unwrap();
                    let n = n.to_string();
                    query = Query::parse(None, None, word.as_str(), Some(&next), Some(&n)).unwrap();
                    assert_eq!(query.after, met.last().map(|last| sort.after(last)));
                }
                assert_eq!(met, expected, "{sort:?} by {n}");
            }
        }
    }

    #[test]
    fn ages_are_never_negative() {
        let rows =
            vec![Row { at: 5_000, ..some_rows(1).remove(0) }, Row { at: 400, ..some_rows(1).remove(0) }];
        let page = merge(vec![ShardPage { rows, n_all: 2, n_matching: 2, now: 1_000 }], &Query::newest(5));
        assert_eq!(page.rows.iter().map(|listed| listed.age_ms).collect::<Vec<_>>(), [0, 600]);
        let text = serde_json::to_string(&page.rows[1]).unwrap();
        assert!(text.starts_with(r#"{"identity":"#) && text.ends_with(r#""at":400,"ageMs":600}"#), "{text}");
    }
}
