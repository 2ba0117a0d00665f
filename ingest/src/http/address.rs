//! Where may be connected to. A name is resolved, its addresses are checked, and to these very ones the connection
//! is made: a name that leads elsewhere the next moment leads nowhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::Error;

/// Networks that are nobody's on the internet.
const PRIVATE: [&str; 22] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/128",
    "::1/128",
    "100::/64",
    "2001:db8::/32",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

/// Decides which addresses may be connected to.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    host: String,
    networks: Vec<IpNet>,
}

impl Guard {
    /// Lets pass what is public, what lies in `networks`, and the address that the base URL itself names.
    pub(super) fn new(base: &Url, mut networks: Vec<IpNet>) -> Self {
        match base.host() {
            Some(Host::Ipv4(address)) => networks.push(IpNet::from(IpAddr::from(address))),
            Some(Host::Ipv6(address)) => networks.push(IpNet::from(IpAddr::from(address))),
            Some(Host::Domain("localhost")) => {
                networks.push(IpNet::from(IpAddr::from(Ipv4Addr::LOCALHOST)));
                networks.push(IpNet::from(IpAddr::from(Ipv6Addr::LOCALHOST)));
            }
            _ => {}
        }
        Self { host: super::host(base), networks }
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Checks an address that stands in the URL, since no name is resolved then.
    pub(super) fn check_literal(&self, url: &Url) -> Result<(), Error> {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::from(address),
            Some(Host::Ipv6(address)) => IpAddr::from(address),
            _ => return Ok(()),
        };
        if self.allows(address) { Ok(()) } else { Err(Error::Private { host: super::host(url), address }) }
    }

    fn allows(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address)) || is_public(address)
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, host) = (self.clone(), name.as_str().to_owned());
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            let (allowed, refused): (Vec<_>, Vec<_>) = found.into_iter().partition(|found| guard.allows(found.ip()));
            match refused.first() {
                Some(refused) if allowed.is_empty() => Err(Error::Private { host, address: refused.ip() }.into()),
                _ => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

/// Whether an address is somebody's on the internet. One that carries another in it is judged by that.
fn is_public(address: IpAddr) -> bool {
    let carried = match address {
        IpAddr::V6(v6) => carried(v6),
        IpAddr::V4(_) => None,
    };
    let address = carried.map_or(address, IpAddr::from);
    !PRIVATE.iter().any(|network| network.parse::<IpNet>().is_ok_and(|network| network.contains(&address)))
}

/// The IPv4 address in an IPv6 one: mapped, compatible, of NAT64 or of 6to4.
fn carried(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let of = |at: usize| Ipv4Addr::from((u32::from(segments[at]) << 16) | u32::from(segments[at + 1]));
    match segments {
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => Some(of(6)),
        [0, 0, 0, 0, 0, 0, high, _] if high != 0 => Some(of(6)),
        [0x2002, ..] => Some(of(1)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_is_nobodys_on_the_internet_is_private() {
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "::7f00:1",
            "ff02::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in ["140.82.112.3", "1.1.1.1", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "2002:808:808::"]
        {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn an_address_is_let_pass_where_it_is_named() {
        let allows = |base: &str, networks: &[&str], address: &str| {
            let networks = networks.iter().map(|network| network.parse().unwrap()).collect();
            Guard::new(&Url::parse(base).unwrap(), networks).allows(address.parse().unwrap())
        };
        assert!(allows("http://127.0.0.1:8080", &[], "127.0.0.1"), "the URL names it");
        assert!(!allows("http://127.0.0.1:8080", &[], "127.0.0.2"));
        assert!(allows("http://localhost:8080", &[], "::1"));
        assert!(!allows("https://tool.example.org", &[], "10.0.0.7"), "a name that leads inside");
        assert!(allows("https://tool.example.org", &["10.0.0.0/8"], "10.0.0.7"));
        assert!(!allows("https://tool.example.org", &["10.0.0.0/8"], "169.254.169.254"));
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_refused_at_connect() {
        let guard = Guard::new(&Url::parse("https://tool.example.org").unwrap(), Vec::new());
        let refused = guard.resolve("localhost".parse().unwrap()).await.err().unwrap();
        assert!(refused.downcast_ref::<Error>().is_some_and(|e| matches!(e, Error::Private { .. })), "{refused}");
    }
}
