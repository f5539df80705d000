#![allow(clippy::unwrap_used)]

use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
        RsaPublicKeyComponents,
    },
};
use serde_json::{Value, json};

use super::*;

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

/// Somebody who signs: the algorithm, the public key, and the signature of a text.
type Signer = (&'static str, Value, Box<dyn Fn(&[u8]) -> Vec<u8>>);

fn written(bytes: &[u8]) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bit = |n: usize| bytes.get(n / 8).map_or(0, |byte| byte >> (7 - n % 8) & 1);
    let letter = |n: usize| (0..6).fold(0, |value, at| value << 1 | usize::from(bit(6 * n + at)));
    (0..(bytes.len() * 8).div_ceil(6)).map(|n| char::from(alphabet[letter(n)])).collect()
}

fn ed25519() -> Signer {
    let pair = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(pair.as_ref()).unwrap();
    let public =
        json!({"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": written(pair.public_key().as_ref())});
    ("EdDSA", public, Box::new(move |text| pair.sign(text).as_ref().to_vec()))
}

fn p256() -> Signer {
    let (random, form) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
    let pair = EcdsaKeyPair::generate_pkcs8(form, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(form, pair.as_ref(), &random).unwrap();
    let point = pair.public_key().as_ref();
    let (x, y) = (written(&point[1..33]), written(&point[33..]));
    let public = json!({"kty": "EC", "crv": "P-256", "kid": "k", "x": x, "y": y});
    ("ES256", public, Box::new(move |text| pair.sign(&random, text).unwrap().as_ref().to_vec()))
}

fn rsa() -> Signer {
    let pair = RsaKeyPair::from_pkcs8(include_bytes!("test_rsa.pk8")).unwrap();
    let RsaPublicKeyComponents { n, e }: RsaPublicKeyComponents<Vec<u8>> = pair.public().into();
    let public = json!({"kty": "RSA", "kid": "k", "n": written(&n), "e": written(&e)});
    let sign = move |text: &[u8]| {
        let mut signature = vec![0; pair.public().modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature).unwrap();
        signature
    };
    ("RS256", public, Box::new(sign))
}

fn claims() -> Value {
    json!({"iss": "https://id.example", "aud": "tasker", "sub": "ada", "exp": 1_700_000_060, "scope": "tasks:read x",
        "namespaces": ["shop"]})
}

fn token(head: &Value, claims: &Value, sign: &dyn Fn(&[u8]) -> Vec<u8>) -> String {
    let signed =
        format!("{}.{}", written(head.to_string().as_bytes()), written(claims.to_string().as_bytes()));
    format!("{signed}.{}", written(&sign(signed.as_bytes())))
}

/// What becomes of a token where this public key is known.
async fn shown(public: &Value, token: &str) -> std::result::Result<Principal, Value> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), json!({"keys": [public]}).to_string()).unwrap();
    let settings = [
        ("TASKER_AUTH_JWKS", file.path().to_str().unwrap()),
        ("TASKER_AUTH_ISSUER", "https://other.example, https://id.example"),
        ("TASKER_AUTH_AUDIENCE", "tasker"),
    ];
    let variable =
        |name: &str| settings.iter().find(|(found, _)| *found == name).map(|(_, value)| (*value).into());
    let config = Config::from_parts(None, variable).unwrap();
    let tokens = Tokens::of(&config).unwrap().unwrap();
    tokens.recognized(token, NOW).await.map_err(|problem| problem.document())
}

#[tokio::test]
async fn token_that_is_signed_says_who_has_it_and_what_they_may() {
    for (algorithm, public, sign) in [ed25519(), p256(), rsa()] {
        let head = json!({"alg": algorithm, "kid": "k", "typ": "JWT"});
        let principal = shown(&public, &token(&head, &claims(), &*sign)).await.unwrap();
        assert_eq!(principal.name.as_deref(), Some("jwt:ada"), "{algorithm}");
        assert_eq!(principal.permissions, Permissions::read(["tasks:read"]).unwrap());
        assert_eq!(principal.namespaces, Some(vec!["shop".to_owned()]));
        // Without the name of a key, the only one is meant.
        let bare = token(&json!({"alg": algorithm}), &claims(), &*sign);
        assert!(shown(&public, &bare).await.is_ok(), "{algorithm}");
        let mut more = claims();
        (more["aud"], more["permissions"]) = (json!(["x", "tasker"]), json!(["*"]));
        let principal = shown(&public, &token(&head, &more, &*sign)).await.unwrap();
        assert_eq!(principal.permissions, Permissions::all(), "{algorithm}");
    }
}

#[tokio::test]
async fn token_that_says_anything_wrong_is_refused() {
    for (algorithm, public, sign) in [ed25519(), p256(), rsa()] {
        let head = json!({"alg": algorithm, "kid": "k"});
        let good = token(&head, &claims(), &*sign);
        for (claim, value) in [
            ("iss", json!("https://evil.example")),
            ("iss", Value::Null),
            ("aud", json!("others")),
            ("aud", json!([])),
            ("sub", json!("")),
            ("sub", json!("a\nb")),
            ("exp", Value::Null),
            ("exp", json!("1700000060")),
            ("nbf", json!(1_700_000_031)),
        ] {
            let mut claims = claims();
            claims[claim] = value.clone();
            let refused = shown(&public, &token(&head, &claims, &*sign)).await.unwrap_err();
            assert_eq!(refused["code"], "bad_credentials", "{algorithm} {claim} {value}: {refused}");
        }
        let mut old = claims();
        old["exp"] = json!(1_699_999_970);
        let expired = shown(&public, &token(&head, &old, &*sign)).await.unwrap_err();
        assert_eq!(expired["code"], "expired_credentials", "{algorithm}");
        old["exp"] = json!(1_699_999_971);
        assert!(shown(&public, &token(&head, &old, &*sign)).await.is_ok(), "clocks may differ by 30 s");
        for head in [
            json!({"alg": "none", "kid": "k"}),
            json!({"alg": "HS256", "kid": "k"}),
            json!({"alg": if algorithm == "RS256" { "ES256" } else { "RS256" }, "kid": "k"}),
            json!({"alg": algorithm, "kid": "other"}),
            json!({"alg": algorithm, "kid": "k", "crit": ["b64"]}),
            json!({"kid": "k"}),
        ] {
            let refused = shown(&public, &token(&head, &claims(), &*sign)).await.unwrap_err();
            assert_eq!(refused["code"], "bad_credentials", "{algorithm} {head}");
        }
        let (signed, signature) = good.rsplit_once('.').unwrap();
        let mut forged = claims();
        forged["scope"] = json!("*");
        let forged = token(&head, &forged, &|_| decoded(signature).unwrap());
        for wrong in
            [&forged, &format!("{signed}."), signed, &good[..good.len() - 2], &format!("{good}.x"), ".."]
        {
            let refused = shown(&public, wrong).await.unwrap_err();
            assert_eq!(refused["code"], "bad_credentials", "{algorithm} {wrong}");
        }
    }
}

#[tokio::test]
async fn keys_are_read_anew_for_a_name_that_is_not_known_and_old_ones_are_good_for_an_hour() {
    let (algorithm, first, sign) = ed25519();
    let (_, mut second, other) = ed25519();
    second["kid"] = json!("new");
    let file = tempfile::NamedTempFile::new().unwrap();
    let write = |keys: Value| std::fs::write(file.path(), keys.to_string()).unwrap();
    write(json!({"keys": [first]}));
    let config = Config::from_parts(None, |name| match name {
        "TASKER_AUTH_JWKS" => file.path().to_str().map(str::to_owned),
        "TASKER_AUTH_ISSUER" => Some("https://id.example".to_owned()),
        "TASKER_AUTH_AUDIENCE" => Some("tasker".to_owned()),
        _ => None,
    });
    let tokens = Tokens::of(&config.unwrap()).unwrap().unwrap();
    let mut long = claims();
    long["exp"] = json!(1_800_000_000);
    let [old, new] = [("k", &sign), ("new", &other)]
        .map(|(kid, sign)| token(&json!({"alg": algorithm, "kid": kid}), &long, &**sign));
    let code = async |token: &str, seconds: u64| {
        let shown = tokens.recognized(token, NOW + Duration::from_secs(seconds)).await;
        shown.map(|_| "fine".to_owned()).unwrap_or_else(|problem| problem.document()["code"].to_string())
    };
    assert_eq!(code(&old, 0).await, "fine");
    write(json!({"keys": [first, second]}));
    assert_eq!(code(&new, 29).await, "\"bad_credentials\"", "it was read 29 s ago");
    assert_eq!(code(&new, 30).await, "fine");
    std::fs::remove_file(file.path()).unwrap();
    assert_eq!(code(&old, 30 + 3599).await, "fine");
    assert_eq!(code(&old, 30 + 3630).await, "\"auth_unavailable\"");
}
