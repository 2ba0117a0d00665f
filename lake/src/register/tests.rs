//! Tokens, sign-ins and the audit log over a real file.

#![expect(clippy::unwrap_used, reason = "tests")]

use chrono::TimeDelta;

use super::*;

fn now() -> Instant {
    Instant::from_timestamp_micros(1_700_000_000_000_000).unwrap()
}

fn new(scope: &str) -> NewToken {
    NewToken { name: "ci".into(), scopes: vec![scope.parse().unwrap()], expires_at: None }
}

#[test]
fn a_token_lets_in_until_it_is_revoked_by_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let server = Register::open(folder.path()).unwrap();
    let command_line = Register::open(folder.path()).unwrap();
    let (made, key) = command_line.create(&new("read:payments"), "cli", now()).unwrap();
    let found = server.token(&key.digest(), now()).unwrap().unwrap();
    assert_eq!(found, made);
    assert_eq!(found.scopes, [Scope::Read(Some("payments".into()))]);
    assert!(command_line.revoke(&made.id, "cli", now()).unwrap());
    assert_eq!(server.token(&key.digest(), now()).unwrap(), None);
    assert!(!command_line.revoke(&made.id, "cli", now()).unwrap(), "it is revoked once");
    assert_eq!(server.tokens().unwrap()[0].revoked_at, Some(now()));
}

#[test]
fn a_key_that_differs_only_behind_its_name_proves_nothing() {
    let register = Register::in_memory().unwrap();
    let (_, key) = register.create(&new("admin"), "cli", now()).unwrap();
    let mut digest = key.digest();
    digest.0[31] ^= 1;
    assert_eq!(digest.id(), key.digest().id());
    assert_eq!(register.token(&digest, now()).unwrap(), None);
}

#[test]
fn a_token_and_its_sign_ins_end_when_they_expire() {
    let register = Register::in_memory().unwrap();
    let soon = now() + TimeDelta::minutes(5);
    let (token, key) = register.create(&NewToken { expires_at: Some(soon), ..new("read") }, "cli", now()).unwrap();
    let page = register.sign_in(&token, now() + TimeDelta::days(14), now()).unwrap();
    let short = register.sign_in(&token, now() + TimeDelta::minutes(1), now()).unwrap();
    let is_in = |key: &Key, at: Instant| register.session(&key.digest(), at).unwrap().is_some();
    assert!(register.token(&key.digest(), now()).unwrap().is_some());
    assert!(is_in(&page, now()) && is_in(&short, now()));
    assert!(!is_in(&short, now() + TimeDelta::minutes(1)));
    assert!(register.token(&key.digest(), soon).unwrap().is_none());
    assert!(!is_in(&page, soon), "no sign-in outlives its token");
    assert!(!is_in(&key, now()), "a token is no sign-in");
    assert!(register.token(&page.digest(), now()).unwrap().is_none(), "a sign-in is no token");
}

#[test]
fn signing_out_and_revoking_end_a_sign_in() {
    let register = Register::in_memory().unwrap();
    let (token, _) = register.create(&new("read"), "cli", now()).unwrap();
    let later = now() + TimeDelta::days(1);
    let (first, second) =
        (register.sign_in(&token, later, now()).unwrap(), register.sign_in(&token, later, now()).unwrap());
    register.sign_out(&first.digest()).unwrap();
    assert!(register.session(&first.digest(), now()).unwrap().is_none());
    assert!(register.session(&second.digest(), now()).unwrap().is_some());
    register.revoke(&token.id, "cli", now()).unwrap();
    assert!(register.session(&second.digest(), now()).unwrap().is_none());
}

#[test]
fn use_is_noted_once_an_hour() {
    let register = Register::in_memory().unwrap();
    let (token, _) = register.create(&new("read"), "cli", now()).unwrap();
    let last_used = || register.tokens().unwrap().remove(0);
    register.used(&token, now()).unwrap();
    register.used(&last_used(), now() + TimeDelta::minutes(59)).unwrap();
    assert_eq!(last_used().last_used_at, Some(now()));
    register.used(&last_used(), now() + TimeDelta::minutes(60)).unwrap();
    assert_eq!(last_used().last_used_at, Some(now() + TimeDelta::minutes(60)));
}

#[test]
fn the_audit_log_is_only_added_to_and_read_by_pages() {
    let register = Register::in_memory().unwrap();
    for n in 0..5 {
        let subject = n.to_string();
        register.note(&Deed { actor: "cli", action: "tried", subject: &subject, detail: None }, now()).unwrap();
    }
    let page = register.entries(2, None).unwrap();
    let subjects = |entries: &[Entry]| entries.iter().map(|e| e.subject.clone()).collect::<Vec<_>>();
    assert_eq!(subjects(&page), ["4", "3"]);
    assert_eq!(subjects(&register.entries(9, Some(page[1].id)).unwrap()), ["2", "1", "0"]);
    for sql in ["delete from audit", "update audit set actor = 'nobody'"] {
        let refused = register.write("break the audit log", |transaction| transaction.execute(sql, []));
        assert!(refused.is_err(), "{sql}");
    }
    assert_eq!(register.entries(9, None).unwrap().len(), 5);
}

#[test]
fn no_key_is_in_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let register = Register::open(folder.path()).unwrap();
    let (token, key) = register.create(&new("read"), "cli", now()).unwrap();
    let page = register.sign_in(&token, now() + TimeDelta::days(1), now()).unwrap();
    let mut n_files = 0;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        n_files += 1;
        for key in [&key, &page] {
            let digits = &key.show().as_bytes()["dorado_".len()..];
            assert!(!bytes.windows(digits.len()).any(|part| part == digits));
        }
    }
    assert!(n_files > 0);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = folder.path().join("register.sqlite").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");
    }
}
