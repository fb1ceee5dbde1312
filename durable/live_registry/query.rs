//! What may be asked of the list, and the one order that shards and the merged page agree on.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::wire::Row;

/// Rows on one page at most. Every shard has to come up with as many, so a page moves up to 16 times that.
pub const MAX_ROWS: u16 = 500;
/// Length of a text to search for, in bytes: as long as an identity.
pub const MAX_SEARCH_BYTES: usize = super::wire::MAX_IDENTITY_BYTES;

const DEFAULT_ROWS: u16 = 50;
/// The longest order and key, two dots and an identity in hexadecimal digits.
const MAX_CURSOR_BYTES: usize = 32 + 2 * super::wire::MAX_IDENTITY_BYTES;

/// Which rows, in which order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Query {
    /// Only rows of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// Only identities that contain this text, ASCII letters in either case; at most
    /// [`MAX_SEARCH_BYTES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// The order.
    #[serde(default)]
    pub sort: Sort,
    /// Only rows that come after this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// Rows wanted, 1 to [`MAX_ROWS`].
    pub n: u16,
}

/// A kind of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// Close to the limit.
    Near,
    /// Refused at least once in the open window.
    Refused,
    /// Banned.
    Banned,
    /// With an override.
    Overridden,
    /// Would have been refused by a policy in shadow at least once in the open window.
    Shadowed,
}

/// An order; among equals the identity decides, in the same direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// Last heard of first.
    #[default]
    Recent,
    /// Nearest to the limit first.
    Level,
    /// Most refusals first.
    Refused,
    /// By identity.
    Name,
}

/// A place in an order: the one right after some row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// What the row is sorted by; 0 if by name.
    pub key: u64,
    /// The row's identity.
    pub identity: String,
}

/// The question can't be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// There is no such filter.
    #[error("filter is one of near, refused, banned, overridden and shadowed")]
    Filter,
    /// There is no such order.
    #[error("sort is one of recent, level, refused and name")]
    Sort,
    /// The text to search for is too long.
    #[error("search has {n_bytes} bytes, {MAX_SEARCH_BYTES} are allowed")]
    Search {
        /// Its length.
        n_bytes: usize,
    },
    /// Too few or too many rows.
    #[error("a page has 1 to {MAX_ROWS} rows")]
    Rows,
    /// The cursor is not one of ours, or belongs to another order.
    #[error("the cursor does not come from a page in this order")]
    Cursor,
}

impl Query {
    /// The first `n` rows, last heard of first.
    #[must_use]
    pub fn newest(n: u16) -> Self {
        Self { n, ..Self::default() }
    }

    /// Reads a question as a client writes it. Without a number of rows there are 50.
    ///
    /// # Errors
    /// [`QueryError`], one variant per parameter.
    pub fn parse(
        filter: Option<&str>,
        search: Option<&str>,
        sort: Option<&str>,
        after: Option<&str>,
        n: Option<&str>,
    ) -> Result<Self, QueryError> {
        let sort = sort.map_or(Ok(Sort::default()), |word| Sort::parse(word).ok_or(QueryError::Sort))?;
        let query = Self {
            filter: filter.map(|word| Filter::parse(word).ok_or(QueryError::Filter)).transpose()?,
            search: search.filter(|text| !text.is_empty()).map(str::to_owned),
            sort,
            after: after.map(|text| Cursor::parse(text, sort).ok_or(QueryError::Cursor)).transpose()?,
            n: n.map_or(Some(DEFAULT_ROWS), |n| n.parse().ok()).ok_or(QueryError::Rows)?,
        };
        query.check()?;
        Ok(query)
    }

    /// # Errors
    /// The bound that is not kept.
    pub fn check(&self) -> Result<(), QueryError> {
        match &self.search {
            Some(text) if text.len() > MAX_SEARCH_BYTES => {
                return Err(QueryError::Search { n_bytes: text.len() });
            }
            _ => {}
        }
        match &self.after {
            Some(cursor) if !cursor.is_bounded() => return Err(QueryError::Cursor),
            _ => {}
        }
        if (1..=MAX_ROWS).contains(&self.n) { Ok(()) } else { Err(QueryError::Rows) }
    }
}

impl Filter {
    fn parse(word: &str) -> Option<Self> {
        [Self::Near, Self::Refused, Self::Banned, Self::Overridden, Self::Shadowed]
            .into_iter()
            .find(|filter| filter.word() == word)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Near => "near",
            Self::Refused => "refused",
            Self::Banned => "banned",
            Self::Overridden => "overridden",
            Self::Shadowed => "shadowed",
        }
    }

    /// Whether `row` is of this kind.
    #[must_use]
    pub fn accepts(self, row: &Row) -> bool {
        match self {
            Self::Near => row.near,
            Self::Refused => row.n_refused > 0,
            Self::Banned => row.banned,
            Self::Overridden => row.overridden,
            Self::Shadowed => row.n_shadowed > 0,
        }
    }
}

impl Sort {
    fn parse(word: &str) -> Option<Self> {
        [Self::Recent, Self::Level, Self::Refused, Self::Name].into_iter().find(|sort| sort.word() == word)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Recent => "recent",
            Self::Level => "level",
            Self::Refused => "refused",
            Self::Name => "name",
        }
    }

    fn key(self, row: &Row) -> u64 {
        match self {
            Self::Recent => row.at,
            Self::Level => row.level(),
            Self::Refused => u64::from(row.n_refused),
            Self::Name => 0,
        }
    }

    /// How two rows follow each other. Numbers fall, and among equal numbers names do too, so that an
    /// index read backwards is in order; names alone rise.
    pub(super) fn order(self, a: &Row, b: &Row) -> Ordering {
        match self {
            Self::Name => a.identity.cmp(&b.identity),
            _ => (self.key(b), &b.identity).cmp(&(self.key(a), &a.identity)),
        }
    }

    /// The place after `row`.
    pub(super) fn after(self, row: &Row) -> Cursor {
        Cursor { key: self.key(row), identity: row.identity.clone() }
    }
}

impl Cursor {
    /// The cursor as clients get it: made of letters, digits and dots, to be handed back unread.
    #[must_use]
    pub fn text(&self, sort: Sort) -> String {
        let identity: String = self.identity.bytes().map(|byte| format!("{byte:02x}")).collect();
        format!("{}.{}.{identity}", sort.word(), self.key)
    }

    /// Reads what [`Cursor::text`] wrote for the same order.
    fn parse(text: &str, sort: Sort) -> Option<Self> {
        if text.len() > MAX_CURSOR_BYTES {
            return None;
        }
        let (key, digits) = text.strip_prefix(sort.word())?.strip_prefix('.')?.split_once('.')?;
        let identity: Option<Vec<u8>> = digits
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok())
            .collect();
        let cursor = Self { key: key.parse().ok()?, identity: String::from_utf8(identity?).ok()? };
        // One spelling per cursor, so nothing but our own text passes.
        (cursor.is_bounded() && cursor.text(sort) == text).then_some(cursor)
    }

    fn is_bounded(&self) -> bool {
        self.key <= super::wire::MAX_INTEGER && self.identity.len() <= super::wire::MAX_IDENTITY_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SORTS: [Sort; 4] = [Sort::Recent, Sort::Level, Sort::Refused, Sort::Name];

    #[test]
    fn cursors_survive_the_journey() {
        for identity in ["", "net:2001:db8::/64", "user:ä 🦀", &"x".repeat(128)] {
            for (sort, key) in SORTS.into_iter().zip([0, 7, 1 << 53, 1_800_000_000_000]) {
                let cursor = Cursor { key: key.min((1 << 53) - 1), identity: identity.to_owned() };
                let text = cursor.text(sort);
                assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.'), "{text}");
                assert_eq!(Cursor::parse(&text, sort), Some(cursor));
            }
        }
    }

    #[test]
    fn other_cursors_are_refused() {
        let long = format!("recent.1.{}", "61".repeat(129));
        for text in [
            "",
            ".",
            "..",
            "recent",
            "recent.1",
            "level.1.61",
            "recent.1.6",
            "recent.1.6g",
            "recent.1.+1",
            "recent.01.61",
            "recent.-1.61",
            "recent.1.FF",
            "recent.1.ff",
            "recent.1.61.61",
            "recent.9007199254740992.61",
            "RECENT.1.61",
            &long,
            "ä",
        ] {
            assert_eq!(Cursor::parse(text, Sort::Recent), None, "{text}");
        }
    }

    #[test]
    fn questions_are_read_or_refused() {
        let plain = Query::parse(None, None, None, None, None);
        assert_eq!(plain, Ok(Query::newest(50)));
        let all = Query::parse(Some("banned"), Some("10.0"), Some("level"), Some("level.9.61"), Some("500"));
        let after = Some(Cursor { key: 9, identity: "a".into() });
        assert_eq!(
            all,
            Ok(Query {
                filter: Some(Filter::Banned),
                search: Some("10.0".into()),
                sort: Sort::Level,
                after,
                n: 500
            })
        );
        let long = "x".repeat(129);
        for (question, error) in [
            (Query::parse(Some("all"), None, None, None, None), QueryError::Filter),
            (Query::parse(None, Some(&long), None, None, None), QueryError::Search { n_bytes: 129 }),
            (Query::parse(None, None, Some("used"), None, None), QueryError::Sort),
            (Query::parse(None, None, Some("name"), Some("level.9.61"), None), QueryError::Cursor),
            (Query::parse(None, None, None, None, Some("0")), QueryError::Rows),
            (Query::parse(None, None, None, None, Some("501")), QueryError::Rows),
            (Query::parse(None, None, None, None, Some("-1")), QueryError::Rows),
        ] {
            assert_eq!(question, Err(error));
        }
    }
}
