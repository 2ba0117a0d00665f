//! TLS: the certificate, read again where its files have changed, so that one that is renewed needs no restart.

use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};

use crate::Tls;

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("cannot read the certificate `{0}`")]
    Certificate(String, #[source] rustls::pki_types::pem::Error),
    #[error("`{0}` holds no certificate")]
    NoCertificate(String),
    #[error("cannot read the key `{0}`")]
    Key(String, #[source] rustls::pki_types::pem::Error),
    #[error("the certificate `{0}` and its key cannot be used")]
    Pair(String, #[source] rustls::Error),
}

/// The certificate in force.
#[derive(Debug)]
pub(crate) struct Certificate {
    tls: Tls,
    current: RwLock<Arc<CertifiedKey>>,
    changed_at: RwLock<[Option<SystemTime>; 2]>,
}

impl Certificate {
    /// Reads it.
    pub(crate) fn read(tls: &Tls) -> io::Result<Arc<Self>> {
        let changed_at = RwLock::new(Self::change_of(tls));
        let current = RwLock::new(Arc::new(pair(tls).map_err(io::Error::other)?));
        Ok(Arc::new(Self { tls: tls.clone(), current, changed_at }))
    }

    /// Reads it again where its files have changed. One that cannot be used changes nothing.
    pub(crate) fn read_again(&self) {
        let changed_at = Self::change_of(&self.tls);
        {
            let mut known = self.changed_at.write().unwrap_or_else(PoisonError::into_inner);
            if *known == changed_at {
                return;
            }
            *known = changed_at;
        }
        match pair(&self.tls) {
            Ok(new) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
                tracing::info!("the certificate was renewed");
            }
            Err(error) => tracing::error!(%error, "the certificate changed and cannot be used; the one before stays"),
        }
    }

    /// What makes TLS of connections.
    pub(crate) fn acceptor(self: &Arc<Self>) -> io::Result<TlsAcceptor> {
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        let mut config = config.with_no_client_auth().with_cert_resolver(Arc::<Self>::clone(self));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    fn change_of(tls: &Tls) -> [Option<SystemTime>; 2] {
        [&tls.certificate, &tls.key].map(|file| file.metadata().and_then(|file| file.modified()).ok())
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn pair(tls: &Tls) -> Result<CertifiedKey, Unusable> {
    let name = |path: &Path| path.display().to_string();
    let file = name(&tls.certificate);
    let unreadable = |error| Unusable::Certificate(file.clone(), error);
    let chain = CertificateDer::pem_file_iter(&tls.certificate).map_err(unreadable)?;
    let chain = chain.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    if chain.is_empty() {
        return Err(Unusable::NoCertificate(file));
    }
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| Unusable::Key(name(&tls.key), error))?;
    CertifiedKey::from_der(chain, key, &default_provider()).map_err(|error| Unusable::Pair(file, error))
}
