//! Files that are made from the code are committed, and current.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::binary::command;

#[test]
fn generated_files_are_current() {
    let mut command = command(["generated", "--check"]);
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
