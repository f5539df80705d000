//! Hostile files take little memory. Alone in its program, because the peak of a process is measured.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;

use tasker_template::{Options, Template};

/// The most memory this process ever had, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn hostile_files_are_refused_within_64_mib() {
    let mut bomb =
        String::from("name: bomb\nmetadata:\n  a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..30 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(bomb, "  a{level}: &a{level} [{aliases}]").unwrap();
    }
    let megabyte = 1_000_000;
    let hostile = [
        bomb,
        format!("name: deep\nx: {}", "[".repeat(megabyte)),
        format!("name: wide\nx: [{}]", "1,".repeat(megabyte / 2 - 20)),
        format!("name: wide\nx: {{{}}}", "? ,".repeat(megabyte / 3 - 20)),
        format!("name: merged\nx: {{a: &a {{b: 1}}, <<: [{}]}}", "*a,".repeat(megabyte / 3 - 20)),
        format!("name: wrong\nsteps: [{}]", "{a: b},".repeat(megabyte / 7 - 20)),
        format!("name: wrong\n{}", (0..80_000).map(|key| format!("k{key}: 1\n")).collect::<String>()),
    ];
    let before = peak();
    for text in hostile {
        let start = std::time::Instant::now();
        let report = Template::parse("hostile.yaml", &text, &Options::default()).unwrap_err();
        let rendered = report.to_string();
        println!("{:?} {:?} {}", start.elapsed(), report.mistakes[0].code, rendered.len());
    }
    let grown = peak() - before;
    assert!(grown < 64 << 10, "grew by {grown} KiB");
    println!("grew by {grown} KiB");
}
