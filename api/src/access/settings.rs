//! What is configured about who is let in.

use std::path::PathBuf;
use std::sync::Arc;

use dorado_lake::Register;
use ipnet::IpNet;
use url::Url;

/// Who is let in.
#[derive(Debug, Clone)]
pub struct Access {
    /// The tokens, the sign-ins, the audit log.
    pub register: Arc<Register>,
    /// Whether this machine itself needs a token.
    pub loopback: Loopback,
    /// Proxies that requests may come through; what they say about a request is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Where browsers find this server, where that is not the address it serves on.
    pub public_url: Option<Url>,
    /// Origins, as `https://other.example.org`, whose pages may ask with a token.
    pub allowed_origins: Vec<String>,
    /// The certificate, where this server speaks TLS itself.
    pub tls: Option<Tls>,
}

/// What a connection from this machine may do without a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loopback {
    /// Everything.
    Trusted,
    /// Nothing.
    NeedsToken,
}

/// Files of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The chain, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}

impl Access {
    /// For this machine only.
    pub fn local(register: Arc<Register>) -> Self {
        Self {
            register,
            loopback: Loopback::Trusted,
            trusted_proxies: Vec::new(),
            public_url: None,
            allowed_origins: Vec::new(),
            tls: None,
        }
    }
}
