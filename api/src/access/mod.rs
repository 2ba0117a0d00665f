//! Who is let in: who a request comes from, and what that allows. The register of tokens is the lake's; what
//! a route needs is said by the extractor that its handler takes.

mod caller;
mod door;
mod needs;
mod settings;

pub(crate) use caller::{By, Caller, Grant, Visit};
pub(crate) use door::{COOKIE, Credential, Door, HOST_COOKIE, host, is_secure, token_needed};
pub(crate) use needs::{Admin, Ingester, Reader, WholeReader};
pub use settings::{Access, Loopback, Tls};

use std::net::SocketAddr;

/// The other end of the connection that a request came over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);
