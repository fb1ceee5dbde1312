//! The address that a session remembers.

use limits::Network;

/// A client's address for a session: IPv4 as it is, IPv6 written out and cut to its /64, empty if it can't be told.
/// A list of several addresses is not trusted.
pub fn session_address(header: Option<&str>) -> String {
    match header.map(str::parse::<Network>) {
        Some(Ok(Network::V4(address))) => address.to_string(),
        Some(Ok(Network::V6(base))) => base.segments().map(|group| format!("{group:04x}")).join(":"),
        Some(Err(_)) | None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_better_auth_writes_them() {
        for (header, address) in [
            (Some("203.0.113.9"), "203.0.113.9"),
            (Some(" 203.0.113.9 "), "203.0.113.9"),
            (Some("::ffff:203.0.113.9"), "203.0.113.9"),
            (Some("2001:db8:1:2:3:4:5:6"), "2001:0db8:0001:0002:0000:0000:0000:0000"),
            (Some("203.0.113.9, 198.51.100.1"), ""),
            (Some("203.0.113.9:80"), ""),
            (Some("unknown"), ""),
            (Some(""), ""),
            (None, ""),
        ] {
            assert_eq!(session_address(header), address, "{header:?}");
        }
    }
}
