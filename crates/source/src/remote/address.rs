//! Which machines are never asked, whatever a repository says.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Reach;
use crate::repository::{Address, Repository};

/// Hand out credentials to programs on the same machine or network.
const METADATA_HOSTS: [&str; 3] = ["metadata", "metadata.google.internal", "metadata.goog"];
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// Says why a repository may not be asked.
pub(super) async fn check_repository(repository: &Repository, reach: Reach) -> Result<(), String> {
    let address = repository.address().map_err(|error| error.to_string())?;
    let (host, port) = match address {
        Address::Local(_) if reach == Reach::Anywhere => return Ok(()),
        Address::Local(_) => return Err("it is a folder of this machine".to_owned()),
        Address::Http(url) => (
            url.host_str().unwrap_or_default().to_owned(),
            url.port_or_known_default().unwrap_or(443),
        ),
        Address::Ssh { host, port, .. } => (host, port.unwrap_or(22)),
    };
    resolve(&host, port, reach, repository.proxy.is_some())
        .await
        .map(drop)
}

/// Returns the addresses of a host, all of which may be asked; none when a proxy looks them up, or nobody can.
pub(super) async fn resolve(
    host: &str,
    port: u16,
    reach: Reach,
    has_proxy: bool,
) -> Result<Vec<SocketAddr>, String> {
    let name = host.trim_matches(['[', ']']).trim_end_matches('.');
    if METADATA_HOSTS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name))
    {
        return Err(format!("{host} serves credentials of this machine"));
    }
    if let Ok(address) = name.parse::<IpAddr>() {
        check(address, reach)?;
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    if has_proxy {
        return Ok(Vec::new());
    }
    // A name that cannot be looked up now is told by the request itself.
    let found = tokio::net::lookup_host((name, port)).await;
    let found: Vec<SocketAddr> = found.map(Iterator::collect).unwrap_or_default();
    for address in &found {
        check(address.ip(), reach).map_err(|reason| format!("{host} leads to {reason}"))?;
    }
    Ok(found)
}

fn check(address: IpAddr, reach: Reach) -> Result<(), String> {
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
        return Err(format!(
            "{address}, which is link-local or serves credentials"
        ));
    }
    if here && reach == Reach::Network {
        return Err(format!("{address}, which is this machine"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Reach, check};

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
            assert!(check(address, Reach::Anywhere).is_err(), "{address}");
        }
        for address in ["127.0.0.1", "::1", "0.0.0.0", "::ffff:127.0.0.1"] {
            let address = address.parse().unwrap();
            assert!(check(address, Reach::Network).is_err(), "{address}");
            assert!(check(address, Reach::Anywhere).is_ok(), "{address}");
        }
        for address in ["10.0.0.1", "192.168.1.1", "140.82.121.3", "2606:50c0::1"] {
            let address = address.parse().unwrap();
            assert!(check(address, Reach::Network).is_ok(), "{address}");
        }
    }
}
