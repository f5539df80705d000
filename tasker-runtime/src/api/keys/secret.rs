//! Keys as they are shown, and what is kept of them.

use std::fmt::Write;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::KeyError;

/// What every key begins with, so that it is known for one wherever it turns up.
const PREFIX: &str = "tsk_";
/// So many characters of it are its id, 5 random bits each.
const ID: usize = 8;
/// So many characters are the secret, which has 256 random bits.
const SECRET: usize = 43;

const ID_ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
const SECRET_ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A new key.
pub(super) struct Parts {
    pub id: String,
    /// All of it, the id too.
    pub secret: String,
}

impl Parts {
    /// Draws one by lot.
    pub(super) fn draw() -> Result<Self, KeyError> {
        let mut random = [0_u8; ID + 32];
        getrandom::fill(&mut random)
            .map_err(|error| KeyError::NoRandomness { problem: error.to_string() })?;
        let (id, secret) = random.split_at(ID);
        let id: String = id.iter().map(|byte| letter(ID_ALPHABET, u32::from(*byte))).collect();
        let secret = format!("{PREFIX}{id}_{}", written(secret));
        Ok(Self { id, secret })
    }
}

fn letter<const N: usize>(alphabet: &[u8; N], number: u32) -> char {
    alphabet.get(number as usize % N).copied().map_or('-', char::from)
}

/// Bytes as letters of 6 bits each, those of the last one filled up with zeros.
fn written(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(SECRET);
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        let letters = (0..=three.len()).map(|n| letter(SECRET_ALPHABET, bits >> (18 - 6 * n) & 63));
        text.extend(letters);
    }
    text
}

/// The id of what looks like a key.
pub(super) fn id_of(key: &str) -> Option<&str> {
    let (id, secret) = key.strip_prefix(PREFIX)?.split_at_checked(ID)?;
    let secret = secret.strip_prefix('_')?;
    let fits = id.bytes().all(|letter| ID_ALPHABET.contains(&letter))
        && secret.len() == SECRET
        && secret.bytes().all(|letter| SECRET_ALPHABET.contains(&letter));
    fits.then_some(id)
}

/// What is kept of a key.
pub(super) fn digest(key: &str) -> String {
    Sha256::digest(key.as_bytes()).iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether two digests are the same, in a time that does not say where they differ.
pub(super) fn is_same(kept: &str, shown: &str) -> bool {
    kept.as_bytes().ct_eq(shown.as_bytes()).into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_as_everybody_writes_them() {
        // RFC 4648, without the signs that fill up.
        for (bytes, text) in
            [("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(written(bytes.as_bytes()), text);
        }
        assert_eq!(written(&[0xff; 32]).len(), SECRET);
    }

    #[test]
    fn key_is_recognized_and_nothing_else() {
        let Parts { id, secret } = Parts::draw().unwrap();
        assert_eq!((id_of(&secret), secret.len()), (Some(&*id), 56));
        assert_ne!(Parts::draw().unwrap().secret, secret);
        for other in [
            "",
            "tsk_",
            &secret[1..],
            &secret[..55],
            &format!("{secret}x"),
            &secret.replace('_', "-"),
            &secret.to_uppercase(),
            &format!("tsk_äbcdefg_{}", "x".repeat(43)),
            &format!("tsk_abcdefgh_{}", "ä".repeat(43)),
        ] {
            assert_eq!(id_of(other), None, "{other}");
        }
    }

    #[test]
    fn digests_are_the_same_only_where_keys_are() {
        let [one, other] = [Parts::draw().unwrap().secret, Parts::draw().unwrap().secret];
        assert!(is_same(&digest(&one), &digest(&one)) && !is_same(&digest(&one), &digest(&other)));
        assert!(!is_same(&digest(&one), "") && !is_same("", &digest(&one)));
        assert_eq!(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
