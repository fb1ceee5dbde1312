//! Issuers for tests: keys that anybody has, and the tokens and sets they make.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rsa::RsaPrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs1v15::SigningKey;
use rsa::signature::{SignatureEncoding, Signer};
use rsa::traits::PublicKeyParts;
use serde_json::{Value, json};
use sha2::Sha256;

const PEMS: [&str; 2] = [
    include_str!("../../tests/data/jwt/fake-key-1.pem"),
    include_str!("../../tests/data/jwt/fake-key-2.pem"),
];

/// The issuer's keys.
#[derive(Debug, Clone, Copy)]
pub enum FakeKey {
    One,
    Two,
}

impl FakeKey {
    fn private(self) -> RsaPrivateKey {
        let base64: String = PEMS[self as usize].lines().filter(|line| !line.starts_with('-')).collect();
        RsaPrivateKey::from_pkcs1_der(&STANDARD.decode(base64).unwrap()).unwrap()
    }

    pub fn sign(self, header: &Value, claims: &Value) -> String {
        let message = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let signature = SigningKey::<Sha256>::new(self.private()).sign(message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }

    /// The public key, as in a set.
    pub fn jwk(self, kid: &str) -> Value {
        let key = self.private();
        let [n, e] = [key.n(), key.e()].map(|number| URL_SAFE_NO_PAD.encode(number.to_bytes_be()));
        json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": n, "e": e })
    }
}

/// The object with some members changed; null takes one out.
pub fn with(mut object: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            object.as_object_mut().unwrap().remove(name);
        } else {
            object[name] = value.clone();
        }
    }
    object
}
