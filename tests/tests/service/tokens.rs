//! Tokens that others sign are taken as keys are.

use std::time::Duration;

use ring::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair},
};
use serde_json::{Value, json};
use support::{
    stage::{step, template},
    world::{World, worlds},
};
use tasker_runtime::config::Config;
use tempfile::NamedTempFile;

use crate::Served;

/// Somebody who gives out tokens.
pub(crate) struct Issuer {
    pair: Ed25519KeyPair,
    file: NamedTempFile,
}

fn written(bytes: &[u8]) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bit = |n: usize| bytes.get(n / 8).map_or(0, |byte| byte >> (7 - n % 8) & 1);
    let letter = |n: usize| (0..6).fold(0, |value, at| value << 1 | usize::from(bit(6 * n + at)));
    (0..(bytes.len() * 8).div_ceil(6)).map(|n| char::from(alphabet[letter(n)])).collect()
}

impl Issuer {
    pub(crate) fn new() -> Self {
        let pair = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pair.as_ref()).unwrap();
        let file = NamedTempFile::new().unwrap();
        let x = written(pair.public_key().as_ref());
        let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": x}]});
        std::fs::write(file.path(), keys.to_string()).unwrap();
        Self { pair, file }
    }

    /// The settings of a service that takes its tokens.
    pub(crate) fn config(&self) -> Config {
        let config = Config::from_parts(None, |name| match name {
            "TASKER_AUTH_JWKS" => self.file.path().to_str().map(str::to_owned),
            "TASKER_AUTH_ISSUER" => Some("https://id.example".to_owned()),
            "TASKER_AUTH_AUDIENCE" => Some("tasker".to_owned()),
            _ => None,
        });
        config.unwrap()
    }

    /// A token that is good for an hour, with these claims besides.
    pub(crate) fn token(&self, world: &World, more: Value) -> String {
        let end = world.clock.now().as_micros() / 1_000_000 + 3_600;
        let mut claims = json!({"iss": "https://id.example", "aud": "tasker", "sub": "ada", "exp": end});
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let head = json!({"alg": "EdDSA", "kid": "k"});
        let [head, claims] = [head, claims].map(|part| written(part.to_string().as_bytes()));
        let signature = self.pair.sign(format!("{head}.{claims}").as_bytes());
        format!("{head}.{claims}.{}", written(signature.as_ref()))
    }
}

#[tokio::test]
async fn service_that_takes_tokens_serves_those_who_show_one() {
    for world in worlds().await {
        let (issuer, stranger) = (Issuer::new(), Issuer::new());
        let tasker = world.connect(&template("plain", [step("only", &[])])).await;
        let served = Served::at("127.0.0.1:0", tasker, Duration::ZERO, &issuer.config()).await;
        let none = served.get("/v1/tasks").await;
        assert_eq!(none.problem(), (401, "no_credentials".to_owned()), "{}: without any key", world.database);
        let token = issuer.token(&world, json!({"scope": "tasks:submit tasks:operate tasks:read"}));
        let body = r#"{"template": "plain"}"#;
        let submitted = served.by(&token, "POST /v1/tasks", body).await;
        assert_eq!(submitted.status, 201, "{}: {submitted:?}", world.database);
        let path = submitted.header("location").unwrap().to_owned();
        assert_eq!(served.by(&token, &format!("POST {path}/cancel"), "").await.status, 200);
        let trail = served.by(&token, &format!("GET {path}/audit"), "").await.json();
        assert_eq!(trail["items"][0]["actor"], "jwt:ada", "{}: {trail}", world.database);
        let whoami = served.by(&token, "GET /v1/whoami", "").await.json();
        let permissions = json!(["tasks:submit", "tasks:read", "tasks:operate"]);
        assert_eq!((&whoami["name"], &whoami["permissions"]), (&json!("jwt:ada"), &permissions), "{whoami}");
        let forged = stranger.token(&world, json!({"scope": "*"}));
        let refused = served.by(&forged, "GET /v1/tasks", "").await;
        assert_eq!(refused.problem(), (401, "bad_credentials".to_owned()), "{}", world.database);
        world.clock.advance(Duration::from_secs(3_630));
        let expired = served.by(&token, "GET /v1/tasks", "").await;
        assert_eq!(expired.problem(), (401, "expired_credentials".to_owned()), "{}", world.database);
    }
}
