//! Beside a running server: which one has the data directory, where it listens, and how a command proves that it may ask
//! it for work. Whoever may write the register of tokens is trusted already, so a command makes itself one there.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use chrono::{TimeDelta, Utc};
use dorado_api::Access;
use dorado_ingest::Secret;
use dorado_ingest::http::{Answer, Authorization, Error, Http, Outgoing, Patience};
use dorado_lake::{NewToken, Register, Scope, Token};
use serde_json::Value;
use url::Url;
use url::form_urlencoded::Serializer;

use super::open;
use crate::cli::BesideArgs;
use crate::config::Config;
use crate::telemetry::complain;

/// The file in the data directory, or beside the inbox, that says where its server listens.
const FILE: &str = "serving";
/// Holds a token, for who asks a server elsewhere.
const TOKEN_VARIABLE: &str = "DORADO_TOKEN";
/// How long the token of a command is valid at most.
const VALID: TimeDelta = TimeDelta::days(1);
/// How often is asked how work stands.
pub(super) const LOOK: Duration = Duration::from_millis(200);

/// Says where a server listens, as long as it does.
#[derive(Debug)]
pub(super) struct Serving(Option<PathBuf>);

impl Serving {
    /// Writes it down.
    pub(super) fn announce(directory: Option<&Path>, listening: std::net::SocketAddr, access: &Access) -> Result<Self> {
        let Some(directory) = directory else { return Ok(Self(None)) };
        let path = directory.join(FILE);
        let written = std::fs::write(&path, format!("{}\n", address(listening, access)));
        written.with_context(|| format!("cannot write `{}`", path.display()))?;
        Ok(Self(Some(path)))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Whoever has the directory next removes what is left.
        let _ = self.0.as_ref().map(std::fs::remove_file);
    }
}

/// Where a command on this machine finds a server.
fn address(mut listening: std::net::SocketAddr, access: &Access) -> String {
    // Its certificate is for that name.
    if let (Some(_), Some(url)) = (&access.tls, &access.public_url) {
        return url.to_string();
    }
    if listening.ip().is_unspecified() {
        listening.set_ip(match listening.ip() {
            std::net::IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    let scheme = if access.tls.is_some() { "https" } else { "http" };
    format!("{scheme}://{listening}/")
}

/// Forgets the server of an earlier process, for whoever has the directory now.
pub(super) fn forget_server(url: &str, config: &Config) -> Result<()> {
    if let Some(directory) = open::directory(url, config)? {
        // Nothing may be there.
        let _ = std::fs::remove_file(directory.join(FILE));
    }
    Ok(())
}

/// A server that is asked for work, and the token that this command made for itself.
pub(super) struct Beside {
    http: Http,
    url: Url,
    made: Option<(Register, Token)>,
}

impl Beside {
    /// The server that is named, else the one that has the data directory; `None` where there is none.
    pub(super) fn find(asked: &BesideArgs, url: &str, config: &Config, what: &str) -> Result<Option<Self>> {
        let address = match (&asked.server, open::directory(url, config)?) {
            (Some(address), _) => address.clone(),
            (None, Some(directory)) => match std::fs::read_to_string(directory.join(FILE)) {
                Ok(address) => address.trim().to_owned(),
                Err(_) => return Ok(None),
            },
            (None, None) => return Ok(None),
        };
        let url_of_server = Url::parse(&address).with_context(|| format!("`{address}` is no address of a server"))?;
        let (secret, made) = if let Ok(token) = std::env::var(TOKEN_VARIABLE) {
            (Secret::value(token), None)
        } else if asked.server.is_some() {
            // A token of this register is for nobody else.
            bail!("set {TOKEN_VARIABLE} to a token of the server at {url_of_server}, with the scope `admin`");
        } else {
            let register = open::register(url, config)?;
            let now = Utc::now();
            let name = format!("dorado {what}, process {}", std::process::id());
            let new = NewToken { name, scopes: vec![Scope::Admin], expires_at: Some(now + VALID) };
            let (token, key) = register.create(&new, "cli", now)?;
            (Secret::value(key.show()), Some((register, token)))
        };
        let outgoing = Outgoing {
            url: address,
            authorization: Authorization::Bearer(secret),
            certificates: config.server.tls_cert.clone().map(|path| Secret::read_by(move || std::fs::read(&path).ok())),
            identity: None,
            // Whoever named the server meant it, wherever it is.
            networks: vec!["0.0.0.0/0".parse()?, "::/0".parse()?],
            headers: Vec::new(),
            every: None,
            since: None,
        };
        let patience = Patience { first_pause: Duration::from_millis(100), ..Patience::default() };
        Ok(Some(Self { http: Http::new(outgoing, Utc::now, patience)?, url: url_of_server, made }))
    }

    /// Where it is.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Does this and takes the token back, whatever comes of it; also where it is interrupted.
    pub(super) async fn through<T>(self, goes_on: &str, work: impl AsyncFnOnce(&Self) -> Result<T>) -> Result<T> {
        let done = tokio::select! {
            done = work(&self) => done,
            _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("{goes_on}")),
        };
        if let Some((register, token)) = &self.made {
            return taken_back(done, &token.id, register.revoke(&token.id, "cli", Utc::now()));
        }
        done
    }

    /// Asks for work; `None` where something else is under way.
    pub(super) async fn ask(&self, path: &str, query: &[(&str, &str)]) -> Result<Option<Value>> {
        let query = Serializer::new(String::new()).extend_pairs(query).finish();
        let path = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        match self.http.post(&path, &Value::Null).await {
            Err(Error::Refused { status: 409, .. }) => Ok(None),
            answer => Ok(Some(read(answer)?)),
        }
    }

    /// Ends something.
    pub(super) async fn delete(&self, path: &str) -> Result<Value> {
        read(self.http.delete(path).await)
    }

    /// What the server tells.
    pub(super) async fn get(&self, path: &str) -> Result<Value> {
        read(self.http.get(path, &[]).await)
    }
}

/// What was done is done, and is told all the same where the token cannot be taken back.
fn taken_back<T>(done: Result<T>, token: &str, revoked: Result<bool, dorado_lake::Error>) -> Result<T> {
    if let Err(error) = revoked {
        let said = format!("cannot revoke the token `{token}`; it ends by itself within a day");
        complain(&anyhow::Error::from(error).context(said));
    }
    done
}

fn read(answer: Result<Answer, Error>) -> Result<Value> {
    match answer {
        Ok(answer) => Ok(answer.json()?),
        Err(Error::Refused { status: 403, .. }) => {
            bail!("the token in {TOKEN_VARIABLE} does not allow this: it needs `admin`")
        }
        Err(Error::Refused { status: 422, said, .. }) => bail!("{said}"),
        Err(error) => Err(error.into()),
    }
}

/// What `work` gives, looking again and again until it gives something.
pub(super) async fn until<T>(mut look: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Shows how work stands every now and then, until it is done.
pub(super) async fn showing<T>(work: impl Future<Output = T>, mut show: impl AsyncFnMut()) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(LOOK) => show().await,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;

    use dorado_api::Tls;

    use super::*;

    #[test]
    fn what_was_done_is_told_also_where_the_token_stays() {
        let stays = || Err(dorado_lake::Error::Closed);
        assert_eq!(taken_back(Ok("3 records"), "t", stays()).unwrap(), "3 records");
        let failed = taken_back::<()>(Err(anyhow::anyhow!("the run ended early")), "t", stays());
        assert_eq!(failed.unwrap_err().to_string(), "the run ended early");
    }

    #[test]
    fn a_server_is_found_where_this_machine_can_reach_it() {
        let plain = Access::local(Arc::new(Register::in_memory().unwrap()));
        let found = |listening: &str, access: &Access| address(listening.parse().unwrap(), access);
        assert_eq!(found("127.0.0.1:8080", &plain), "http://127.0.0.1:8080/");
        assert_eq!(found("0.0.0.0:8080", &plain), "http://127.0.0.1:8080/");
        assert_eq!(found("[::]:8080", &plain), "http://[::1]:8080/");
        let proxied = Access { public_url: Some("https://dorado.example.org".parse().unwrap()), ..plain };
        assert_eq!(found("127.0.0.1:8080", &proxied), "http://127.0.0.1:8080/");
        let tls = Access { tls: Some(Tls { certificate: "c".into(), key: "k".into() }), ..proxied };
        assert_eq!(found("0.0.0.0:8443", &tls), "https://dorado.example.org/");
        assert_eq!(found("127.0.0.1:8443", &Access { public_url: None, ..tls }), "https://127.0.0.1:8443/");
    }
}
