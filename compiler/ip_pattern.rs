//! Patterns that stand for an IPv4 address or a part of one: `1.2.3.4`, `||1.2.3.`, `|1.2.3.*^`.

/// A pattern read as (part of) an IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IpPattern<'a> {
    /// `||`, `|` or nothing.
    pub(crate) prefix: &'a str,
    /// The numbers with the dots between them.
    pub(crate) numbers: &'a str,
    /// How many numbers there are: 1 to 4.
    pub(crate) n_numbers: usize,
    /// The `.`, `.*` or even `..*` behind the numbers, or nothing.
    pub(crate) tail: &'a str,
    /// Whether the pattern has a `^` anywhere.
    pub(crate) has_separator: bool,
}

impl<'a> IpPattern<'a> {
    /// Reads a pattern; `None` when it is not of this kind.
    pub(crate) fn parse(pattern: &'a str) -> Option<Self> {
        // Nearly all patterns end here: an address has nothing else between its numbers.
        if !pattern.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'*' | b'|' | b'^')) {
            return None;
        }
        let rest = pattern.strip_prefix("||").or_else(|| pattern.strip_prefix('|')).unwrap_or(pattern);
        let prefix = pattern.get(..pattern.len() - rest.len())?;
        let body = rest.strip_suffix("^|").or_else(|| rest.strip_suffix('^')).unwrap_or(rest);
        let numbers = body.strip_suffix(".*").unwrap_or(body);
        let numbers = numbers.strip_suffix('.').unwrap_or(numbers);
        let tail = body.get(numbers.len()..)?;
        let n_numbers = numbers.split('.').count();
        let is_ip = n_numbers <= 4 && numbers.split('.').all(is_number);
        is_ip.then(|| IpPattern { prefix, numbers, n_numbers, tail, has_separator: pattern.contains('^') })
    }

    /// Whether a validator drops the pattern at once: it would hit hosts by chance, or be ambiguous.
    pub(crate) fn is_refused(&self, ips_allowed: bool) -> bool {
        let has_tail = !self.tail.is_empty();
        let has_prefix = !self.prefix.is_empty();
        if self.has_separator && !has_prefix && self.n_numbers >= 2 {
            return true;
        }
        if !self.has_separator {
            let is_vague = match self.n_numbers {
                1 | 2 => true,
                3 if !has_tail => true,
                _ => has_tail && !has_prefix,
            };
            if is_vague {
                return true;
            }
        }
        let is_network = self.prefix == "||" && self.n_numbers == 3 && has_tail && !self.has_separator;
        has_prefix && (self.n_numbers < 4 || has_tail) && !(ips_allowed && is_network)
    }

    /// The one form in which an address or a network is written where IPs are allowed, for the patterns
    /// that have one.
    pub(crate) fn normalised(&self) -> Option<String> {
        let IpPattern { numbers, tail, .. } = self;
        match self.n_numbers {
            4 if tail.is_empty() => Some(format!("||{numbers}^")),
            3 if !tail.is_empty() && !self.has_separator && self.prefix != "||" => {
                // Of the odd tail `..*` one dot goes.
                let tail = if tail.ends_with('*') { ".*" } else { "." };
                Some(format!("||{numbers}{tail}"))
            }
            _ => None,
        }
    }
}

/// 1 to 3 digits, at most 255; leading zeros do not matter.
fn is_number(text: &str) -> bool {
    (1..=3).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_digit())
        && text.parse::<u16>().is_ok_and(|number| number <= 255)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found() {
        let ip = IpPattern::parse("||1.2.003.*^|").unwrap();
        assert_eq!((ip.prefix, ip.numbers, ip.n_numbers, ip.tail), ("||", "1.2.003", 3, ".*"));
        assert!(ip.has_separator);
        for other in ["", "||^", "1.2.3.4.5", "256.1.1.1", "1.2.3.4a", "*.1.2", "1..2", "1234", "+1.2"] {
            assert_eq!(IpPattern::parse(other), None, "{other}");
        }
    }

    #[test]
    fn addresses_have_one_form() {
        let normalised = |pattern| IpPattern::parse(pattern).and_then(|ip| ip.normalised());
        for address in ["1.2.3.4", "|1.2.3.4", "1.2.3.4^", "||1.2.3.4^|", "||1.2.3.4^"] {
            assert_eq!(normalised(address).as_deref(), Some("||1.2.3.4^"), "{address}");
        }
        assert_eq!(normalised("1.2.3.").as_deref(), Some("||1.2.3."));
        assert_eq!(normalised("|1.2.3.*").as_deref(), Some("||1.2.3.*"));
        assert_eq!(normalised("1.2.3..*").as_deref(), Some("||1.2.3.*"));
        for other in ["||1.2.3.", "1.2.3", "1.2.3.^", "1.2.3.4.", "1.2"] {
            assert_eq!(normalised(other), None, "{other}");
        }
    }

    #[test]
    fn vague_patterns_are_refused() {
        let refused = |pattern, allowed| IpPattern::parse(pattern).unwrap().is_refused(allowed);
        for vague in ["1", "1.2", "1.2.3", "1.2.3.", "1.2.3.4.*", "1.1^", "||1.2.3", "||1.2.3.4.", "|1.2.3.^"]
        {
            assert!(refused(vague, true), "{vague}");
        }
        assert!(refused("||1.2.3.", false));
        for clear in ["||1.2.3.", "||1.2.3.*", "||1.2.3.4^", "1.2.3.4"] {
            assert!(!refused(clear, true), "{clear}");
        }
    }
}
