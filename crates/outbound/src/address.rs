//! Which machines may be asked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use url::{Host, Url};

/// How far a request may lead.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Hash)]
pub enum Reach {
    /// Whatever the network has, but nothing on this machine and no service that hands out its credentials.
    #[default]
    Network,
    /// This machine, too.
    ThisMachine,
}

/// Why an address may not be asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// A loopback address, or one that means it.
    #[error("it is this machine")]
    ThisMachine,
    /// Link-local and multicast addresses, and those of metadata services.
    #[error("it is link-local or serves credentials")]
    Never,
    /// No host, so that there is nothing to ask.
    #[error("it names no host")]
    NoHost,
}

/// Hand out credentials to programs on the same machine or network.
const METADATA_HOSTS: [&str; 3] = ["metadata", "metadata.google.internal", "metadata.goog"];
/// Alibaba Cloud, Azure, Oracle Cloud; the others use a link-local address.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];
/// AWS.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

impl Reach {
    /// Passes an address that may be asked.
    ///
    /// # Errors
    /// It may not.
    pub fn permits(self, address: IpAddr) -> Result<(), Refusal> {
        let address = address.to_canonical();
        let (here, never) = match address {
            IpAddr::V4(one) => (
                one.is_loopback() || one.octets().first() == Some(&0),
                one.is_link_local()
                    || one.is_multicast()
                    || one.is_broadcast()
                    || METADATA_V4.contains(&one),
            ),
            IpAddr::V6(one) => (
                one.is_loopback() || one.is_unspecified(),
                one.is_unicast_link_local() || one.is_multicast() || one == METADATA_V6,
            ),
        };
        if never {
            Err(Refusal::Never)
        } else if here && self == Self::Network {
            Err(Refusal::ThisMachine)
        } else {
            Ok(())
        }
    }
}

/// Passes a URL whose host may be asked, as far as that can be seen without looking a name up.
///
/// # Errors
/// It may not, or there is no host.
pub fn check(url: &Url, reach: Reach) -> Result<(), Refusal> {
    match url.host() {
        None => Err(Refusal::NoHost),
        Some(Host::Ipv4(address)) => reach.permits(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => reach.permits(IpAddr::V6(address)),
        Some(Host::Domain(name)) if serves_credentials(name) => Err(Refusal::Never),
        Some(Host::Domain(_)) => Ok(()),
    }
}

fn serves_credentials(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    let mut known = METADATA_HOSTS.iter();
    known.any(|known| known.eq_ignore_ascii_case(name))
}

/// Looks a host up (a name, or an address with or without brackets) and passes it when all of its addresses may be
/// asked. A name that nobody knows passes: the request itself tells that.
///
/// # Errors
/// The host and one of its addresses that may not be asked.
pub async fn lookup(host: &str, reach: Reach) -> Result<(), String> {
    let name = host.trim_matches(['[', ']']);
    if serves_credentials(name) {
        return Err(format!("{host} may not be asked: {}", Refusal::Never));
    }
    if let Ok(address) = name.parse::<IpAddr>() {
        let refused = |why| format!("{address} may not be asked: {why}");
        return reach.permits(address).map_err(refused);
    }
    let found = tokio::net::lookup_host((name, 0)).await;
    for address in found.into_iter().flatten().map(|one: SocketAddr| one.ip()) {
        let refused = |why| format!("{host} leads to {address}, which may not be asked: {why}");
        reach.permits(address).map_err(refused)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_that_are_never_asked() {
        for address in [
            "169.254.169.254",
            "fe80::1",
            "fd00:ec2::254",
            "::ffff:169.254.169.254",
            "100.100.100.200",
            "224.0.0.1",
        ] {
            let address = address.parse().unwrap();
            assert!(Reach::ThisMachine.permits(address).is_err(), "{address}");
        }
        for address in ["127.0.0.1", "::1", "0.0.0.0", "::ffff:127.0.0.1"] {
            let address = address.parse().unwrap();
            assert!(Reach::Network.permits(address).is_err(), "{address}");
            assert!(Reach::ThisMachine.permits(address).is_ok(), "{address}");
        }
        for address in ["10.0.0.1", "192.168.1.1", "140.82.121.3", "2606:50c0::1"] {
            let address = address.parse().unwrap();
            assert!(Reach::Network.permits(address).is_ok(), "{address}");
        }
    }

    #[test]
    fn addresses_are_seen_through_their_spelling() {
        for address in [
            "http://169.254.169.254/latest/meta-data",
            "http://[::ffff:169.254.169.254]/",
            "http://2852039166/",
            "http://metadata.google.internal./computeMetadata",
            "file:///etc/passwd",
        ] {
            let url = Url::parse(address).unwrap();
            assert!(check(&url, Reach::ThisMachine).is_err(), "{address}");
        }
        let here = Url::parse("http://0.0.0.0/").unwrap();
        assert_eq!(check(&here, Reach::Network), Err(Refusal::ThisMachine));
        let there = Url::parse("http://prometheus.monitoring:9090").unwrap();
        assert_eq!(check(&there, Reach::Network), Ok(()));
    }

    #[tokio::test]
    async fn names_are_looked_up() {
        let error = lookup("localhost", Reach::Network).await.unwrap_err();
        assert!(error.contains("localhost leads to"), "{error}");
        lookup("localhost", Reach::ThisMachine).await.unwrap();
        lookup("nobody.invalid", Reach::Network).await.unwrap();
        lookup("[::1]", Reach::Network).await.unwrap_err();
    }
}
