//! The public keys of those who give out tokens (RFC 7517).

use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;

/// So many keys are read of a set.
const MAX_KEYS: usize = 100;

/// A key as a document has it. What it has besides is of no matter here.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    used_for: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

/// A key by which signatures are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Public {
    /// Modulus and exponent, of 2048 bits at least.
    Rsa(Vec<u8>, Vec<u8>),
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl Public {
    fn of(key: &Jwk) -> Option<Self> {
        let bytes = |text: &Option<String>| text.as_deref().and_then(decoded);
        let public = match (&*key.kty, key.crv.as_deref()) {
            ("RSA", _) => Self::Rsa(bytes(&key.n)?, bytes(&key.e)?),
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes(&key.x)?, bytes(&key.y)?);
                // An uncompressed point begins with a 4.
                (x.len() == 32 && y.len() == 32).then(|| Self::P256([&[4][..], &x, &y].concat()))?
            }
            ("OKP", Some("Ed25519")) => Self::Ed25519(bytes(&key.x)?),
            _ => return None,
        };
        let fits = key.alg.as_deref().is_none_or(|alg| alg == public.algorithm());
        (fits && key.used_for.as_deref().is_none_or(|used_for| used_for == "sig")).then_some(public)
    }

    /// The one algorithm it is for, whatever a token says.
    const fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(..) => "RS256",
            Self::P256(_) => "ES256",
            Self::Ed25519(_) => "EdDSA",
        }
    }

    fn signed(&self, text: &[u8], signature: &[u8]) -> bool {
        let checked = match self {
            Self::Rsa(n, e) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, text, signature)
            }
            Self::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(text, signature)
            }
            Self::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(text, signature),
        };
        checked.is_ok()
    }
}

/// Some public keys, each with its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KeySet(Vec<(Option<String>, Public)>);

impl KeySet {
    /// Reads a document. Keys that are for something else are passed over.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let document: Document =
            serde_json::from_str(text).map_err(|error| format!("it is not a set of keys: {error}"))?;
        let keys = document.keys.into_iter().take(MAX_KEYS);
        let keys = keys.filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
        let keys: Vec<_> =
            keys.filter_map(|key| Public::of(&key).map(|public| (key.kid.clone(), public))).collect();
        match keys.is_empty() {
            true => Err("it has no key for RS256, ES256 or EdDSA".to_owned()),
            false => Ok(Self(keys)),
        }
    }

    /// Whether the key that a token names is there; one that names none means the only one.
    pub(super) fn has(&self, kid: Option<&str>) -> bool {
        self.named(kid).is_some()
    }

    fn named(&self, kid: Option<&str>) -> Option<&Public> {
        match (kid, &self.0[..]) {
            (None, [(_, only)]) => Some(only),
            (None, _) => None,
            (Some(kid), keys) => {
                keys.iter().find(|(name, _)| name.as_deref() == Some(kid)).map(|(_, key)| key)
            }
        }
    }

    /// Whether the key signed this text, by the algorithm that is its own.
    pub(super) fn signed(&self, kid: Option<&str>, algorithm: &str, text: &[u8], signature: &[u8]) -> bool {
        self.named(kid).is_some_and(|key| key.algorithm() == algorithm && key.signed(text, signature))
    }
}

/// Bytes that are written in letters of 6 bits (RFC 4648, for URLs), without signs that fill up.
pub(super) fn decoded(text: &str) -> Option<Vec<u8>> {
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => Some(letter - b'A'),
        b'a'..=b'z' => Some(letter - b'a' + 26),
        b'0'..=b'9' => Some(letter - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    };
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    for four in text.as_bytes().chunks(4) {
        let bits =
            four.iter().try_fold(0_u32, |bits, letter| Some(bits << 6 | u32::from(value(*letter)?)))?;
        let bits = bits << (6 * (4 - four.len()));
        let [_, first, second, third] = bits.to_be_bytes();
        match four.len() {
            4 => bytes.extend([first, second, third]),
            // Bits that stand for nothing are none, so that there is one way to write something.
            3 if third == 0 => bytes.extend([first, second]),
            2 if second == 0 && third == 0 => bytes.push(first),
            _ => return None,
        }
    }
    Some(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_read_as_everybody_writes_them_and_in_one_way() {
        for (text, bytes) in [
            ("", ""),
            ("Zg", "f"),
            ("Zm8", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg", "foob"),
            ("Zm9vYmFy", "foobar"),
        ] {
            assert_eq!(decoded(text).unwrap(), bytes.as_bytes(), "{text}");
        }
        assert_eq!(decoded("-_-_").unwrap(), [0xfb, 0xff, 0xbf]);
        for wrong in ["Z", "Zh", "Zm9", "Zg==", "Zm9v\n", "+/+/", "ä"] {
            assert_eq!(decoded(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_keys_for_signatures_by_known_algorithms_are_read() {
        let x = "A".repeat(43);
        let set = |keys: String| KeySet::read(&format!(r#"{{"keys": [{keys}]}}"#));
        let good = format!(r#"{{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "{x}", "more": [1]}}"#);
        assert!(set(good.clone()).unwrap().has(Some("a")));
        for other in [
            format!(r#"{{"kty": "OKP", "crv": "X25519", "x": "{x}"}}"#),
            format!(r#"{{"kty": "OKP", "crv": "Ed25519", "use": "enc", "x": "{x}"}}"#),
            format!(r#"{{"kty": "OKP", "crv": "Ed25519", "alg": "RS256", "x": "{x}"}}"#),
            format!(r#"{{"kty": "EC", "crv": "P-256", "x": "{x}", "y": "AA"}}"#),
            r#"{"kty": "oct", "k": "AAAA"}"#.to_owned(),
            "7".to_owned(),
        ] {
            assert!(set(other.clone()).is_err(), "{other}");
            let both = set(format!("{other}, {good}")).unwrap();
            assert!(both.has(Some("a")) && both.has(None) && !both.has(Some("b")), "{other}");
        }
        let two = set(format!("{good}, {}", good.replace("\"a\"", "\"b\""))).unwrap();
        assert!(!two.has(None), "which of them is meant?");
    }
}
