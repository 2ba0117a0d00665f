//! [`Http`]: how a connected tool is asked. One client for all sources, so that what is dangerous or tedious about
//! asking is done once: where it may connect to, how long it waits, when it tries again, how much it reads.

mod address;
mod answer;
mod error;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::TimeDelta;
use dorado_lake::Instant;
use futures::stream::{self, BoxStream};
use ipnet::IpNet;
use rand::Rng as _;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, IF_NONE_MATCH};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;
use url::Url;

use crate::signature::Secret;
use address::Guard;
pub use answer::{Answer, Budget};
pub use error::Error;

/// Bytes of an answer at most.
const LARGEST_ANSWER: usize = 32 << 20;
/// Bytes of a line of an answer that goes on at most.
const LONGEST_LINE: usize = 8 << 20;
/// Tries of one call.
const TRIES: u32 = 5;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const CALL_TIMEOUT: Duration = Duration::from_mins(1);
/// How long an answer that goes on may.
const LONGEST_ANSWER: Duration = Duration::from_hours(24);

/// Where a tool is and how we sign in.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Base URL; nothing outside it is ever asked.
    pub url: String,
    /// How we sign in.
    pub authorization: Authorization,
    /// Certificates in PEM that vouch for it besides those of the system.
    pub certificates: Option<Secret>,
    /// Key and certificate in PEM by which it knows us, where it asks for them.
    pub identity: Option<Secret>,
    /// Private networks in which it may be. An address that the URL itself names need not be in one.
    pub networks: Vec<IpNet>,
    /// Headers of every call.
    pub headers: Vec<(&'static str, String)>,
    /// How often it is asked; none for the default.
    pub every: Option<Duration>,
    /// From when on it is asked for what happened; none for the default.
    pub since: Option<Instant>,
}

/// How we sign in.
#[derive(Debug, Clone)]
pub enum Authorization {
    /// Not at all.
    None,
    /// `Authorization: Bearer …`.
    Bearer(Secret),
    /// `Authorization: Token token=…`.
    Token(Secret),
    /// `Authorization: Basic …` with this name.
    Basic(String, Secret),
    /// A header of the tool's own.
    Header(&'static str, Secret),
}

/// How long a call waits before it is given up.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Pause before the second try; each further one is twice as long.
    pub first_pause: Duration,
    /// The longest wait for a rate limit within a call. A longer one is [`Error::Limited`].
    pub longest_wait: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { first_pause: Duration::from_millis(500), longest_wait: Duration::from_secs(20) }
    }
}

/// Asks one connection's tool. Cheap to clone.
#[derive(Clone)]
pub struct Http {
    inner: Arc<Inner>,
    authorization: Authorization,
}

struct Inner {
    base: Url,
    guard: Guard,
    client: Client,
    headers: Vec<(&'static str, String)>,
    now: fn() -> Instant,
    patience: Patience,
    seen: Mutex<Seen>,
}

/// What answers have told besides their bodies.
#[derive(Debug, Default)]
struct Seen {
    budget: Option<Budget>,
    clock_ahead: Option<TimeDelta>,
    n_calls: u64,
}

/// One call.
struct Call {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
}

impl Call {
    fn get(url: Url) -> Self {
        Self { method: Method::GET, url, headers: HeaderMap::new(), body: Bytes::new() }
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Http({})", self.inner.base)
    }
}

impl Http {
    /// A client for a tool.
    ///
    /// # Errors
    /// [`Error::BadUrl`], or [`Error::Token`] where its certificates cannot be read.
    pub fn new(outgoing: Outgoing, now: fn() -> Instant, patience: Patience) -> Result<Self, Error> {
        let bad = |problem: &str| Error::BadUrl { url: outgoing.url.clone(), problem: problem.to_owned() };
        let base = Url::parse(&outgoing.url).map_err(|error| bad(&error.to_string()))?;
        if !["http", "https"].contains(&base.scheme()) || base.host().is_none() {
            return Err(bad("expected an address as https://tool.example.org"));
        }
        if !base.username().is_empty() || base.password().is_some() || base.query().is_some() {
            return Err(bad("a name, a password or a query has no place in it"));
        }
        let guard = Guard::new(&base, outgoing.networks);
        let client = build(&guard, outgoing.certificates.as_ref(), outgoing.identity.as_ref())?;
        let seen = Mutex::default();
        let inner = Inner { base, guard, client, headers: outgoing.headers, now, patience, seen };
        Ok(Self { inner: Arc::new(inner), authorization: outgoing.authorization })
    }

    /// The same tool, signed in otherwise.
    #[must_use]
    pub fn with(&self, authorization: Authorization) -> Self {
        Self { inner: Arc::clone(&self.inner), authorization }
    }

    /// The time.
    pub fn now(&self) -> Instant {
        (self.inner.now)()
    }

    /// What is left of the tool's patience, as it last said.
    pub fn budget(&self) -> Option<Budget> {
        self.seen().budget
    }

    /// How far the tool's clock is ahead of ours, as it last said.
    pub fn clock_ahead(&self) -> Option<TimeDelta> {
        self.seen().clock_ahead
    }

    /// The error of a token that cannot be read.
    pub fn no_token(&self) -> Error {
        Error::Token { host: host(&self.inner.base) }
    }

    /// Calls made, repeated ones too.
    pub fn n_calls(&self) -> u64 {
        self.seen().n_calls
    }

    /// Reads `path`, which is below the base URL, or is a whole URL below it as answers name their next page.
    ///
    /// # Errors
    /// Where the answer is no success, after as many tries as make sense.
    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Answer, Error> {
        self.call(Call::get(self.url(path, query)?)).await
    }

    /// The same where it has changed since the answer of that ETag; `None` where it has not.
    ///
    /// # Errors
    /// As [`Http::get`].
    pub async fn get_if_changed(
        &self,
        path: &str,
        query: &[(&str, &str)],
        etag: Option<&str>,
    ) -> Result<Option<Answer>, Error> {
        let mut call = Call::get(self.url(path, query)?);
        if let Some(etag) = etag.and_then(|etag| HeaderValue::from_str(etag).ok()) {
            call.headers.insert(IF_NONE_MATCH, etag);
        }
        let answer = self.call(call).await?;
        Ok((answer.status != 304).then_some(answer))
    }

    /// Posts JSON. It is posted again where the answer is lost: for questions, and what may be said twice.
    ///
    /// # Errors
    /// As [`Http::get`].
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer, Error> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        self.send(Method::POST, path, headers, body.to_string().into()).await
    }

    /// Deletes something.
    ///
    /// # Errors
    /// As [`Http::get`].
    pub async fn delete(&self, path: &str) -> Result<Answer, Error> {
        self.send(Method::DELETE, path, HeaderMap::new(), Bytes::new()).await
    }

    /// Makes a call that a tool's own library has put together, headers and signing in included.
    ///
    /// # Errors
    /// As [`Http::get`].
    pub async fn send(&self, method: Method, path: &str, headers: HeaderMap, body: Bytes) -> Result<Answer, Error> {
        self.call(Call { method, url: self.url(path, &[])?, headers, body }).await
    }

    /// What is behind the base URL in a URL below it.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] for one elsewhere.
    pub fn below(&self, url: &str) -> Result<String, Error> {
        let url = self.url(url, &[])?;
        let folder = self.inner.base.path().trim_end_matches('/');
        let path = url.path().strip_prefix(folder).unwrap_or_default();
        Ok(url.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}")))
    }

    /// Opens an answer that goes on, and gives it as it comes; its lines are of bounded length. Once it is open it is
    /// not asked for again: it ends when the tool ends it.
    ///
    /// # Errors
    /// As [`Http::get`].
    pub async fn open(
        &self,
        path: &str,
        headers: HeaderMap,
    ) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        let call = Call { headers, ..Call::get(self.url(path, &[])?) };
        let response = self.patiently(&call, || self.try_open(&call)).await?;
        Ok(Box::pin(chunks(response, call.url.clone())))
    }

    async fn call(&self, call: Call) -> Result<Answer, Error> {
        self.patiently(&call, || self.try_once(&call)).await
    }

    /// Tries until it succeeds, as often as makes sense.
    async fn patiently<T, F: Future<Output = Result<T, Error>>>(
        &self,
        call: &Call,
        once: impl Fn() -> F,
    ) -> Result<T, Error> {
        let mut n_tries = 0;
        loop {
            self.wait_for_budget(&call.url).await?;
            n_tries += 1;
            self.seen().n_calls += 1;
            let failed = match once().await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            if let Error::Limited { until, .. } = &failed {
                self.wait_until(*until, &failed).await?;
            } else if failed.may_pass() && n_tries < TRIES {
                tracing::debug!(error = %failed, n_tries, "a call failed and is tried again");
                tokio::time::sleep(self.pause(n_tries)).await;
                continue;
            } else {
                return Err(failed);
            }
            if n_tries >= TRIES {
                return Err(failed);
            }
        }
    }

    async fn try_open(&self, call: &Call) -> Result<Response, Error> {
        let request = self.request(call)?.timeout(LONGEST_ANSWER);
        let response = request.send().await.map_err(|error| Error::of(&call.url, &error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let answer = self.read(call, response).await?;
        Err(self.judge(call, &answer).unwrap_or_else(|| self.refused(call, &answer)))
    }

    async fn try_once(&self, call: &Call) -> Result<Answer, Error> {
        let response = self.request(call)?.send().await.map_err(|error| Error::of(&call.url, &error))?;
        let answer = self.read(call, response).await?;
        self.judge(call, &answer).map_or(Ok(answer), Err)
    }

    async fn read(&self, call: &Call, response: Response) -> Result<Answer, Error> {
        let answer = answer::read(response, &call.url, LARGEST_ANSWER).await?;
        let now = self.now();
        let mut seen = self.seen();
        if let Some(date) = answer.date() {
            seen.clock_ahead = Some(date - now);
        }
        if let Some(budget) = answer.budget(now) {
            seen.budget = Some(budget);
        }
        Ok(answer)
    }

    fn request(&self, call: &Call) -> Result<RequestBuilder, Error> {
        let mut request = self.inner.client.request(call.method.clone(), call.url.clone());
        for (name, value) in self.inner.headers.iter().filter(|(name, _)| !call.headers.contains_key(*name)) {
            request = request.header(*name, value);
        }
        request = request.headers(call.headers.clone());
        if !call.body.is_empty() {
            request = request.body(call.body.clone());
        }
        let read = |secret: &Secret| secret.text().ok_or_else(|| self.no_token());
        Ok(match &self.authorization {
            Authorization::None => request,
            Authorization::Bearer(secret) => request.bearer_auth(read(secret)?),
            Authorization::Token(secret) => request.header(AUTHORIZATION, format!("Token token={}", read(secret)?)),
            Authorization::Basic(name, secret) => request.basic_auth(name, Some(read(secret)?)),
            Authorization::Header(name, secret) => request.header(*name, read(secret)?),
        })
    }

    /// Why an answer does not do; `None` where it does.
    fn judge(&self, call: &Call, answer: &Answer) -> Option<Error> {
        let url = &call.url;
        match answer.status {
            200..=299 if answer.is_json() && !answer.is_whole_json() => Some(Error::Truncated { url: shown(url) }),
            200..=299 | 304 => None,
            _ => match answer.limited_until(self.now()) {
                Some(until) => Some(Error::Limited { url: shown(url), until }),
                None => Some(self.refused(call, answer)),
            },
        }
    }

    fn refused(&self, call: &Call, answer: &Answer) -> Error {
        let url = shown(&call.url);
        if (300..400).contains(&answer.status) {
            let to = answer.header("location").unwrap_or_default();
            return Error::Moved { url, to: self.without_secrets(call, to) };
        }
        Error::Refused { url, status: answer.status, said: self.without_secrets(call, &answer.said()) }
    }

    /// A tool may repeat what it was sent.
    fn without_secrets(&self, call: &Call, said: &str) -> String {
        let own = match &self.authorization {
            Authorization::None => None,
            Authorization::Bearer(secret)
            | Authorization::Token(secret)
            | Authorization::Basic(_, secret)
            | Authorization::Header(_, secret) => secret.text(),
        };
        let given = call.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| value.split_once(' ')).map(|(_, secret)| secret.to_owned());
        own.into_iter().chain(given).fold(said.to_owned(), |said, secret| said.replace(&secret, "…"))
    }

    async fn wait_for_budget(&self, url: &Url) -> Result<(), Error> {
        let budget = self.budget().filter(|budget| budget.remaining == Some(0));
        match budget.and_then(|budget| budget.resets_at).filter(|until| *until > self.now()) {
            Some(until) => self.wait_until(until, &Error::Limited { url: shown(url), until }).await,
            None => Ok(()),
        }
    }

    async fn wait_until(&self, until: Instant, limited: &Error) -> Result<(), Error> {
        let wait = (until - self.now()).to_std().unwrap_or_default();
        if wait > self.inner.patience.longest_wait {
            return Err(limited.clone());
        }
        tokio::time::sleep(wait).await;
        self.seen().budget = None;
        Ok(())
    }

    fn pause(&self, n_tries: u32) -> Duration {
        let longest = self.inner.patience.first_pause * 2_u32.pow(n_tries - 1);
        longest.mul_f64(rand::rng().random_range(0.5..1.0))
    }

    /// The URL of a path, within the base URL and at an address that may be asked.
    fn url(&self, path: &str, query: &[(&str, &str)]) -> Result<Url, Error> {
        let base = &self.inner.base;
        let mut url = if path.starts_with("http://") || path.starts_with("https://") {
            Url::parse(path).map_err(|error| Error::BadUrl { url: path.to_owned(), problem: error.to_string() })?
        } else {
            let mut url = base.clone();
            let (path, given) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
            url.set_path(&format!("{}/{}", base.path().trim_end_matches('/'), path.trim_start_matches('/')));
            url.set_query(given);
            url
        };
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let folder = base.path().trim_end_matches('/');
        let is_below = url.path().strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if url.origin() != base.origin() || !is_below {
            return Err(Error::NotAllowed { url: shown(&url), base: base.to_string() });
        }
        self.inner.guard.check_literal(&url)?;
        Ok(url)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.inner.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn build(guard: &Guard, certificates: Option<&Secret>, identity: Option<&Secret>) -> Result<Client, Error> {
    let read = |secret: &Secret| secret.read().ok_or_else(|| Error::Token { host: guard.host().to_owned() });
    let failed = |error: reqwest::Error| Error::BadUrl { url: guard.host().to_owned(), problem: error.to_string() };
    let mut builder = Client::builder()
        .user_agent(concat!("dorado/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        // A proxy would connect in our place, to wherever a name leads there.
        .no_proxy()
        .dns_resolver(guard.clone())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(CALL_TIMEOUT);
    if let Some(certificates) = certificates {
        for certificate in reqwest::Certificate::from_pem_bundle(&read(certificates)?).map_err(failed)? {
            builder = builder.add_root_certificate(certificate);
        }
    }
    if let Some(identity) = identity {
        builder = builder.identity(reqwest::Identity::from_pem(&read(identity)?).map_err(failed)?);
    }
    builder.build().map_err(failed)
}

/// An answer as it comes, as long as its lines end.
fn chunks(response: Response, url: Url) -> impl futures::Stream<Item = Result<Bytes, Error>> {
    stream::try_unfold((response, 0, url), |(mut response, length, url)| async move {
        let Some(chunk) = response.chunk().await.map_err(|error| Error::of(&url, &error))? else { return Ok(None) };
        let length = match chunk.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => chunk.len() - end,
            None => length + chunk.len(),
        };
        if length > LONGEST_LINE {
            return Err(Error::TooLarge { url: shown(&url), limit: LONGEST_LINE });
        }
        Ok(Some((chunk, (response, length, url))))
    })
}

/// A URL without its query: that may hold what nobody should read.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}
