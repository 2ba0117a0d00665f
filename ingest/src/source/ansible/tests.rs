//! Fixtures to facts.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::source::checks::{check_snapshots, delivery, fixtures, no_parse_errors};

fn ansible() -> Arc<dyn Source> {
    connect(Connection::default()).unwrap()
}

#[test]
fn every_fixture_gives_the_facts_of_its_snapshot() {
    check_snapshots(ansible().as_ref());
}

#[test]
fn missing_and_null_fields_are_never_a_parse_error() {
    no_parse_errors(ansible().as_ref());
}

#[test]
fn the_end_of_a_run_comes_after_its_start() {
    let clock = |name: &str| ansible().translate(&delivery(NAME, fixtures(NAME)[name].clone())).unwrap()[0].clock();
    assert!(clock("running") < clock("success"));
}
