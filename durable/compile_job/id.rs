//! Ids of jobs: `compile-<milliseconds since 1970>-<16 of a-z and 0-9>`, or `batch-`; a part of a batch has its place
//! at the end. They name objects, so a text that is none of these touches none.

/// Digits of the instant: enough until the year 2286.
const N_DIGITS: usize = 13;
/// Random characters: some 82 bits.
const N_RANDOM: usize = 16;

/// A new id. `kind` is `compile` or `batch`.
#[must_use]
pub fn new_id(kind: &str, now_ms: u64, mut random: u128) -> String {
    let mut id = format!("{kind}-{now_ms:013}-");
    for _ in 0..N_RANDOM {
        id.extend(char::from_digit((random % 36) as u32, 36));
        random /= 36;
    }
    id
}

/// Whether the text is an id of a job, or could be.
#[must_use]
pub fn is_id(text: &str) -> bool {
    let mut pieces = text.split('-');
    matches!(pieces.next(), Some("compile" | "batch"))
        && pieces.next().is_some_and(|at| at.len() == N_DIGITS && is_number(at))
        && pieces.next().is_some_and(|random| random.len() == N_RANDOM && random.bytes().all(is_random))
        && pieces.next().is_none_or(|n| (1..=3).contains(&n.len()) && is_number(n))
        && pieces.next().is_none()
}

/// The id of a part of a batch.
pub fn part_id(batch: &str, n: usize) -> String {
    format!("{batch}-{n}")
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_random(byte: u8) -> bool {
    byte.is_ascii_digit() || byte.is_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A change here loses sight of every job that there is.
    #[test]
    fn ids_are_pinned() {
        assert_eq!(new_id("compile", 1_700_000_000_000, 0), "compile-1700000000000-0000000000000000");
        assert_eq!(new_id("batch", 7, 35 + 36 * 10), "batch-0000000000007-za00000000000000");
        assert_eq!(
            part_id("batch-0000000000007-za00000000000000", 12),
            "batch-0000000000007-za00000000000000-12"
        );
    }

    #[test]
    fn every_id_is_one() {
        for random in [0, 1, 36_u128.pow(16) - 1, 36_u128.pow(16), u128::MAX] {
            let id = new_id("batch", 1_700_000_000_000, random);
            assert!(is_id(&id), "{id}");
            assert!(is_id(&part_id(&id, 0)) && is_id(&part_id(&id, 99)));
        }
        assert_ne!(new_id("compile", 1, 1), new_id("compile", 1, 2));
    }

    #[test]
    fn what_is_made_up_is_none() {
        let good = "compile-1700000000000-0123456789abcdef";
        assert!(is_id(good));
        for bad in [
            "",
            "compile",
            "compile--",
            "warm-1700000000000-0123456789abcdef",
            "Compile-1700000000000-0123456789abcdef",
            "compile-170000000000-0123456789abcdef",
            "compile-17000000000000-0123456789abcdef",
            "compile-170000000000x-0123456789abcdef",
            "compile-1700000000000-0123456789abcde",
            "compile-1700000000000-0123456789abcdef0",
            "compile-1700000000000-0123456789ABCDEF",
            "compile-1700000000000-0123456789abcdé",
            "compile-1700000000000-0123456789abcdef-",
            "compile-1700000000000-0123456789abcdef-x",
            "compile-1700000000000-0123456789abcdef-1000",
            "compile-1700000000000-0123456789abcdef-1-1",
            " compile-1700000000000-0123456789abcdef",
            "compile-1700000000000-0123456789abcdef\n",
        ] {
            assert!(!is_id(bad), "{bad:?}");
        }
    }
}
