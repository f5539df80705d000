//! Keys of the HTTP service, from the command line.

use support::{databases, fresh_sqlite};

use crate::ran::run;

#[tokio::test]
async fn key_is_made_shown_once_listed_and_revoked() {
    for database in databases().await {
        let create = ["key", "create", "ci", "--role", "operator", "--permission", "dlq:read"];
        let made = run(&database, &[&create[..], &["--namespace", "shop", "--expires", "90d"]].concat());
        let key = made.out.trim();
        assert!(made.code == 0 && key.starts_with("tsk_") && key.len() == 56, "{database}: {made:?}");
        let id = &key[4..12];
        let told = format!("key: `ci` is made, with the id {id}; it is shown this once and kept nowhere\n");
        assert_eq!(made.err, told, "{database}");
        let listed = run(&database, &["key", "list", "-o", "json"]);
        assert!(!listed.out.contains(&key[13..]), "{database}: {}", listed.out);
        let line = &listed.json()[0];
        assert_eq!((&line["id"], &line["namespaces"][0]), (&id.into(), &"shop".into()), "{line}");
        let table = run(&database, &["key", "list"]).out;
        assert!(table.contains("tasks:*") && table.contains("shop") && table.contains("until 20"), "{table}");
        let revoked = run(&database, &["key", "revoke", id]);
        assert_eq!((revoked.code, &*revoked.err), (0, &*format!("key: {id} is revoked\n")), "{database}");
        assert!(run(&database, &["key", "list"]).out.contains("revoked 20"), "{database}");
        let json = [&create[..], &["--never", "-o", "json"]].concat();
        let json = run(&database, &json).json();
        assert!(json["secret"].as_str().unwrap().starts_with("tsk_") && json.get("expires_at").is_none());
    }
}

#[test]
fn key_that_cannot_be_is_refused_with_the_way_out() {
    let database = fresh_sqlite();
    let create = |arguments: &[&str]| run(&database, &[&["key", "create"], arguments].concat());
    for (arguments, says) in [
        (&["ci", "--role", "viewer"][..], "--expires"),
        (&["ci", "--never"], "--role"),
        (&["ci", "--role", "boss", "--never"], "write viewer, operator or admin"),
        (&["ci", "--role", "viewer", "--never", "--expires", "1d"], "cannot be used with"),
    ] {
        let ran = create(arguments);
        assert!(ran.code == 2 && ran.err.contains(says), "{arguments:?}: {}", ran.err);
    }
    create(&["ci", "--permission", "tasks:raed", "--never"]).failed(
        2,
        "there is no permission `tasks:raed`; did you mean `tasks:read`?",
        "tasker key create --help",
    );
    create(&["c/i", "--role", "viewer", "--never"]).failed(
        2,
        "no `/` among them",
        "tasker key create --help",
    );
    run(&database, &["key", "revoke", "aaaaaaaa"]).failed(3, "there is no key `aaaaaaaa`", "tasker key list");
    assert_eq!(run(&database, &["key", "list"]).err, "nothing\n");
}
