//! The one who is counted.

use std::fmt;
use std::net::{AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The one who is counted. Each identity has exactly one object, found by [`Identity::object_name`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identity {
    /// Somebody without credentials, known by the network the request came from.
    Network(Network),
    /// A user, whatever credential proves it: all sessions, keys and tokens of a user share one object.
    User(UserId),
}

impl Identity {
    /// The name of this identity's object, and the only way an identity is written.
    ///
    /// Objects are found by this text for as long as they live: a change here abandons every window
    /// that is open at that moment.
    #[must_use]
    pub fn object_name(&self) -> String {
        match self {
            Self::Network(network) => format!("net:{network}"),
            Self::User(user) => format!("user:{user}"),
        }
    }
}

/// The text names no identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an identity: expected net:<IPv4 address>, net:<IPv6 address>/64 or user:<UUID>")]
pub struct NotAnIdentity;

impl FromStr for Identity {
    type Err = NotAnIdentity;

    /// Reads an object name back. A network may also be named by any address within it.
    fn from_str(text: &str) -> Result<Self, NotAnIdentity> {
        if let Some(user) = text.strip_prefix("user:") {
            return user.parse().map(Self::User).map_err(|NotAUserId| NotAnIdentity);
        }
        let network = text.strip_prefix("net:").ok_or(NotAnIdentity)?;
        let address = network.strip_suffix("/64").unwrap_or(network);
        let parsed: Network = address.parse().map_err(|NotAnAddress(_)| NotAnIdentity)?;
        match parsed {
            Network::V4(_) if address.len() != network.len() => Err(NotAnIdentity),
            _ => Ok(Self::Network(parsed)),
        }
    }
}

/// A user's id: the 128 bits of a UUID, written in the canonical form of RFC 9562 section 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(pub [u8; 16]);

/// The text is no UUID in canonical form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID")]
pub struct NotAUserId;

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, byte) in self.0.iter().enumerate() {
            let dash = if matches!(n, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{dash}{byte:02x}")?;
        }
        Ok(())
    }
}

impl FromStr for UserId {
    type Err = NotAUserId;

    /// Reads the canonical form alone, in lower case: one user has one name.
    fn from_str(text: &str) -> Result<Self, NotAUserId> {
        let digits: String = text.chars().filter(|&character| character != '-').collect();
        let mut id = Self([0; 16]);
        for (n, byte) in id.0.iter_mut().enumerate() {
            let pair = digits.get(2 * n..2 * n + 2).ok_or(NotAUserId)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| NotAUserId)?;
        }
        if id.to_string() == text { Ok(id) } else { Err(NotAUserId) }
    }
}

/// A client network: one IPv4 address, or one IPv6 /64.
///
/// A /64 is what a single IPv6 customer gets at the least (RFC 6177), so its 2^64 addresses are one
/// client. IPv4-mapped IPv6 addresses are the IPv4 address they carry (RFC 4291 section 2.5.5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Network {
    /// One IPv4 address.
    V4(Ipv4Addr),
    /// The /64 with this base address; the lower 64 bits are zero.
    V6(Ipv6Addr),
}

/// The text is neither an IPv4 nor an IPv6 address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an IPv4 or IPv6 address")]
pub struct NotAnAddress(#[from] AddrParseError);

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4),
            IpAddr::V6(v6) => Self::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        }
    }
}

impl FromStr for Network {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        Ok(Self::from(text.trim().parse::<IpAddr>()?))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => write!(f, "{address}"),
            Self::V6(base) => write!(f, "{base}/64"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(address: &str) -> String {
        Identity::Network(address.parse().unwrap()).object_name()
    }

    #[test]
    fn object_names_are_pinned() {
        assert_eq!(name("203.0.113.9"), "net:203.0.113.9");
        assert_eq!(name("2001:db8:1:2:3:4:5:6"), "net:2001:db8:1:2::/64");
        assert_eq!(name("::1"), "net:::/64");
    }

    #[test]
    fn one_network_has_one_name() {
        assert_eq!(name("2001:DB8:1:2::1"), name("2001:db8:1:2:ffff::"));
        assert_ne!(name("2001:db8:1:2::1"), name("2001:db8:1:3::1"));
        assert_eq!(name("::ffff:203.0.113.9"), name("203.0.113.9"));
        assert_eq!(name("::ffff:cb00:7109"), name("203.0.113.9"));
        assert_eq!(name(" 203.0.113.9 "), name("203.0.113.9"));
    }

    #[test]
    fn names_are_read_back() {
        for address in ["203.0.113.9", "2001:db8:1:2:3:4:5:6", "::1"] {
            let identity = Identity::Network(address.parse().unwrap());
            assert_eq!(identity.object_name().parse(), Ok(identity.clone()));
            assert_eq!(format!("net:{address}").parse(), Ok(identity));
        }
        for text in ["", "net:", "203.0.113.9", "net:203.0.113.9/64", "net:unknown", "user:1", "net:::1/48"] {
            assert_eq!(text.parse::<Identity>(), Err(NotAnIdentity), "{text:?}");
        }
    }

    #[test]
    fn a_user_has_one_name() {
        let id = UserId([0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0, 1, 2, 3, 4, 5, 6, 0xff]);
        let name = "user:01234567-89ab-cdef-0001-0203040506ff";
        assert_eq!(Identity::User(id).object_name(), name);
        assert_eq!(name.parse(), Ok(Identity::User(id)));
        for text in [
            "user:",
            "user:0123456789abcdef00010203040506ff",
            "user:01234567-89AB-CDEF-0001-0203040506FF",
            "user:01234567-89ab-cdef-0001-0203040506ff0",
            "user:+1234567-89ab-cdef-0001-0203040506ff",
            "user:é1234567-89ab-cdef-0001-0203040506f",
        ] {
            assert_eq!(text.parse::<Identity>(), Err(NotAnIdentity), "{text:?}");
        }
    }

    #[test]
    fn anything_else_is_not_an_address() {
        for text in
            ["", "unknown", "203.0.113", "203.0.113.9:80", "203.0.113.09", "[::1]", "1.2.3.4, 5.6.7.8"]
        {
            assert!(text.parse::<Network>().is_err(), "{text:?}");
        }
    }
}
