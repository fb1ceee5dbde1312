//! Hosts that rules are about, and looking up those above a host.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// The host in a pattern that is exactly `||host^`, perhaps with a `|` behind. Its letters may be of any alphabet.
pub(super) fn host_of_pattern(pattern: &str) -> Option<&str> {
    let pattern = pattern.strip_suffix('|').unwrap_or(pattern);
    let host = pattern.strip_prefix("||")?.strip_suffix('^')?;
    is_host(host).then_some(host)
}

/// Whether a text has nothing in it but labels.
pub(super) fn is_host(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// Hosts with a number for each. Nothing is copied: who asks says where the text of a number is.
pub(super) struct Hosts<'h> {
    numbers: HashTable<(u64, u32)>,
    hashing: &'h FixedState,
}

impl<'h> Hosts<'h> {
    pub(super) fn new(hashing: &'h FixedState) -> Self {
        Hosts { numbers: HashTable::new(), hashing }
    }

    /// Remembers a host, unless it is known.
    pub(super) fn add<'a>(&mut self, host: &str, number: u32, host_at: impl Fn(u32) -> &'a str) {
        let hash = suffixes(self.hashing, host).last().map_or(0, |(hash, _)| hash);
        if self.numbers.find(hash, |&(_, number)| host_at(number) == host).is_none() {
            self.numbers.insert_unique(hash, (hash, number), |&(hash, _)| hash);
        }
    }

    /// The number of the host itself or of the nearest one above it that has `min_labels` or more.
    pub(super) fn nearest<'a>(
        &self,
        host: &str,
        min_labels: usize,
        host_at: impl Fn(u32) -> &'a str,
    ) -> Option<u32> {
        // They come from the shortest to the longest, which is hashed along the way.
        let known = suffixes(self.hashing, host).enumerate().filter_map(|(n, (hash, suffix))| {
            let (_, number) = self.numbers.find(hash, |&(_, number)| host_at(number) == suffix)?;
            (n + 1 >= min_labels || suffix.len() == host.len()).then_some(*number)
        });
        known.last()
    }
}

/// Every run of last labels of a name with its hash, the shortest first: a name of many thousand labels costs its
/// length, not the square of it.
pub(super) fn suffixes<'a>(hashing: &FixedState, name: &'a str) -> impl Iterator<Item = (u64, &'a str)> {
    let mut hash = 0;
    let mut rest = Some(name.as_bytes());
    std::iter::from_fn(move || {
        let before = rest?;
        let dot = before.iter().rposition(|&b| b == b'.');
        rest = dot.and_then(|dot| before.get(..dot));
        let start = dot.map_or(0, |dot| dot + 1);
        let mut hasher = hashing.build_hasher();
        hasher.write_u64(hash);
        hasher.write(before.get(start..).unwrap_or_default());
        hash = hasher.finish();
        Some((hash, name.get(start..).unwrap_or("")))
    })
}
