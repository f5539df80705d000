//! Packages outside of this workspace build, whatever they call things.

#![allow(clippy::unwrap_used)]

#[test]
fn packages_of_users_build_without_a_warning_and_run() {
    let wrong = tasker_ui_tests::outside::build_and_run().unwrap();
    assert!(wrong.is_empty(), "{wrong}");
}
