//! Every route against every kind of caller. A route that is not in the table fails the test.

use chrono::TimeDelta;
use dorado_lake::{Key, NewToken, Token};
use http::StatusCode;

use super::{Answer, Bench, EVENTS, JSON, now, request};
use crate::access::Peer;
use crate::layer::OPEN;
use crate::routes::compatibility::ROOTS;
use crate::{Access, openapi};

/// Whom a route lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    /// Everybody.
    All,
    /// Who may read anything.
    Readers,
    /// Who may read everything.
    WholeReaders,
    /// Who may send events.
    Senders,
    /// Administrators.
    Admins,
}

/// Method, route, whom it is for, and an address of it.
const TABLE: &[(&str, &str, For, &str)] = &[
    ("get", "/api/v1/metrics", For::Readers, "/api/v1/metrics"),
    ("get", "/api/v1/metrics/{id}", For::Readers, "/api/v1/metrics/change-lead-time"),
    ("get", "/api/v1/metrics/{id}/explain", For::Readers, "/api/v1/metrics/change-lead-time/explain"),
    ("get", "/api/v1/stages", For::Readers, "/api/v1/stages"),
    ("get", "/api/v1/definitions", For::Readers, "/api/v1/definitions"),
    ("get", "/api/v1/definitions/compare", For::Readers, "/api/v1/definitions/compare"),
    ("get", "/api/v1/summary", For::Readers, "/api/v1/summary"),
    ("get", "/api/v1/services", For::Readers, "/api/v1/services"),
    ("get", "/api/v1/teams", For::Readers, "/api/v1/teams"),
    ("get", "/api/v1/environments", For::Readers, "/api/v1/environments"),
    ("get", "/api/v1/deployments", For::Readers, "/api/v1/deployments"),
    ("get", "/api/v1/changes", For::Readers, "/api/v1/changes"),
    ("get", "/api/v1/incidents", For::Readers, "/api/v1/incidents"),
    ("get", "/api/v1/quick-check", For::Readers, "/api/v1/quick-check"),
    ("get", "/api/v1/clusters", For::Readers, "/api/v1/clusters"),
    ("get", "/api/v1/flow/batch-size", For::Readers, "/api/v1/flow/batch-size"),
    ("get", "/api/v1/flow/unshipped", For::Readers, "/api/v1/flow/unshipped"),
    ("get", "/api/v1/flow/ladder", For::Readers, "/api/v1/flow/ladder"),
    ("get", "/api/v1/regressions", For::Readers, "/api/v1/regressions"),
    ("get", "/api/v1/data-quality", For::Readers, "/api/v1/data-quality"),
    ("get", "/api/v1/export/{name}", For::Readers, "/api/v1/export/outcomes"),
    ("get", "/api/v1/export/{name}", For::WholeReaders, "/api/v1/export/deployments"),
    ("get", "/api/v1/overrides", For::WholeReaders, "/api/v1/overrides"),
    ("post", "/api/v1/overrides", For::Admins, "/api/v1/overrides"),
    ("delete", "/api/v1/overrides/{id}", For::Admins, "/api/v1/overrides/o1?author=Ada"),
    ("get", "/api/v1/annotations", For::Readers, "/api/v1/annotations"),
    ("get", "/api/v1/variables/{name}", For::Readers, "/api/v1/variables/teams"),
    (
        "get",
        "/api/v4/projects/{id}/dora/metrics",
        For::Readers,
        "/api/v4/projects/x/dora/metrics?metric=change_failure_rate",
    ),
    (
        "get",
        "/api/v4/groups/{id}/dora/metrics",
        For::Readers,
        "/api/v4/groups/x/dora/metrics?metric=change_failure_rate",
    ),
    ("get", "/grafana", For::Readers, "/grafana"),
    ("post", "/grafana/metrics", For::Readers, "/grafana/metrics"),
    ("post", "/grafana/metric-payload-options", For::Readers, "/grafana/metric-payload-options"),
    ("post", "/grafana/query", For::Readers, "/grafana/query"),
    ("post", "/grafana/variable", For::Readers, "/grafana/variable"),
    ("post", "/grafana/tag-keys", For::Readers, "/grafana/tag-keys"),
    ("post", "/grafana/tag-values", For::Readers, "/grafana/tag-values"),
    ("post", "/grafana/search", For::Readers, "/grafana/search"),
    ("post", "/grafana/annotations", For::Readers, "/grafana/annotations"),
    ("get", "/api/v1/sources", For::WholeReaders, "/api/v1/sources"),
    ("post", "/api/v1/collect", For::Admins, "/api/v1/collect"),
    ("get", "/api/v1/replay", For::WholeReaders, "/api/v1/replay"),
    ("post", "/api/v1/replay", For::Admins, "/api/v1/replay"),
    ("delete", "/api/v1/replay", For::Admins, "/api/v1/replay"),
    ("get", "/api/v1/deliveries", For::WholeReaders, "/api/v1/deliveries"),
    ("get", "/api/v1/unmapped", For::WholeReaders, "/api/v1/unmapped"),
    ("post", "/api/v1/events", For::Senders, "/api/v1/events"),
    ("get", "/api/v1/events/schema", For::All, "/api/v1/events/schema"),
    ("get", "/api/v1/session", For::All, "/api/v1/session"),
    ("delete", "/api/v1/session", For::All, "/api/v1/session"),
    ("get", "/api/v1/audit", For::Admins, "/api/v1/audit"),
    ("get", "/healthz", For::All, "/healthz"),
    ("get", "/readyz", For::All, "/readyz"),
    ("get", "/metrics", For::WholeReaders, "/metrics"),
    ("get", "/openapi.json", For::All, "/openapi.json"),
    ("get", "/docs", For::All, "/docs"),
    ("get", "/docs/", For::All, "/docs/"),
    ("get", "/docs/{*path}", For::All, "/docs/index.html"),
    ("get", "", For::All, "/"),
];

/// Routes that find out themselves who asks; what they answer to whom is tried elsewhere.
const OWN_DOOR: &[(&str, &str)] = &[
    // `signing_in_gives_a_cookie_that_is_as_good_as_the_token`
    ("post", "/api/v1/session"),
    // `a_forged_delivery_is_not_let_in`, in the tests of deliveries
    ("post", "/webhooks"),
    ("post", "/webhooks/{source}"),
    ("post", "/webhooks/{source}/{connection}"),
    // `other_products_addresses_ask_for_their_own_keys`
    ("post", "/api/v2/dora/deployment"),
    ("post", "/api/v2/dora/failure"),
    ("post", "/api/v2/dora/incident"),
    ("delete", "/api/v2/dora/deployment/{id}"),
    ("delete", "/api/v2/dora/failure/{id}"),
    ("post", "/api/v2/dora/deployments"),
    ("patch", "/api/v2/dora/deployments"),
    ("patch", "/api/v2/dora/deployments/{id}"),
    ("get", "/api/v2/dora/deployments/{id}"),
    ("post", "/api/v2/dora/failures"),
    ("get", "/api/v2/dora/failures/{id}"),
    ("post", "/api/plugins/webhook/connections/{connection}/deployments"),
    ("post", "/api/plugins/webhook/connections/{connection}/issues"),
    ("post", "/api/plugins/webhook/connections/{connection}/pull_requests"),
    ("post", "/api/plugins/webhook/connections/{connection}/issue/{key}/close"),
];

/// Scopes of a caller, and whom it counts as.
const CALLERS: &[(&[&str], &[For])] = &[
    (&["read"], &[For::All, For::Readers, For::WholeReaders]),
    (&["read:payments"], &[For::All, For::Readers]),
    (&["read:payments", "read:nobody"], &[For::All, For::Readers]),
    (&["ingest"], &[For::All, For::Senders]),
    (&["ingest:events"], &[For::All, For::Senders]),
    (&["ingest:elsewhere"], &[For::All]),
    (&["read:payments", "ingest:events"], &[For::All, For::Readers, For::Senders]),
    (&["admin"], &[For::All, For::Readers, For::WholeReaders, For::Senders, For::Admins]),
];

impl Bench {
    /// A token with these scopes, and its key.
    pub(super) fn token(&self, scopes: &[&str]) -> (Token, Key) {
        self.token_until(scopes, None)
    }

    fn token_until(&self, scopes: &[&str], expires_at: Option<dorado_lake::Instant>) -> (Token, Key) {
        let scopes = scopes.iter().map(|scope| scope.parse().expect("a scope")).collect();
        let new = NewToken { name: "a test".into(), scopes, expires_at };
        self.access.register.create(&new, "test", now()).expect("the register writes")
    }

    /// A request from another machine.
    pub(super) async fn send_from_afar(
        &self,
        method: &str,
        address: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = request(method, address, headers, body.to_owned());
        request.extensions_mut().insert(Peer(([10, 0, 0, 9], 4711).into()));
        self.send(request).await
    }

    /// A `GET` from another machine with a token.
    pub(super) async fn get_as(&self, key: &Key, address: &str) -> Answer {
        self.send_from_afar("GET", address, &[("authorization", &bearer(key))], "").await
    }
}

fn bearer(key: &Key) -> String {
    format!("Bearer {}", key.show())
}

fn is_let_in(answer: &Answer) -> bool {
    !matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

#[test]
fn every_route_is_in_the_table() {
    let api = openapi();
    let is_told = |method: &str, route: &str| {
        TABLE.iter().any(|row| (row.0, row.1) == (method, route)) || OWN_DOOR.contains(&(method, route))
    };
    for (route, item) in api["paths"].as_object().into_iter().flatten() {
        for (method, _) in item.as_object().into_iter().flatten() {
            assert!(is_told(method, route), "say in the table whom `{method} {route}` is for");
        }
    }
    for route in OPEN {
        let is_for_all = TABLE.iter().any(|row| row.1 == route && row.2 == For::All);
        assert!(is_for_all || OWN_DOOR.iter().any(|(_, own)| *own == route), "{route} is open");
    }
}

#[tokio::test]
async fn other_products_addresses_ask_for_their_own_keys() {
    let bench = Bench::new().await;
    let (_, key) = bench.token(&["admin"]);
    let own = OWN_DOOR.iter().filter(|(_, route)| ROOTS.iter().any(|root| route.starts_with(root)));
    for (method, route) in own {
        let address = route.replace(['{', '}'], "");
        for headers in [&[JSON][..], &[JSON, ("authorization", bearer(&key).as_str())]] {
            let answer = bench.send_from_afar(&method.to_uppercase(), &address, headers, "{}").await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {address}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn every_route_lets_in_whom_it_is_for_and_nobody_else() {
    let bench = Bench::new().await;
    for (method, route, whom, address) in TABLE {
        let method = method.to_uppercase();
        let body = if *whom == For::Senders { "[]" } else { "" };
        let answer = bench.send_from_afar(&method, address, &[JSON], body).await;
        if *whom == For::All {
            assert!(is_let_in(&answer), "nobody: {method} {route}: {}", answer.text());
        } else {
            assert_eq!(answer.problem(401)["type"], "urn:dorado:problem:token-needed", "{method} {route}");
            assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"dorado\"");
        }
        let here = bench.send(request(&method, address, &[JSON], body)).await;
        assert!(is_let_in(&here), "loopback: {method} {route}: {}", here.text());
        for (scopes, is) in CALLERS {
            let (_, key) = bench.token(scopes);
            let answer = bench.send_from_afar(&method, address, &[JSON, ("authorization", &bearer(&key))], body).await;
            if is.contains(whom) {
                assert!(is_let_in(&answer), "{scopes:?}: {method} {route}: {}", answer.text());
                assert!(!answer.status.is_server_error(), "{scopes:?}: {method} {route}: {}", answer.text());
            } else {
                let problem = answer.problem(403);
                assert_eq!(problem["type"], "urn:dorado:problem:out-of-scope", "{scopes:?}: {method} {route}");
            }
        }
    }
}

#[tokio::test]
async fn a_token_that_is_wrong_in_any_way_lets_nobody_in_not_even_from_here() {
    let bench = Bench::new().await;
    let (_, good) = bench.token(&["admin"]);
    let (_, over) = bench.token_until(&["admin"], Some(now()));
    let (revoked, gone) = bench.token(&["admin"]);
    assert!(bench.access.register.revoke(&revoked.id, "test", now()).expect("the register writes"));
    let mut wrong = vec![over.show().to_owned(), gone.show().to_owned(), String::new(), "dorado_".to_owned()];
    let last = good.show().len() - 1;
    let other = if good.show().ends_with('0') { "1" } else { "0" };
    wrong.push(format!("{}{other}", &good.show()[..last]));
    wrong.push(good.show()[..last].to_owned());
    wrong.push(good.show().to_uppercase());
    wrong.push(Key::random().expect("random numbers").show().to_owned());
    let mut told = std::collections::BTreeSet::new();
    for token in wrong {
        for scheme in ["Bearer ", "bearer ", "Basic ", ""] {
            let header = format!("{scheme}{token}");
            let address = "/api/v1/summary";
            let afar = bench.send_from_afar("GET", address, &[("authorization", &header)], "").await;
            let here = bench.send(request("GET", address, &[("authorization", &header)], "")).await;
            told.insert(afar.problem(401).to_string());
            told.insert(here.problem(401).to_string());
        }
    }
    assert_eq!(told.len(), 1, "whether a token is unknown, expired or revoked is not told: {told:?}");
    assert!(is_let_in(&bench.get_as(&good, "/api/v1/audit").await));
    let basic = basic("anybody", good.show());
    assert!(is_let_in(&bench.send_from_afar("GET", "/api/v1/audit", &[("authorization", &basic)], "").await));
}

fn basic(user: &str, password: &str) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(format!("{user}:{password}")))
}

#[tokio::test]
async fn a_token_for_a_source_stands_in_for_its_signature() {
    let bench = Bench::new().await;
    let send = async |scopes: &[&str], address: &str| {
        let (_, key) = bench.token(scopes);
        let headers = [JSON, ("authorization", &bearer(&key)), ("x-github-event", "ping")];
        bench.send_from_afar("POST", address, &headers, "{}").await
    };
    let address = "/webhooks/github";
    for scopes in [&["ingest:github"][..], &["ingest"], &["admin"], &["read", "ingest:github"]] {
        assert_eq!(send(scopes, address).await.status, 202, "{scopes:?}");
    }
    for scopes in [&["ingest:events"][..], &["read"], &["read:github"], &["ingest:other"]] {
        assert_eq!(
            send(scopes, address).await.problem(401)["type"],
            "urn:dorado:problem:unauthenticated",
            "{scopes:?}"
        );
    }
    send(&["ingest"], "/webhooks/events").await.problem(401);
}

#[tokio::test]
async fn a_revoked_token_is_out_within_a_second() {
    let bench = Bench::new().await;
    let (token, key) = bench.token(&["read"]);
    assert!(is_let_in(&bench.get_as(&key, "/api/v1/summary").await));
    bench.access.register.revoke(&token.id, "test", now()).expect("the register writes");
    let since = std::time::Instant::now();
    while is_let_in(&bench.get_as(&key, "/api/v1/summary").await) {
        assert!(since.elapsed() < std::time::Duration::from_secs(1));
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn who_comes_through_a_proxy_or_under_a_strange_name_is_not_this_machine() {
    let bench = Bench::new().await;
    for headers in [
        [("x-forwarded-for", "127.0.0.1")],
        [("forwarded", "for=127.0.0.1")],
        [("x-real-ip", "127.0.0.1")],
        [("host", "dorado.example.org")],
    ] {
        let answer = bench.send(request("GET", "/api/v1/services", &headers, "")).await;
        answer.problem(401);
    }
}

/// What a browser sends of a cookie that it was given.
fn sent(cookie: &str) -> &str {
    cookie.split(';').next().unwrap_or_default()
}

#[tokio::test]
async fn signing_in_gives_a_cookie_that_is_as_good_as_the_token() {
    let bench = Bench::new().await;
    let (_, key) = bench.token(&["read:payments"]);
    let body = format!(r#"{{"token": "{}"}}"#, key.show());
    let ours = ("origin", "http://127.0.0.1:8080");
    let host = ("host", "127.0.0.1:8080");
    let answer = bench.send_from_afar("POST", "/api/v1/session", &[JSON, ours, host], &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let session = answer.json();
    assert_eq!((session["by"].as_str(), session["teams"][0].as_str()), (Some("session"), Some("payments")));
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.starts_with("dorado=dorado_") && !cookie.contains(key.show()), "{cookie}");
    for part in ["; Path=/", "; HttpOnly", "; SameSite=Strict", "; Max-Age=1209600"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let cookie = ("cookie", sent(&cookie));
    let get = async |address: &str| bench.send_from_afar("GET", address, &[cookie, host], "").await;
    assert!(is_let_in(&get("/api/v1/services").await));
    get("/api/v1/sources").await.problem(403);
    assert_eq!(get("/api/v1/session").await.json()["name"], "a test");
    // A browser names where a POST comes from; whoever does not is no browser, and needs no cookie.
    bench.send_from_afar("DELETE", "/api/v1/session", &[cookie, host], "").await.problem(403);
    bench
        .send_from_afar("DELETE", "/api/v1/session", &[cookie, host, ("origin", "http://other")], "")
        .await
        .problem(403);
    assert!(is_let_in(&get("/api/v1/services").await));
    let out = bench.send_from_afar("DELETE", "/api/v1/session", &[cookie, host, ours], "").await;
    assert_eq!(out.status, 204);
    assert!(out.header("set-cookie").starts_with("dorado=; Path=/; Max-Age=0"));
    get("/api/v1/services").await.problem(401);
    assert_eq!(get("/api/v1/session").await.json()["signed_in"], false);
}

#[tokio::test]
async fn a_token_is_no_cookie_and_a_cookie_is_no_token_not_even_a_moment_after_it_was_one() {
    let bench = Bench::new().await;
    let (_, key) = bench.token(&["admin"]);
    let body = format!(r#"{{"token": "{}"}}"#, key.show());
    let answer = bench.send_from_afar("POST", "/api/v1/session", &[JSON], &body).await;
    let session = sent(answer.header("set-cookie")).trim_start_matches("dorado=").to_owned();
    let get = async |name: &str, value: &str| {
        bench.send_from_afar("GET", "/api/v1/services", &[(name, value)], "").await.status.as_u16()
    };
    let both = [(key.show(), [200, 401]), (session.as_str(), [401, 200])];
    for (proof, expected) in both.into_iter().chain(both) {
        let told =
            [get("authorization", &format!("Bearer {proof}")).await, get("cookie", &format!("dorado={proof}")).await];
        assert_eq!(told, expected);
    }
}

#[tokio::test]
async fn nobody_keeps_an_answer_for_others() {
    let bench = Bench::new().await;
    let (_, key) = bench.token(&["admin"]);
    for (method, _, _, address) in TABLE {
        let address = if address.is_empty() { "/" } else { address };
        for headers in [&[JSON][..], &[JSON, ("authorization", &bearer(&key))]] {
            let answer = bench.send_from_afar(&method.to_uppercase(), address, headers, "").await;
            let told = answer.header("cache-control");
            let is_for_all = ["/docs", "/openapi.json", "/"].iter().any(|open| address.starts_with(open))
                && !["/api", "/grafana", "/metrics", "/healthz", "/readyz"]
                    .iter()
                    .any(|root| address.starts_with(root));
            assert!(is_for_all || ["no-store", "private, no-cache"].contains(&told), "{method} {address}: {told}");
        }
    }
}

#[tokio::test]
async fn signing_in_needs_a_token_that_can_read() {
    let bench = Bench::new().await;
    let (_, sender) = bench.token(&["ingest"]);
    let sign_in = async |token: &str| {
        let body = format!(r#"{{"token": "{token}"}}"#);
        bench.send_from_afar("POST", "/api/v1/session", &[JSON], &body).await
    };
    sign_in(sender.show()).await.problem(403);
    sign_in(Key::random().expect("random numbers").show()).await.problem(401);
    sign_in("").await.problem(401);
    let (_, reader) = bench.token(&["read"]);
    for body in [reader.show(), &format!("\"{}\"", reader.show()), &format!("{{\"{}\": 1}}", reader.show()), "{}"] {
        let answer = bench.send_from_afar("POST", "/api/v1/session", &[JSON], body).await;
        answer.problem(422);
        assert!(!answer.text().contains(&reader.show()[7..]), "{}", answer.text());
    }
}

#[tokio::test]
async fn behind_a_proxy_that_speaks_tls_the_cookie_is_bound_to_the_host() {
    let mut app = Bench::app(crate::Limits::default()).await;
    let proxies = vec!["10.0.0.0/8".parse().expect("a network")];
    let public_url = Some("https://dorado.example.org".parse().expect("an address"));
    app.access = Access { trusted_proxies: proxies, public_url, ..app.access };
    let bench = Bench::of(app);
    let (_, key) = bench.token(&["read"]);
    let body = format!(r#"{{"token": "{}"}}"#, key.show());
    let proxied = [JSON, ("x-forwarded-for", "192.0.2.1"), ("host", "dorado:8080")];
    let origin = ("origin", "https://dorado.example.org");
    let answer = bench.send_from_afar("POST", "/api/v1/session", &[&proxied[..], &[origin]].concat(), &body).await;
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.starts_with("__Host-dorado=") && cookie.ends_with("; Secure"), "{cookie}");
    let get = async |cookie: &str| {
        bench.send_from_afar("GET", "/api/v1/services", &[&proxied[..], &[("cookie", cookie)]].concat(), "").await
    };
    assert!(is_let_in(&get(sent(&cookie)).await));
    // A neighbour under the same domain can set a cookie of any name but this one.
    get(sent(&cookie).trim_start_matches("__Host-")).await.problem(401);
}

#[tokio::test]
async fn pages_of_other_sites_may_ask_only_where_they_are_listed() {
    let bench = Bench::new().await;
    let origin = ("origin", "https://other.example.org");
    let preflight = [origin, ("access-control-request-method", "GET")];
    let refused = bench.send_from_afar("OPTIONS", "/api/v1/services", &preflight, "").await;
    assert_eq!(refused.header("access-control-allow-origin"), "");
    let mut app = Bench::app(crate::Limits::default()).await;
    app.access.allowed_origins = vec![origin.1.to_owned()];
    let bench = Bench::of(app);
    let answer = bench.send_from_afar("OPTIONS", "/api/v1/services", &preflight, "").await;
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (204, origin.1));
    assert_eq!(answer.header("access-control-allow-credentials"), "", "cookies are for our own page");
    let (_, key) = bench.token(&["read", "ingest"]);
    let with_token = [JSON, origin, ("authorization", &bearer(&key))];
    let read = bench.send_from_afar("GET", "/api/v1/services", &with_token, "").await;
    assert_eq!((read.status.as_u16(), read.header("access-control-allow-origin")), (200, origin.1));
    assert!(is_let_in(&bench.send_from_afar("POST", "/api/v1/events", &with_token, "[]").await));
    let stranger = [("origin", "https://stranger.example.org"), ("authorization", &bearer(&key))];
    let read = bench.send_from_afar("GET", "/api/v1/services", &stranger, "").await;
    assert_eq!(read.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn no_token_is_in_any_answer() {
    let bench = Bench::new().await;
    let (_, key) = bench.token(&["admin"]);
    let token = key.show();
    let mut answers = Vec::new();
    for address in [
        format!("/api/v1/summary?token={token}"),
        format!("/api/v1/summary?{token}=1"),
        format!("/api/v1/metrics/{token}"),
        format!("/{token}"),
        format!("/api/v1/services?cursor={token}"),
        format!("/api/v1/metrics/change-lead-time?pack={token}"),
    ] {
        answers.push(bench.get(&address).await);
    }
    answers.push(bench.get_as(&key, "/api/v1/session").await);
    answers.push(bench.get_as(&key, "/api/v1/audit").await);
    answers.push(bench.get_as(&key, "/metrics").await);
    answers.push(bench.post("/api/v1/events", &[JSON], format!(r#"{{"type": "{token}", "id": "{token}"}}"#)).await);
    for answer in answers {
        let said = format!("{:?} {}", answer.headers, answer.text());
        assert!(!said.contains(&token[7..]), "{said}");
    }
}

#[tokio::test]
async fn the_audit_log_is_read_by_pages() {
    let bench = Bench::new().await;
    let (first, key) = bench.token(&["admin"]);
    for _ in 0..3 {
        bench.token(&["read"]);
    }
    let page = bench.get_as(&key, "/api/v1/audit?limit=3").await;
    assert_eq!(page.json()["data"].as_array().map(Vec::len), Some(3));
    assert!(page.header("link").contains("cursor="), "{}", page.header("link"));
    let cursor = page.json()["meta"]["next_cursor"].as_str().map(String::from).unwrap_or_default();
    let last = bench.get_as(&key, &format!("/api/v1/audit?limit=3&cursor={cursor}")).await.json();
    assert_eq!(last["data"][0]["subject"], first.id);
    assert_eq!(
        (last["data"][0]["action"].as_str(), last["data"][0]["actor"].as_str()),
        (Some("token.created"), Some("test"))
    );
    assert!(last["meta"]["next_cursor"].is_null());
    bench.get_as(&key, "/api/v1/audit?cursor=11").await.problem(422);
}

#[tokio::test]
async fn an_override_that_is_sent_as_an_event_is_in_the_audit_log_too() {
    let bench = Bench::new().await;
    let (admin, (sender, sends)) = (bench.token(&["admin"]).1, bench.token(&["ingest:events"]));
    let events = r#"[
        {"type": "deployment", "id": "d1", "service": "checkout", "finished_at": "2026-10-01T00:00:00Z"},
        {"type": "override", "id": "o1", "deployment": "d1", "verdict": "failed", "author": "Ada", "reason": "It did.",
         "decided_at": "2026-10-01T01:00:00Z"}
    ]"#;
    let headers = [JSON, ("authorization", &bearer(&sends))];
    for (body, n) in [(EVENTS, 0), (events, 1)] {
        let told = bench.send_from_afar("POST", "/api/v1/events", &headers, body).await;
        assert_eq!(told.json()["rejected"], serde_json::json!([]), "{}", told.text());
        let log = bench.get_as(&admin, "/api/v1/audit").await.json()["data"].clone();
        let sent = log.as_array().into_iter().flatten().filter(|line| line["action"] == "override.sent");
        let sent: Vec<_> = sent.map(|line| (line["actor"].clone(), line["detail"].clone())).collect();
        assert_eq!(sent.len(), n, "{sent:?}");
        for (actor, detail) in sent {
            assert_eq!(actor, sender.id);
            let detail: serde_json::Value =
                serde_json::from_str(detail.as_str().unwrap_or_default()).unwrap_or_default();
            let told = &detail["overrides"][0];
            assert_eq!(
                (&told["verdict"], &told["deployment"], &told["author"]),
                (&"failed".into(), &"d1".into(), &"Ada".into())
            );
        }
    }
}

#[tokio::test]
async fn a_sign_in_ends_with_its_token() {
    let bench = Bench::new().await;
    let (_, key) = bench.token_until(&["read"], Some(now() + TimeDelta::hours(1)));
    let body = format!(r#"{{"token": "{}"}}"#, key.show());
    let answer = bench.send_from_afar("POST", "/api/v1/session", &[JSON], &body).await;
    assert!(answer.header("set-cookie").contains("; Max-Age=3600;"), "{}", answer.header("set-cookie"));
    assert_eq!(answer.json()["expires_at"], "2026-11-01T13:00:30+00:00");
}
