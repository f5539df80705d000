//! Whatever comes in from outside is read or refused, and never more than that: settings, URLs of databases, JSON and
//! plans of batches. Templates, paths of APIs and journals have such tests where they are read
//! (`template/tests/hostile.rs`, `handler/http/path.rs`, `tests/model`).
//!
//! `TASKER_FUZZ_CASES` says how many inputs of each kind; 2,000 without it.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use proptest::{collection::vec, prelude::*, sample::select};
use tasker_runtime::{
    config::Config,
    handler::BatchPlan,
    model::{Command, Json, Timestamp},
    store::Location,
};

fn cases() -> ProptestConfig {
    let said = std::env::var("TASKER_FUZZ_CASES").ok().and_then(|cases| cases.parse().ok());
    let usual = if support::quick() { 200 } else { 2_000 };
    ProptestConfig { cases: said.unwrap_or(usual), ..ProptestConfig::default() }
}

/// What no message may show.
const SECRET: &str = "hush-4711";

/// Text that is nearly JSON.
fn nearly_json() -> impl Strategy<Value = String> {
    let parts = [
        "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "d83d", "ddfc", "\\u0000", "0", "1", "-", "+", "e",
        "E", ".", "400", "1e400", "true", "false", "null", "\"a\"", "\"a\":", " ", "\n", "\t", "é", "🗼",
        "\u{feff}", "/*", "NaN",
    ];
    let torn = vec(select(parts.to_vec()), 0..24).prop_map(|parts| parts.concat());
    prop_oneof![torn, (json(), any::<prop::sample::Index>(), select(parts.to_vec())).prop_map(damaged)]
}

/// A document in which one character is another one.
fn damaged((text, at, with): (String, prop::sample::Index, &str)) -> String {
    let places: Vec<usize> = text.char_indices().map(|(place, _)| place).collect();
    let at = places[at.index(places.len())];
    let rest = text[at..].char_indices().nth(1).map_or(text.len(), |(width, _)| at + width);
    format!("{}{with}{}", &text[..at], &text[rest..])
}

/// A document.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i128>().prop_map(|value| value.to_string()),
        any::<f64>()
            .prop_filter("a number of JSON", |value| value.is_finite())
            .prop_map(|value| format!("{value:e}")),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(|items| format!("[{}]", items.join(" , "))),
            vec((any::<u16>(), inner), 0..6).prop_map(|members| {
                let members: Vec<String> =
                    members.iter().map(|(key, value)| format!("\"k{key}\": {value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

/// A value of a setting: of one that is meant, or of none.
fn setting() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|value| value.to_string()),
        any::<f32>().prop_map(|value| value.to_string()),
        select(vec![
            "true",
            "\"hybrid\"",
            "\"polling_only\"",
            "[]",
            "[1, 2]",
            "{ a = 1 }",
            "1979-05-27",
            "'''"
        ])
        .prop_map(str::to_owned),
        Just(format!("\"postgres://ada:{SECRET}@host/db\"")),
        Just(format!("\"host=h password={SECRET}\"")),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
    ]
}

/// Settings as a file has them, whole or torn.
fn settings() -> impl Strategy<Value = String> {
    let keys = [
        "database.url",
        "database.pool_size",
        "database.full_sync",
        "worker.concurrency",
        "worker.held_tasks",
        "worker.lease_seconds",
        "worker.poll_ms",
        "worker.wake",
        "worker.queues",
        "worker.drain_seconds",
        "limits.max_payload_bytes",
        "handlers.partial",
        "handlers.aliases",
        "steps.timeout_seconds",
        "worker.concurency",
        "databse",
        "\"\"",
        "a.b.c.d",
    ];
    let line = (select(keys.to_vec()), setting()).prop_map(|(key, value)| format!("{key} = {value}"));
    let other =
        select(vec!["[worker]", "[[worker]]", "[database]", "=", "# nothing", "\u{feff}", "[", "worker ="]);
    vec(prop_oneof![4 => line, 1 => other.prop_map(str::to_owned)], 0..8).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn settings_are_read_or_refused_and_secrets_stay_so(text in settings(), variable in setting()) {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("tasker.toml");
        std::fs::write(&file, &text).unwrap();
        let variables = |name: &str| (name == "TASKER_WORKER_CONCURRENCY").then(|| variable.clone());
        let said = match Config::from_parts(Some(&file), variables) {
            Ok(config) => format!("{config:?}"),
            Err(error) => {
                prop_assert!(!error.to_string().is_empty());
                error.to_string()
            }
        };
        prop_assert!(!said.contains(SECRET), "{said}");
    }

    #[test]
    fn urls_of_databases_are_read_or_refused_and_passwords_stay_secret(
        scheme in select(vec!["postgres://", "postgresql://", "sqlite://", "sqlite:", "mysql://", ""]),
        user in "[a-z%@:/ ]{0,6}",
        place in any::<String>(),
        query in "[a-z=&%?#-]{0,20}",
    ) {
        for url in [
            format!("{scheme}{user}:{SECRET}@{place}?{query}"),
            format!("{scheme}{place}?password={SECRET}&{query}"),
            format!("{scheme}{place}"),
        ] {
            // A file may be called anything.
            let is_file = scheme.starts_with("sqlite");
            match Location::of(&url) {
                Ok(location) => {
                    let shown = location.to_string();
                    prop_assert!(is_file || !shown.contains(SECRET), "{url} is shown as {shown}");
                    prop_assert!(Location::of(location.url()).is_ok(), "{url} is read once only");
                }
                Err(error) => {
                    let said = error.to_string();
                    prop_assert!(is_file || !said.contains(SECRET), "{url} is refused with {said}");
                }
            }
        }
    }

    #[test]
    fn json_stays_what_it_is_and_what_is_none_is_refused(text in prop_oneof![json(), nearly_json()]) {
        let Ok(json) = Json::from_text(&text) else { return Ok(()) };
        prop_assert_eq!(json.as_str().trim(), text.trim());
        // Every handler can read it, and it is read again as it is.
        let value: serde_json::Value = serde_json::from_str(json.as_str()).unwrap();
        prop_assert_eq!(json.to_value(), value);
        prop_assert!(Json::from_text(json.as_str()).is_ok());
        let escaped = json.escaped();
        prop_assert!(escaped.as_str().is_ascii());
        prop_assert_eq!(escaped.to_value(), json.to_value());
        // An operator's result comes back digit for digit.
        let command = Command::Resolve { step: "a".to_owned(), result: json.clone() };
        let stored = serde_json::to_string(&command).unwrap();
        let Command::Resolve { result, .. } = serde_json::from_str(&stored).unwrap() else { unreachable!() };
        prop_assert_eq!(result.as_str(), text.trim_matches([' ', '\n', '\r', '\t']));
    }

    #[test]
    fn commands_are_read_or_refused(text in nearly_json()) {
        for text in [text.clone(), format!("{{\"retry\":{text}}}"), format!("{{\"skip\":{{\"step\":{text}}}}}")] {
            if let Ok(command) = serde_json::from_str::<Command>(&text) {
                let stored = serde_json::to_string(&command).unwrap();
                prop_assert_eq!(serde_json::from_str::<Command>(&stored).unwrap(), command);
            }
        }
    }

    #[test]
    fn plans_cut_everything_once_and_in_order_or_say_why_not(
        total in prop_oneof![0..200_000u64, any::<u64>()],
        size in prop_oneof![0..400u64, any::<u64>()],
        most in proptest::option::of(prop_oneof![0..70_000u64, any::<u64>()]),
        by_size in any::<bool>(),
    ) {
        let plan = if by_size { BatchPlan::of_size(total, size) } else { BatchPlan::into_workers(total, size) };
        let plan = most.into_iter().fold(plan, BatchPlan::max_batches);
        let cursors = match plan.cursors_cut() {
            Ok(cursors) => cursors,
            Err(error) => {
                prop_assert_eq!(error.code(), "INVALID_PLAN");
                return Ok(());
            }
        };
        prop_assert!(cursors.len() <= 65_535);
        prop_assert!(most.is_none_or(|most| cursors.len() as u64 <= most));
        let sizes: Option<Vec<u64>> = cursors.iter().map(tasker_runtime::model::CursorConfig::size).collect();
        let sizes = sizes.unwrap();
        prop_assert!(sizes.iter().all(|size| *size > 0));
        prop_assert_eq!(sizes.iter().map(|size| u128::from(*size)).sum::<u128>(), u128::from(total));
        prop_assert!(cursors.iter().all(|cursor| cursor.problem().is_none()));
    }

    #[test]
    fn points_in_time_never_overflow(at in any::<i64>(), by in any::<i64>(), later in any::<u64>()) {
        let at = Timestamp::from_micros(at);
        let after = at + Duration::from_micros(later);
        prop_assert!(after >= at);
        prop_assert!(after.since(at) <= Duration::from_micros(later));
        let shifted = at.shifted(by);
        let is_right = if by >= 0 { shifted >= at } else { shifted <= at };
        prop_assert!(is_right, "{by}");
        prop_assert!(!at.to_string().is_empty());
    }
}
