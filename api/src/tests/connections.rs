//! The server's patience: with clients that dawdle, and with requests in flight when it stops.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Bench;
use crate::{Limits, serve};

const SOON: Duration = Duration::from_millis(200);
const LATE: Duration = Duration::from_secs(10);

struct Served {
    address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<std::io::Result<()>>,
}

async fn served(limits: Limits) -> Served {
    let app = Bench::app(limits).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel::<()>();
    let ended = tokio::spawn(serve(listener, app, async {
        let _ = stopped.await;
    }));
    Served { address, stop, ended }
}

async fn connected(served: &Served, first: &str) -> TcpStream {
    let mut client = TcpStream::connect(served.address).await.expect("a connection");
    client.write_all(first.as_bytes()).await.expect("room for a few bytes");
    client
}

/// All that comes until the server closes.
async fn rest(client: &mut TcpStream) -> String {
    let mut rest = Vec::new();
    timeout(LATE, client.read_to_end(&mut rest)).await.expect("the server closes").expect("a readable end");
    String::from_utf8_lossy(&rest).into_owned()
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_headers_is_cut_off() {
    let served = served(Limits { header_timeout: SOON, ..Limits::default() }).await;
    for first in [
        "",
        "P",
        "PRI * HTTP/2.0\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\n",
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        let mut client = connected(&served, first).await;
        rest(&mut client).await;
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_a_problem() {
    let served = served(Limits { body_timeout: SOON, ..Limits::default() }).await;
    let head = "POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 10\r\n\r\n[";
    let answer = rest(&mut connected(&served, head).await).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("application/problem+json"), "{answer}");
}

#[tokio::test]
async fn a_request_in_flight_finishes_when_the_server_stops() {
    let served = served(Limits::default()).await;
    let head = "POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n[";
    let mut client = connected(&served, head).await;
    tokio::time::sleep(SOON).await;
    served.stop.send(()).expect("the server listens for it");
    tokio::time::sleep(SOON).await;
    assert!(TcpStream::connect(served.address).await.is_err(), "a stopping server takes no connections");
    client.write_all(b"]").await.expect("the connection stands");
    let answer = rest(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    timeout(LATE, served.ended).await.expect("the server ends").expect("without a panic").expect("without an error");
}

#[tokio::test]
async fn a_server_that_stops_does_not_wait_for_ever() {
    let served = served(Limits { shutdown: SOON, ..Limits::default() }).await;
    let client =
        connected(&served, "POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n[").await;
    tokio::time::sleep(SOON).await;
    served.stop.send(()).expect("the server listens for it");
    timeout(LATE, served.ended).await.expect("the server ends").expect("without a panic").expect("without an error");
    drop(client);
}
