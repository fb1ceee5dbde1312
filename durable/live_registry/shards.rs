//! Which object of the class does what: the only place that knows names.

/// The object that holds the admins' WebSockets.
pub const HUB: &str = "hub";

/// The shards in use. Their number is changed by a new version, never in place: the old shards' rows would
/// be listed no more, but sweep themselves away, and every identity reports to its new shard within
/// seconds.
pub const SHARDS: ShardMap = ShardMap { version: 1, n_shards: 16 };

/// Divides the identities evenly among objects.
pub struct ShardMap {
    version: u32,
    n_shards: u64,
}

impl ShardMap {
    /// The names of all shards.
    pub fn names(&self) -> impl Iterator<Item = String> {
        (0..self.n_shards).map(|shard| self.name(shard))
    }

    /// The name of the shard that `identity` belongs to.
    pub fn name_of(&self, identity: &str) -> String {
        self.name(hash(identity) % self.n_shards)
    }

    fn name(&self, shard: u64) -> String {
        format!("shard-v{}-{shard}-of-{}", self.version, self.n_shards)
    }
}

/// FNV-1a, then one mixing step: by itself its low bits depend on the low bits of each byte alone.
/// <http://www.isthe.com/chongo/tech/comp/fnv/>
fn hash(text: &str) -> u64 {
    let fnv = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (fnv ^ (fnv >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ (mixed >> 33)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A change here leaves the rows of all identities behind in shards where nobody looks for them; it
    /// takes a new version.
    #[test]
    fn the_map_is_pinned() {
        assert_eq!(SHARDS.names().next().unwrap(), "shard-v1-0-of-16");
        assert_eq!(SHARDS.names().last().unwrap(), "shard-v1-15-of-16");
        assert_eq!(SHARDS.names().count(), 16);
        for (identity, shard) in [("net:192.0.2.1", 6), ("net:192.0.2.2", 8), ("user:42", 13), ("", 2)] {
            assert_eq!(SHARDS.name_of(identity), format!("shard-v1-{shard}-of-16"));
        }
    }

    #[test]
    fn shards_are_even() {
        let mut counts = BTreeMap::new();
        for n in 0..100_000 {
            let identity = format!("net:10.{}.{}.{}", n >> 16, (n >> 8) & 255, n & 255);
            *counts.entry(SHARDS.name_of(&identity)).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 16);
        assert!(counts.values().all(|count| (5_900..6_600).contains(count)), "{counts:?}");
    }
}
