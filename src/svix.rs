//! Svix's signatures on webhooks: verified on those that come in, and put on those that go out.
//! <https://docs.svix.com/receiving/verifying-payloads/how-manual>

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::digest::InvalidLength;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// How old or how far ahead a message may be, in seconds; both ends included.
const TOLERANCE_S: u64 = 300;
/// Signatures looked at in one message. Svix sends one, or two while a secret is rotated.
const MAX_SIGNATURES: usize = 16;

/// The key in a secret: base64, usually behind `whsec_`. None if it is no base64, or empty.
pub fn parse_secret(secret: &str) -> Option<Vec<u8>> {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap_or(secret)).ok()?;
    (!key.is_empty()).then_some(key)
}

/// What a message says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Stamp<'a> {
    /// The same for every attempt to deliver it.
    pub id: &'a str,
    /// When this attempt was made, in seconds since 1970.
    pub timestamp: &'a str,
    /// `version,signature`, several separated by spaces.
    pub signatures: &'a str,
}

/// Whether a message is what the holder of the key sent, and not long ago. Compares in constant time.
pub fn is_genuine(key: &[u8], stamp: Stamp<'_>, body: &[u8], now_s: u64) -> bool {
    let is_number = !stamp.timestamp.is_empty() && stamp.timestamp.bytes().all(|byte| byte.is_ascii_digit());
    let Some(sent_s) = stamp.timestamp.parse::<u64>().ok().filter(|_| is_number) else { return false };
    if sent_s.abs_diff(now_s) > TOLERANCE_S {
        return false;
    }
    let Ok(mac) = mac_of(key, stamp.id, stamp.timestamp, body) else { return false };
    let signatures = stamp.signatures.split(' ').take(MAX_SIGNATURES);
    let decoded = signatures.filter_map(|signature| STANDARD.decode(signature.strip_prefix("v1,")?).ok());
    decoded.into_iter().any(|signature| mac.clone().verify_slice(&signature).is_ok())
}

/// The signature of a message, as [`Stamp::signatures`] has it. `timestamp` is that of [`Stamp::timestamp`].
///
/// # Errors
/// If the key can't be one, which HMAC says of none.
pub fn sign(key: &[u8], id: &str, timestamp: &str, body: &[u8]) -> Result<String, InvalidLength> {
    let code = mac_of(key, id, timestamp, body)?.finalize().into_bytes();
    Ok(format!("v1,{}", STANDARD.encode(code)))
}

fn mac_of(key: &[u8], id: &str, timestamp: &str, body: &[u8]) -> Result<Hmac<Sha256>, InvalidLength> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)?;
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    Ok(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_2abcDEFghiJKLmnoPQRstuVWXyz";
    const BODY: &str = r#"{"data":{"id":"user_1","object":"user"},"object":"event","type":"user.created"}"#;
    const SIGNATURE: &str = "v1,18KNaHA7OY2/EZHnVe1wckw8ewwB3bwnJKYHrCzJXwI=";
    const SENT: u64 = 1_767_225_600;

    fn verify(secret: &str, id: &str, timestamp: &str, signatures: &str, body: &str, now_s: u64) -> bool {
        let key = parse_secret(secret).unwrap();
        is_genuine(&key, Stamp { id, timestamp, signatures }, body.as_bytes(), now_s)
    }

    /// Made with Svix's own library.
    #[test]
    fn signatures_of_the_library_are_genuine() {
        let at = |s: u64| s.to_string();
        assert!(verify(SECRET, ID, &at(SENT), SIGNATURE, BODY, SENT));
        assert!(verify(
            "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
            "msg_empty",
            "1767225601",
            "v1,6Q04F05wo/Bc1gHEdZRuqn8dSVESDpYzLjUMN7OkQms=",
            "",
            SENT
        ));
        assert!(verify(
            "AAcOFRwjKjE4P0ZNVFtiaXB3foWMk5qh",
            "msg_with.dots.in.id",
            "1767225602",
            "v1,Xe+b9XoQ368UYNYZu5ahVmXOnk6OkqKHwfRIY/d+ndU=",
            "{\"name\":\"Zoë 😀\",\"n\":1.50}\n",
            SENT
        ));
    }

    /// The library's own signature, and one that is verified here.
    #[test]
    fn what_is_signed_is_genuine() {
        let (key, sent) = (parse_secret(SECRET).unwrap(), SENT.to_string());
        assert_eq!(sign(&key, ID, &sent, BODY.as_bytes()).unwrap(), SIGNATURE);
        let signature = sign(&key, "msg_1", &sent, b"\xff").unwrap();
        let stamp = Stamp { id: "msg_1", timestamp: &sent, signatures: &signature };
        assert!(is_genuine(&key, stamp, b"\xff", SENT + 300));
        assert!(!is_genuine(&key, stamp, b"\xfe", SENT + 300));
    }

    #[test]
    fn five_minutes_are_allowed_both_ways() {
        for (now_s, genuine) in
            [(SENT + 300, true), (SENT + 301, false), (SENT - 300, true), (SENT - 301, false)]
        {
            assert_eq!(verify(SECRET, ID, &SENT.to_string(), SIGNATURE, BODY, now_s), genuine, "{now_s}");
        }
    }

    #[test]
    fn any_right_signature_of_version_1_will_do() {
        let digest = SIGNATURE.strip_prefix("v1,").unwrap();
        for (signatures, genuine) in [
            (format!("v1,AAAA {SIGNATURE}"), true),
            (format!("v2,{digest} {SIGNATURE}"), true),
            (format!("v2,{digest}"), false),
            (digest.to_owned(), false),
            (format!("v1,AAAA,{SIGNATURE}"), false),
            (format!("{SIGNATURE},{SIGNATURE}"), false),
            (String::new(), false),
            (SIGNATURE.replace("18KN", "18KM"), false),
        ] {
            assert_eq!(
                verify(SECRET, ID, &SENT.to_string(), &signatures, BODY, SENT),
                genuine,
                "{signatures}"
            );
        }
    }

    #[test]
    fn whatever_was_changed_is_not_genuine() {
        let sent = SENT.to_string();
        assert!(!verify(SECRET, "msg_other", &sent, SIGNATURE, BODY, SENT));
        assert!(!verify(SECRET, ID, &(SENT + 1).to_string(), SIGNATURE, BODY, SENT));
        assert!(!verify(SECRET, ID, &sent, SIGNATURE, &BODY.replace("user_1", "user_2"), SENT));
        for timestamp in ["", "now", "+1767225600", "1767225600.0", "99999999999999999999"] {
            assert!(!verify(SECRET, ID, timestamp, SIGNATURE, BODY, SENT), "{timestamp:?}");
        }
    }

    #[test]
    fn a_secret_is_base64() {
        for secret in ["", "whsec_", "whsec_no base64", "whsec_%%%"] {
            assert_eq!(parse_secret(secret), None, "{secret:?}");
        }
    }
}
