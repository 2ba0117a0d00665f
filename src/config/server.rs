//! `[server]`: who is let in, and how.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use dorado_api::{Access, Loopback, Tls};
use dorado_lake::Register;
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

/// Who is let in, and how.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ServerConfig {
    /// Certificate chain in PEM, to speak TLS; needs `tls_key`. Read again when it changes.
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key of the certificate, in PEM.
    pub(crate) tls_key: Option<PathBuf>,
    /// Proxies that may connect without TLS, as addresses or networks. Nobody else but this machine may.
    pub(crate) trusted_proxies: Vec<String>,
    /// Where browsers find this server, where a proxy gives it another address.
    pub(crate) public_url: Option<String>,
    /// Whether connections from this machine need no token. Default: true, unless a proxy is named or `public_url` is set.
    pub(crate) loopback_without_token: Option<bool>,
    /// Origins, as `https://other.example.org`, whose pages may ask with a token. Default: none.
    pub(crate) allowed_origins: Vec<String>,
}

impl ServerConfig {
    /// Who is let in on an address.
    pub(crate) fn access(&self, address: SocketAddr, register: Arc<Register>) -> Result<Access> {
        let proxies = self.trusted_proxies.iter().map(|text| network(text)).collect::<Result<Vec<_>>>()?;
        let tls = match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => Some(Tls { certificate: certificate.clone(), key: key.clone() }),
            (None, None) => None,
            _ => bail!("`server.tls_cert` and `server.tls_key` go together: one of them is missing"),
        };
        if !address.ip().is_loopback() && tls.is_none() && proxies.is_empty() {
            bail!(
                "{address} can be reached by others, who could read tokens and answers on their way: set \
                 `server.tls_cert` and `server.tls_key`, or name the proxy that speaks TLS in \
                 `server.trusted_proxies`, or serve on a loopback address"
            );
        }
        let public_url = self.public_url.as_deref().map(public_url).transpose()?;
        let is_alone = proxies.is_empty() && public_url.is_none();
        let is_trusted = self.loopback_without_token.unwrap_or(is_alone);
        let loopback = if is_trusted { Loopback::Trusted } else { Loopback::NeedsToken };
        let allowed_origins = self.allowed_origins.iter().map(|text| origin(text)).collect::<Result<Vec<_>>>()?;
        Ok(Access { register, loopback, trusted_proxies: proxies, public_url, allowed_origins, tls })
    }
}

/// An address or a network of them.
pub(super) fn network(text: &str) -> Result<IpNet> {
    let address = text.parse::<std::net::IpAddr>().map(IpNet::from);
    address.or_else(|_| text.parse()).with_context(|| {
        format!("`server.trusted_proxies` has `{text}`: expected an address or a network, as 10.0.0.7 or 10.0.0.0/8")
    })
}

pub(super) fn public_url(text: &str) -> Result<Url> {
    let url = Url::parse(text).ok().filter(|url| is_web(url) && url.path() == "/" && url.query().is_none());
    url.with_context(|| format!("`server.public_url` is `{text}`: expected an address as https://dorado.example.org"))
}

pub(super) fn origin(text: &str) -> Result<String> {
    let origin = Url::parse(text).ok().filter(is_web).map(|url| url.origin().ascii_serialization());
    origin.filter(|origin| origin == text).with_context(|| {
        format!(
            "`server.allowed_origins` has `{text}`: expected an origin as https://other.example.org, without a path"
        )
    })
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn access(config: &ServerConfig, address: &str) -> Result<Access> {
        config.access(address.parse().unwrap(), Arc::new(Register::in_memory().unwrap()))
    }

    #[test]
    fn an_address_that_others_can_reach_needs_tls_or_a_proxy() {
        let plain = ServerConfig::default();
        assert_eq!(access(&plain, "127.0.0.1:0").unwrap().loopback, Loopback::Trusted);
        assert_eq!(access(&plain, "[::1]:0").unwrap().loopback, Loopback::Trusted);
        for address in ["0.0.0.0:0", "[::]:0", "10.0.0.1:0"] {
            let refused = access(&plain, address).unwrap_err().to_string();
            assert!(refused.contains("tls_cert") && refused.contains("trusted_proxies"), "{refused}");
        }
        let proxied = ServerConfig { trusted_proxies: vec!["10.0.0.0/8".into(), "::1".into()], ..plain.clone() };
        assert_eq!(access(&proxied, "0.0.0.0:0").unwrap().loopback, Loopback::NeedsToken);
        let tls = ServerConfig { tls_cert: Some("c".into()), tls_key: Some("k".into()), ..plain.clone() };
        assert_eq!(access(&tls, "0.0.0.0:0").unwrap().loopback, Loopback::Trusted);
        assert!(access(&ServerConfig { tls_key: None, ..tls }, "0.0.0.0:0").is_err());
    }

    #[test]
    fn a_proxy_in_front_takes_loopback_its_trust_unless_it_is_given_back() {
        let behind = ServerConfig { public_url: Some("https://dorado.example.org".into()), ..ServerConfig::default() };
        assert_eq!(access(&behind, "127.0.0.1:0").unwrap().loopback, Loopback::NeedsToken);
        let trusting = ServerConfig { loopback_without_token: Some(true), ..behind };
        assert_eq!(access(&trusting, "127.0.0.1:0").unwrap().loopback, Loopback::Trusted);
    }

    #[test]
    fn what_is_no_address_is_said_so() {
        assert!(network("10.0.0.0/33").is_err() && network("proxy").is_err());
        assert!(public_url("dorado.example.org").is_err() && public_url("https://a.example/b").is_err());
        assert!(origin("https://a.example/").is_err() && origin("*").is_err());
        assert_eq!(origin("https://a.example:8443").unwrap(), "https://a.example:8443");
    }
}
