//! Which e-mail addresses can be signed up with, and how they are compared.

/// Longest address, in characters. Source: RFC 5321, as erratum 1690 of RFC 3696 works out.
const MAX_LENGTH: usize = 254;

/// The address as it is stored and compared, in lower case. None if its syntax is not accepted.
pub fn parse_email(text: &str) -> Option<String> {
    let (local, domain) = text.split_once('@').filter(|_| text.len() <= MAX_LENGTH)?;
    (is_local(local) && is_domain(domain)).then(|| text.to_ascii_lowercase())
}

fn is_local(local: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_'+-".contains(&byte))
    };
    local.split('.').all(is_part) && !local.ends_with('\'')
}

fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        label.starts_with(|first: char| first.is_ascii_alphanumeric())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let Some((rest, last)) = domain.rsplit_once('.') else { return false };
    rest.split('.').all(is_label) && last.len() >= 2 && last.bytes().all(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_lower_cased() {
        assert_eq!(parse_email("Ann@Example.COM").as_deref(), Some("ann@example.com"));
    }

    #[test]
    fn the_syntax_is_that_of_better_auth() {
        for text in ["a@b.co", "a.b+c_d'e-f@x-1.example.com", "1@1.aa", "-@a.bb", "_@a-.bb", "a'.b@c.de"] {
            assert!(parse_email(text).is_some(), "{text}");
        }
        for text in [
            "",
            "a",
            "@b.co",
            "a@",
            "a@b",
            "a@b.c",
            "a@b.c1",
            "a@.co",
            "a@b..co",
            "a@-b.co",
            "a@b.co.",
            "a@b_c.de",
            ".a@b.co",
            "a.@b.co",
            "a..b@c.de",
            "a'@b.co",
            " a@b.co",
            "a@b.co ",
            "a b@c.de",
            "\"a\"@b.co",
            "ä@b.co",
            "a@ä.co",
            "a@b@c.de",
            "a@[127.0.0.1]",
            "a!b@c.de",
            "a@b.co\n",
        ] {
            assert_eq!(parse_email(text), None, "{text:?}");
        }
    }

    #[test]
    fn an_address_has_a_bound() {
        let of_length = |length: usize| format!("{}@b.co", "a".repeat(length - 5));
        assert!(parse_email(&of_length(254)).is_some());
        assert!(parse_email(&of_length(255)).is_none());
    }
}
