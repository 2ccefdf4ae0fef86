//! Hosts that are on this machine, or in a network of one's own.

use std::net::Ipv6Addr;

use url::{Host, Url};

/// Names that no public DNS knows.
const PRIVATE_SUFFIXES: [&str; 8] = [
    "localhost",
    "local",
    "internal",
    "lan",
    "home.arpa",
    "svc",
    "test",
    "invalid",
];

/// Whether a URL names this machine, where no proxy leads.
pub fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether nobody outside this machine or its network gets to a URL's host, as far as its name or
/// address tells.
pub fn is_private(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            let ends_in = |suffix: &&str| {
                let rest = name.strip_suffix(*suffix);
                rest.is_some_and(|rest| rest.ends_with('.'))
            };
            // Without a dot, it is a name of a container, or of a machine in the same network.
            !name.contains('.') || PRIVATE_SUFFIXES.iter().any(ends_in)
        }
        Some(Host::Ipv4(address)) => {
            let [first, second, ..] = address.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            is_shared
                || address.is_loopback()
                || address.is_private()
                || address.is_link_local()
                || address.is_unspecified()
        }
        Some(Host::Ipv6(address)) => is_private_v6(address),
        None => true,
    }
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    if let Some(address) = address.to_ipv4_mapped() {
        return Url::parse(&format!("http://{address}")).is_ok_and(|url| is_private(&url));
    }
    address.is_loopback()
        || address.is_unspecified()
        || address.is_unique_local()
        || address.is_unicast_link_local()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_hosts_are_told_from_public_ones() {
        for (host, private) in [
            ("overflow.example.com", false),
            ("localhost.example.com", false),
            ("mylocal", true),
            ("mylan.com", false),
            ("8.8.8.8", false),
            ("100.128.0.1", false),
            ("[2001:4860:4860::8888]", false),
            ("localhost", true),
            ("ingest", true),
            ("ingest.overflow.svc", true),
            ("ingest.overflow.svc.cluster.local", true),
            ("printer.lan", true),
            ("127.0.0.1", true),
            ("10.1.2.3", true),
            ("172.16.0.1", true),
            ("192.168.1.5", true),
            ("169.254.1.1", true),
            ("100.64.0.1", true),
            ("0.0.0.0", true),
            ("[::1]", true),
            ("[fd00::1]", true),
            ("[fe80::1]", true),
            ("[::ffff:10.0.0.1]", true),
        ] {
            let url = Url::parse(&format!("https://{host}/x")).unwrap();
            assert_eq!(is_private(&url), private, "{host}");
        }
    }
}
