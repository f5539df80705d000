//! For the crash tests alone: statements that record whatever the lease says. The crash tests must notice.

use std::{
    collections::HashMap,
    sync::{Mutex, OnceLock, PoisonError},
};

/// The conditions on owner and lease, and what stands in their place. Parameters keep a use and a type.
const FENCES: [(&str, &str); 9] = [
    (" and r.owner is not distinct from $14 and r.lease = e.lease", ""),
    (" and r.owner is not distinct from $14 and r.lease = n.lease", ""),
    (" and r.owner is not distinct from $9 and r.lease = e.lease", ""),
    (" and r.owner = $3 and r.lease = e.value ->> 1", ""),
    (" and r.owner = $2 and r.lease = e.value ->> 1", ""),
    ("  and runs.owner = $3\n  and runs.lease = n.value ->> 1", "  and $3 > 0"),
    ("  and r.lease = $2\n", "  and cast($2 as bigint) > 0\n"),
    ("  and (r.owner = $3\n    or exists", "  and (cast($3 as bigint) > 0\n    or exists"),
    ("  and owner = $3\n  and lease = $2", "  and cast($3 as bigint) > 0\n  and cast($2 as bigint) > 0"),
];

/// The text without its conditions on the lease.
pub(super) fn text(text: &'static str) -> &'static str {
    static KNOWN: OnceLock<Mutex<HashMap<&'static str, &'static str>>> = OnceLock::new();
    let mut known = KNOWN.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    known.entry(text).or_insert_with(|| {
        let open = FENCES.iter().fold(text.to_owned(), |text, (fence, gap)| text.replace(fence, gap));
        Box::leak(open.into_boxed_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fence_stands_in_a_statement() {
        let statements = concat!(
            include_str!("../../sql/postgres/record.sql"),
            include_str!("../../sql/postgres/record_failures.sql"),
            include_str!("../../sql/postgres/record_one.sql"),
            include_str!("../../sql/sqlite/record.sql"),
            include_str!("../../sql/sqlite/record_failures.sql"),
            include_str!("../../sql/sqlite/record_one.sql"),
            include_str!("../../sql/postgres/save_checkpoint.sql"),
            include_str!("../../sql/sqlite/save_checkpoint.sql"),
            include_str!("../../sql/end_one.sql"),
            include_str!("../../sql/held.sql"),
        );
        for (fence, _) in FENCES {
            assert!(statements.contains(fence), "no statement has `{fence}` any more");
        }
    }
}
