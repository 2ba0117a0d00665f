//! Why a tool could not be asked, in words for whoever can mend it. Never with a token, a query or a body.

use std::net::IpAddr;

use dorado_lake::Instant;
use url::Url;

use super::shown;

/// Why a call came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The URL is none, or none that can be asked.
    #[error("`{url}` cannot be asked: {problem}")]
    BadUrl {
        /// The URL.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Somebody would have us ask elsewhere.
    #[error("{url} is not below the connection's url {base}")]
    NotAllowed {
        /// The URL.
        url: String,
        /// What may be asked.
        base: String,
    },
    /// The name leads into a private network.
    #[error(
        "{host} is at {address}, in a private network; where that is meant, the connection says networks = [\"{address}\"]"
    )]
    Private {
        /// The name.
        host: String,
        /// Where it leads.
        address: IpAddr,
    },
    /// The token or the certificates cannot be read.
    #[error("the token or the certificates for {host} cannot be read")]
    Token {
        /// The tool's host.
        host: String,
    },
    /// No answer.
    #[error("no answer from {url}: {cause}")]
    Unreachable {
        /// The URL.
        url: String,
        /// Why.
        cause: String,
    },
    /// The answer ended early.
    #[error("the answer of {url} ended early")]
    Truncated {
        /// The URL.
        url: String,
    },
    /// More than anybody needs.
    #[error("the answer of {url} is larger than {limit} bytes")]
    TooLarge {
        /// The URL.
        url: String,
        /// The most that is read.
        limit: usize,
    },
    /// Not what its documentation says.
    #[error("the answer of {url} is not as expected at {place}: {problem}")]
    NotJson {
        /// The URL.
        url: String,
        /// Where in the body.
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// It has another address now.
    #[error("{url} has moved to {to}")]
    Moved {
        /// The URL.
        url: String,
        /// Where to.
        to: String,
    },
    /// The tool will not answer before.
    #[error("{url} takes no more calls before {}", until.format("%H:%M:%S UTC"))]
    Limited {
        /// The URL.
        url: String,
        /// When it will.
        until: Instant,
    },
    /// The tool said no, or that it is not well.
    #[error("{url} answered {status}{}", explained(*status, said))]
    Refused {
        /// The URL.
        url: String,
        /// Its answer's status.
        status: u16,
        /// Its answer's message.
        said: String,
    },
    /// The tool answered, but what was asked for is not to be had with this token or these options.
    #[error("{0}")]
    Unsuitable(String),
}

fn explained(status: u16, said: &str) -> String {
    let why = match status {
        401 => ": the token is missing, wrong, expired or revoked",
        403 => ": the token may not do this",
        404 | 410 => ": there is no such thing, or the token may not see it",
        500.. => ": it is not well",
        _ => "",
    };
    if said.is_empty() { why.to_owned() } else { format!("{why} (it says: {said})") }
}

impl Error {
    /// The status with which it was refused.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether what was asked for is not there, or not for us.
    pub fn is_gone(&self) -> bool {
        matches!(self.status(), Some(404 | 410 | 451))
    }

    /// Whether the same call may succeed a moment later.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Truncated { .. } => true,
            Self::Refused { status, .. } => matches!(status, 408 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// The error of a call that brought no whole answer.
    pub(super) fn of(url: &Url, error: &reqwest::Error) -> Self {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
        let mut last = String::new();
        while let Some(error) = cause {
            if let Some(ours) = error.downcast_ref::<Self>() {
                return ours.clone();
            }
            last = error.to_string();
            cause = error.source();
        }
        let url = shown(url);
        if error.is_timeout() {
            return Self::Unreachable { url, cause: "it took too long".to_owned() };
        }
        if error.is_body() || error.is_decode() {
            return Self::Truncated { url };
        }
        Self::Unreachable { url, cause: last }
    }
}
