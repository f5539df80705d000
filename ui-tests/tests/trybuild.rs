//! What the macros refuse by themselves: all of the text is theirs, so it is the same on every toolchain, and
//! it is compared as the terminal shows it.
//!
//! Set `TRYBUILD=overwrite` to write down what is said now; then read the difference.

#[test]
fn messages_of_the_macros() {
    trybuild::TestCases::new().compile_fail("macro/*.rs");
}
