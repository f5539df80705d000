//! For the crash tests alone: statements that record whatever the lease says. The crash tests must notice.

use std::{
    collections::HashMap,
    sync::{Mutex, OnceLock, PoisonError},
};

/// The conditions on owner and lease, and what stands in their place. Parameters keep a use and a type.
const FENCES: [(&str, &str); 13] = [
    ("\n    where exists (select 1 from alive)\n    returning 1", "\n    returning 1"),
    ("\n    where $17::bigint is null or $18::bigint = 0 or exists (select 1 from alive)", ""),
    (" and r.owner is not distinct from $14 and r.lease = e.lease", ""),
    (" and r.owner is not distinct from $14 and r.lease = n.lease", ""),
    (
        "\n        and r.lease = e.lease\n        and (r.owner is not distinct from $17 or $17::bigint is null and \
         r.finished_at is not null\n            or (e.task_id, e.step) in (select task_id, step from loans))",
        "",
    ),
    (" and r.owner = $3 and r.lease = e.value ->> 1", ""),
    ("  and +runs.owner = $3\n  and runs.lease = n.value ->> 1", "  and $3 > 0"),
    (
        "\n    and r.lease = e.value ->> 1\n    and (r.owner is $3 or $3 is null and r.finished_at is not null\n        \
         or exists (select 1 from offers o where o.task_id = r.task_id and o.step = e.value ->> 2 and o.taker = $3\n            \
         and o.lease = r.lease))",
        "",
    ),
    ("  and r.lease = $2\n", "  and cast($2 as bigint) > 0\n"),
    ("  and (r.owner = $3\n    or exists", "  and (cast($3 as bigint) > 0\n    or exists"),
    (
        "\n    and r.lease = n.lease\n    and (r.owner is $3 or $3 is null and r.finished_at is not null\n        or exists \
         (select 1 from offers o where o.task_id = r.task_id and o.step = n.step and o.taker = $3\n            and \
         o.lease = r.lease))",
        "",
    ),
    (" and r.owner is not distinct from $3 and r.lease = e.lease", " and $3 > 0"),
    (" and r.owner = $2 and r.lease = e.value ->> 1", " and $2 > 0"),
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
            include_str!("../../sql/postgres/append.sql"),
            include_str!("../../sql/postgres/held.sql"),
            include_str!("../../sql/sqlite/record.sql"),
            include_str!("../../sql/sqlite/append.sql"),
            include_str!("../../sql/sqlite/held.sql"),
            include_str!("../../sql/postgres/save_checkpoint.sql"),
            include_str!("../../sql/sqlite/save_checkpoint.sql"),
        );
        for (fence, _) in FENCES {
            assert!(statements.contains(fence), "no statement has `{fence}` any more");
        }
    }
}
