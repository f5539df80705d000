//! A hundred thousand histories break no promise.

use std::sync::atomic::{AtomicU64, Ordering};

use tasker_simulation::{Scenario, run};

#[test]
fn no_history_breaks_a_promise() {
    let quick = std::env::var("TASKER_TEST_QUICK").is_ok_and(|quick| quick == "1");
    let histories = if quick { 5_000 } else { 100_000 };
    let (next, executions) = (AtomicU64::new(1), AtomicU64::new(0));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed > histories {
                        return;
                    }
                    let history = run(&Scenario::random(seed), false);
                    executions.fetch_add(history.executions, Ordering::Relaxed);
                    assert_eq!(
                        history.broken, None,
                        "see cargo run --release -p tasker-simulation -- --seed {seed} --histories 1 --trace"
                    );
                }
            });
        }
    });
    // Where nothing runs, nothing can be broken.
    assert!(executions.load(Ordering::Relaxed) > histories * 4);
}

#[test]
fn a_seed_is_always_the_same_history() {
    for seed in 1..200 {
        let scenario = Scenario::random(seed);
        assert_eq!(scenario, Scenario::random(seed));
        assert_eq!(run(&scenario, true).lines, run(&scenario, true).lines, "seed {seed}");
    }
}
