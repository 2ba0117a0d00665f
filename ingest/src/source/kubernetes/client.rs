//! kube over our own client. kube knows how the API is listed and watched and how a kubeconfig signs in; where may be
//! connected to, how long is waited and what is tried again stays with [`Http`].

use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;
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
use tokio::sync::oneshot;
use tokio::time::timeout;
use tower::util::BoxCloneService;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt as _, service_fn};

use super::Kubernetes;
use super::access::Access;
use crate::http::{Error, Http};

/// Pause after the end of a watch, so that who ends each at once is not asked without one.
const PAUSE: Duration = Duration::from_millis(500);

/// Answers a request with itself and what we sign in by.
type Signing = BoxCloneService<Request<Body>, Response<Request<Body>>, BoxError>;

/// kube's client of a cluster.
pub(super) async fn client(cluster: &Kubernetes, http: &Http) -> Result<Client, Error> {
    let sent = Sent { http: http.clone() };
    let Some(access) = cluster.access() else { return Ok(Client::new(sent, "default")) };
    // kube waits for a plugin as long as that runs.
    let longest = cluster.longest_signing_in;
    let signing = within(longest, signing(cluster, access)).await??;
    let signed = service_fn(move |request| {
        let (signing, sent) = (signing.clone(), sent.clone());
        async move {
            // A plugin is run again where its token expires.
            let signed = within(longest, signing.oneshot(request)).await??;
            sent.send(signed.into_body()).await.map_err(BoxError::from)
        }
    });
    Ok(Client::new(signed, "default"))
}

/// Where a plugin is to be run, it is run here: one at a time, on a thread that nobody needs to wait for.
async fn signing(cluster: &Kubernetes, access: Access) -> Result<Signing, Error> {
    let alone = Arc::clone(&cluster.signing_in).lock_owned().await;
    let (done, layers) = oneshot::channel();
    let sign_in = move || {
        let _alone = alone;
        let layers = access.config.extra_headers_layer().and_then(|headers| Ok((headers, access.config.auth_layer()?)));
        // Whoever gave up does not hear of it.
        let _ = done.send(layers);
    };
    thread::Builder::new().name("dorado-sign-in".to_owned()).spawn(sign_in).map_err(not_begun)?;
    let (headers, auth) = layers.await.map_err(not_begun)?.map_err(ours)?;
    let unsent = service_fn(|request: Request<Body>| async move { Ok::<_, BoxError>(Response::new(request)) });
    Ok(BoxCloneService::new(
        ServiceBuilder::new().layer(headers).option_layer(auth).map_err(BoxError::from).service(unsent),
    ))
}

fn not_begun(error: impl std::fmt::Display) -> Error {
    Error::Unsuitable(format!("cannot sign in as the kubeconfig says: {error}"))
}

async fn within<T>(longest: Duration, signing: impl Future<Output = T>) -> Result<T, Error> {
    let Ok(signed) = timeout(longest, signing).await else {
        let problem = "signing in as the kubeconfig says has not ended within";
        return Err(Error::Unsuitable(format!("{problem} {longest:?}; does its plugin end?")));
    };
    Ok(signed)
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
