//! Tokens on the real binary: made and revoked while it runs, and nowhere to be found in what it leaves behind.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binary::{Serving, command, dorado, run};

/// What a proxy adds, so that the server takes nobody for this machine.
const AFAR: (&str, &str) = ("x-forwarded-for", "192.0.2.7");

fn create(data: &str, scope: &str) -> String {
    let token = dorado(["token", "create", "a test", "--scope", scope, "--expires", "1d", "--data", data]);
    let token = token.trim_end_matches('\n').to_owned();
    assert!(token.starts_with("dorado_") && token.len() == 71, "{token}");
    token
}

#[test]
fn a_token_is_made_and_revoked_while_the_server_runs_and_is_in_no_log_and_no_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("lake");
    let data = path.to_str().unwrap();
    let server = Serving::start_with(&path, &[("DORADO_LOG", "trace")]);
    server.send("GET", "/api/v1/services", &[AFAR], Vec::new()).problem(401);
    let token = create(data, "admin");
    let bearer = format!("Bearer {token}");
    let with_token = [AFAR, ("authorization", bearer.as_str())];
    let ask = |address: &str| server.send("GET", address, &with_token, Vec::new());
    assert_eq!(ask("/api/v1/services").status, 200);
    // Wherever a token may end up by mistake.
    for address in [format!("/api/v1/summary?token={token}"), format!("/{token}"), format!("/webhooks/{token}")] {
        assert!(!ask(&address).text().contains(&token[7..]));
    }
    let json = ("content-type", "application/json");
    let body = format!(r#"{{"token": "{token}"}}"#);
    let signed_in = server.send("POST", "/api/v1/session", &[AFAR, json], body.clone().into_bytes());
    assert_eq!(signed_in.json(200)["by"], "session");
    let cookie = signed_in.header("set-cookie").split(';').next().unwrap().to_owned();
    let with_cookie = [AFAR, ("cookie", cookie.as_str())];
    assert_eq!(server.send("GET", "/api/v1/services", &with_cookie, Vec::new()).status, 200);

    let listed = dorado(["token", "list", "--data", data]);
    let id = listed.lines().nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    assert!(listed.contains("a test") && listed.contains("valid") && !listed.contains(&token[7..]), "{listed}");
    dorado(["token", "revoke", &id, "--data", data]);
    let since = Instant::now();
    let by_cookie = || server.send("GET", "/api/v1/services", &with_cookie, Vec::new()).status;
    while ask("/api/v1/services").status != 401 || by_cookie() != 401 {
        assert!(since.elapsed() < Duration::from_secs(1), "a revoked token still lets in");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(server.send("POST", "/api/v1/session", &[AFAR, json], body.into_bytes()).status, 401);

    let audit = dorado(["audit", "--json", "--data", data]);
    let deeds: Vec<Value> = audit.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<(&Value, &Value)> = deeds.iter().map(|deed| (&deed["action"], &deed["actor"])).collect();
    let expected = [
        ("token.revoked", "cli"),
        ("session.created", id.as_str()),
        ("token.created", "cli"),
        ("server.started", "server"),
    ];
    assert_eq!(json!(told), json!(expected));
    drop(server);
    assert_is_nowhere(folder.path(), &token);
    assert_is_nowhere(folder.path(), &cookie["dorado=".len()..]);
}

fn assert_is_nowhere(folder: &Path, token: &str) {
    let digits = &token.as_bytes()["dorado_".len()..];
    let mut n_files = 0;
    for entry in walkdir::WalkDir::new(folder) {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            n_files += 1;
            let bytes = std::fs::read(entry.path()).unwrap();
            let is_there = bytes.windows(digits.len()).any(|part| part == digits);
            assert!(!is_there, "{} holds a token", entry.path().display());
        }
    }
    assert!(n_files > 3, "only {n_files} files were looked at");
}

#[test]
fn the_audit_log_tells_whether_the_configuration_was_changed_between_two_starts() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("lake");
    let start = || Serving::start_with(&path, &[]).terminate();
    start();
    let config = path.join("dorado.toml");
    for text in ["[[pack]]\nid = 'ours'\nwindow_hours = 48\n", "[[pack]]\nid = 'ours'\nwindow_hours = 24\n"] {
        std::fs::write(&config, text).unwrap();
        start();
        start();
    }
    let audit = dorado(["audit", "--json", "--data", path.to_str().unwrap()]);
    let digest = |line: &str| {
        let deed: Value = serde_json::from_str(line).unwrap();
        let detail = match &deed["detail"] {
            Value::String(text) => serde_json::from_str(text).unwrap(),
            other => other.clone(),
        };
        assert_eq!(deed["action"], "server.started");
        detail["configuration"].as_str().unwrap().to_owned()
    };
    let digests: Vec<String> = audit.lines().map(digest).collect();
    assert_eq!(digests.len(), 5);
    let same: Vec<bool> = digests.windows(2).map(|pair| pair[0] == pair[1]).collect();
    assert_eq!(same, [true, false, true, false], "{digests:?}");
}

#[test]
fn an_address_that_others_can_reach_is_refused_without_tls_or_a_proxy() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("lake");
    let refused = run(["serve", "--listen", "0.0.0.0:0", "--data", data.to_str().unwrap()]);
    assert!(!refused.succeeded);
    for word in ["can be reached by others", "server.tls_cert", "server.trusted_proxies"] {
        assert!(refused.stderr.contains(word), "{}", refused.stderr);
    }
}

#[test]
fn what_is_no_scope_and_no_token_is_said_so() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().to_str().unwrap();
    for (args, said) in [
        (&["create", "x", "--scope", "write"][..], "`write` is no scope: expected admin, read, read:TEAM"),
        (&["create", "x", "--scope", "read", "--expires", "soon"], "`soon` is no end for a token: expected 90d"),
        (&["create", " ", "--scope", "read"], "is no name for a token"),
        (&["revoke", "nothing"], "no token has the id or the name `nothing`"),
    ] {
        let output = command(["token"]).args(args).args(["--data", data]).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains(said), "{args:?}: {stderr}");
    }
}
