//! The client against a server that answers by a script.
#![expect(clippy::unwrap_used, reason = "tests")]

use chrono::Utc;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use super::*;

const TOKEN: &str = "a-token-to-be-hidden";

/// Gives each connection the next answer as it stands here, and at the end what was asked.
async fn scripted(answers: Vec<String>) -> (String, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/base", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (read, mut write) = stream.split();
            let mut reader = BufReader::new(read);
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).await.unwrap();
                if let Some(n) = line.to_lowercase().strip_prefix("content-length: ") {
                    length = n.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
                head += &line;
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).await.unwrap();
            asked.push(head + &String::from_utf8(body).unwrap());
            write.write_all(answer.as_bytes()).await.unwrap();
        }
        asked
    });
    (url, served)
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let kind = "content-type: application/json\r\nconnection: close\r\n";
    format!("HTTP/1.1 {status}\r\n{kind}{headers}content-length: {}\r\n\r\n{body}", body.len())
}

fn client(url: &str, longest_wait: Duration) -> Http {
    let outgoing = Outgoing {
        url: url.to_owned(),
        authorization: Authorization::Bearer(Secret::value(format!("{TOKEN}\n"))),
        certificates: None,
        identity: None,
        networks: Vec::new(),
        headers: vec![("accept", "application/json".to_owned())],
        every: None,
        since: None,
    };
    Http::new(outgoing, Utc::now, Patience { first_pause: Duration::from_millis(1), longest_wait }).unwrap()
}

fn patient(url: &str) -> Http {
    client(url, Duration::from_secs(5))
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let cut_short = answer("200 OK", "", "[1, 2").replace("content-length: 5", "content-length: 50");
    let (url, served) = scripted(vec![
        answer("500 X", "", "{}"),
        cut_short,
        answer("200 OK", "", "[1, 2"),
        answer("429 X", "retry-after: 0\r\n", "{}"),
        answer("200 OK", "", "[1, 2]"),
    ])
    .await;
    let numbers: Vec<u8> = patient(&url).get("list", &[("page", "1"), ("of", "a&b")]).await.unwrap().json().unwrap();
    assert_eq!(numbers, [1, 2]);
    let asked = served.await.unwrap();
    assert_eq!(asked.len(), 5);
    assert!(asked[0].starts_with("GET /base/list?page=1&of=a%26b HTTP/1.1"), "{}", asked[0]);
    assert!(asked[0].contains(&format!("authorization: Bearer {TOKEN}\r\n")), "{}", asked[0]);
}

#[tokio::test]
async fn what_will_not_pass_is_said_at_once_without_the_token() {
    for (status, expected) in [
        ("401 X", "the token is missing, wrong, expired or revoked"),
        ("403 X", "the token may not do this"),
        ("404 X", "there is no such thing"),
    ] {
        let body = json!({ "message": format!("no: {TOKEN}") }).to_string();
        let (url, served) = scripted(vec![answer(status, "", &body)]).await;
        let error = patient(&url).get("x?secret=1", &[]).await.unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("no: …"), "{error}");
        assert!(!error.contains(TOKEN) && !error.contains("secret"), "{error}");
        assert_eq!(served.await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (url, served) = scripted(vec![answer("302 X", "location: http://169.254.169.254/\r\n", "")]).await;
    let error = patient(&url).get("x", &[]).await.unwrap_err();
    assert!(matches!(&error, Error::Moved { to, .. } if to == "http://169.254.169.254/"), "{error}");
    assert_eq!(served.await.unwrap().len(), 1);
}

#[tokio::test]
async fn nothing_outside_the_base_url_is_asked() {
    let http = patient("http://127.0.0.1:9/base");
    for path in
        ["http://127.0.0.1:9/other", "http://127.0.0.1:10/base/x", "https://127.0.0.1:9/base", "../x", "http://evil/"]
    {
        let error = http.get(path, &[]).await.unwrap_err();
        assert!(matches!(error, Error::NotAllowed { .. }), "{path}: {error}");
    }
    let elsewhere = |url: &str| {
        let outgoing = Outgoing {
            url: url.to_owned(),
            authorization: Authorization::None,
            certificates: None,
            identity: None,
            networks: Vec::new(),
            headers: Vec::new(),
            every: None,
            since: None,
        };
        Http::new(outgoing, Utc::now, Patience::default()).err()
    };
    for wrong in
        ["", "tool.example.org", "ftp://tool.example.org", "https://a:b@tool.example.org", "file:///etc/passwd"]
    {
        assert!(matches!(elsewhere(wrong), Some(Error::BadUrl { .. })), "{wrong}");
    }
}

#[tokio::test]
async fn a_long_wait_is_left_to_the_caller_and_a_spent_budget_asks_nobody() {
    let reset = (Utc::now().timestamp() + 600).to_string();
    let spent = format!("x-ratelimit-limit: 5000\r\nx-ratelimit-remaining: 0\r\nx-ratelimit-reset: {reset}\r\n");
    let (url, served) = scripted(vec![answer("200 OK", &spent, "[]")]).await;
    let http = client(&url, Duration::from_millis(10));
    http.get("x", &[]).await.unwrap();
    assert_eq!(http.budget().and_then(|budget| budget.limit), Some(5000));
    let error = http.get("x", &[]).await.unwrap_err();
    assert!(matches!(error, Error::Limited { until, .. } if until.timestamp().to_string() == reset), "{error}");
    assert_eq!(served.await.unwrap().len(), 1, "the second call was not made");

    let secondary = answer("403 X", "retry-after: 300\r\n", r#"{"message": "secondary rate limit"}"#);
    let (url, _) = scripted(vec![secondary]).await;
    let error = client(&url, Duration::from_millis(10)).get("x", &[]).await.unwrap_err();
    assert!(matches!(error, Error::Limited { .. }), "{error}");
}

#[tokio::test]
async fn what_has_not_changed_is_not_read_again() {
    let (url, served) = scripted(vec![
        answer("200 OK", "etag: \"a\"\r\nlink: <http://x/2>; rel=\"next\"\r\n", "[]"),
        answer("304 X", "", ""),
    ])
    .await;
    let http = patient(&url);
    let first = http.get_if_changed("x", &[], None).await.unwrap().unwrap();
    assert_eq!((first.etag(), first.next_page()), (Some("\"a\""), Some("http://x/2")));
    assert!(http.get_if_changed("x", &[], first.etag()).await.unwrap().is_none());
    assert!(served.await.unwrap()[1].contains("if-none-match: \"a\"\r\n"));
}

#[tokio::test]
async fn an_endless_answer_is_opened_with_patience_and_its_lines_are_bounded() {
    use futures::TryStreamExt as _;
    let whole = "{\"a\":1}\n\n{\"b\":2}\nrest";
    let (url, served) = scripted(vec![answer("503 X", "", "{}"), answer("200 OK", "", whole)]).await;
    let read: Vec<Bytes> =
        patient(&url).open("watch?of=a", HeaderMap::new()).await.unwrap().try_collect().await.unwrap();
    assert_eq!(read.concat(), whole.as_bytes());
    assert!(served.await.unwrap()[1].starts_with("GET /base/watch?of=a HTTP/1.1"));

    let (url, _) = scripted(vec![answer("200 OK", "", &"x".repeat(LONGEST_LINE + 1))]).await;
    let error = patient(&url).open("watch", HeaderMap::new()).await.unwrap().try_collect::<Vec<Bytes>>().await;
    assert!(matches!(error.unwrap_err(), Error::TooLarge { .. }));
}
