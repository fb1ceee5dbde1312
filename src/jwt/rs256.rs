//! RS256 for `jsonwebtoken`, and nothing else: a token can't ask for what is not there.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::signature::{self, Verifier};
use rsa::{BigUint, RsaPublicKey};
use sha2::Sha256;

static RS256: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::InvalidAlgorithm.into()),
    verifier_factory: verifier,
    // Only for making sets of keys, which nobody does here.
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes it what `jsonwebtoken` verifies with. Only the first call does anything.
pub fn install() {
    // It fails if it has been done.
    let _ = RS256.install_default();
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    let (Algorithm::RS256, DecodingKeyKind::RsaModulusExponent { n, e }) = (algorithm, key.kind()) else {
        return Err(ErrorKind::InvalidAlgorithm.into());
    };
    let key = RsaPublicKey::new(BigUint::from_bytes_be(n), BigUint::from_bytes_be(e))
        .map_err(|error| ErrorKind::InvalidRsaKey(error.to_string()))?;
    Ok(Box::new(Rs256(VerifyingKey::new(key))))
}

struct Rs256(VerifyingKey<Sha256>);

impl Verifier<Vec<u8>> for Rs256 {
    fn verify(&self, message: &[u8], bytes: &Vec<u8>) -> signature::Result<()> {
        self.0.verify(message, &Signature::try_from(bytes.as_slice())?)
    }
}

impl JwtVerifier for Rs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}
