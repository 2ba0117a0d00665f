//! kube over our own client. kube knows how the API is listed and watched and how a kubeconfig signs in; where may be
//! connected to, how long is waited and what is tried again stays with [`Http`].

use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use kube::Client;
use kube::client::{AuthError, Body, ConfigExt as _};
use serde_json::json;
use tower::{BoxError, Service, ServiceBuilder};

use super::Kubernetes;
use crate::http::{Error, Http};

/// Pause after the end of a watch, so that who ends each at once is not asked without one.
const PAUSE: Duration = Duration::from_millis(500);

/// kube's client of a cluster.
pub(super) async fn client(cluster: &Kubernetes, http: &Http) -> Result<Client, Error> {
    let sent = Sent { http: http.clone() };
    let Some(access) = cluster.access() else { return Ok(Client::new(sent, "default")) };
    // A plugin is run here, and waited for.
    let layers = move || Ok((access.config.extra_headers_layer()?, access.config.auth_layer()?));
    let layers = tokio::task::spawn_blocking(layers).await;
    let (headers, auth) = layers.map_err(|error| Error::Unsuitable(error.to_string()))?.map_err(ours)?;
    let service = ServiceBuilder::new().layer(headers).option_layer(auth).map_err(BoxError::from).service(sent);
    Ok(Client::new(service, "default"))
}

/// Why kube brought nothing.
pub(super) fn ours(error: kube::Error) -> Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(error) = cause {
        if let Some(ours) = error.downcast_ref::<Error>() {
            return ours.clone();
        }
        if let Some(error) = error.downcast_ref::<AuthError>() {
            return Error::Unsuitable(unsigned(error));
        }
        cause = error.source();
    }
    match error {
        kube::Error::SerdeError(error) => {
            Error::Unsuitable(format!("an answer of the API server is not as expected: {error}"))
        }
        other => Error::Unsuitable(format!("the API server cannot be asked: {other}")),
    }
}

/// Why we are not signed in. What a plugin wrote is not repeated: it may be a token.
fn unsigned(error: &AuthError) -> String {
    match error {
        AuthError::AuthExecStart(error) => {
            format!("the kubeconfig's plugin cannot be run: {error}; install it where Dorado runs, or use a token")
        }
        AuthError::AuthExecRun { out, .. } => format!("the kubeconfig's plugin failed: {}", out.status),
        AuthError::AuthExecParse(_) => "the kubeconfig's plugin gave no ExecCredential".to_owned(),
        other => format!("cannot sign in as the kubeconfig says: {other}"),
    }
}

/// What sends kube's requests.
#[derive(Debug, Clone)]
struct Sent {
    http: Http,
}

type Answered = Response<UnsyncBoxBody<Bytes, Error>>;

impl Service<Request<Body>> for Sent {
    type Response = Answered;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Answered, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let sent = self.clone();
        async move { sent.send(request).await }.boxed()
    }
}

impl Sent {
    async fn send(&self, request: Request<Body>) -> Result<Answered, Error> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        if path.contains("watch=true") {
            return match self.http.open(path, parts.headers).await {
                Ok(chunks) => {
                    let pause = stream::once(tokio::time::sleep(PAUSE)).filter_map(|()| std::future::ready(None));
                    let frames = StreamBody::new(chunks.chain(pause).map_ok(Frame::data));
                    Ok(Response::new(frames.boxed_unsync()))
                }
                Err(error) if error.status() == Some(410) => Ok(Response::new(whole(forgotten()))),
                Err(error) => Err(error),
            };
        }
        let unread = |error: kube::Error| Error::Unsuitable(format!("{path} cannot be asked: {error}"));
        let body = body.collect_bytes().await.map_err(unread)?;
        let answer = self.http.send(parts.method, path, parts.headers, body).await?;
        Ok(Response::new(whole(answer.body)))
    }
}

fn whole(body: Bytes) -> UnsyncBoxBody<Bytes, Error> {
    Full::new(body).map_err(|never| match never {}).boxed_unsync()
}

/// The place to go on from is forgotten. A server may refuse to open the watch or say so in it, but kube's watcher begins
/// anew only for the latter.
fn forgotten() -> Bytes {
    let status = json!({"kind": "Status", "status": "Failure", "reason": "Expired", "code": 410});
    (json!({"type": "ERROR", "object": status}).to_string() + "\n").into()
}
