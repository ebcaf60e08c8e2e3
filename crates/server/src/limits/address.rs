//! Whose request it is, when proxies stand in between.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use axum::http::HeaderMap;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// A range of addresses, written `10.0.0.0/8` or as one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    first: u128,
    mask: u128,
    family: Family,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a network; write it like 10.0.0.0/8")]
pub(crate) struct NetworkError;

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError)?;
        let (number, family) = number(address);
        let bits = match family {
            Family::V4 => 32,
            Family::V6 => 128,
        };
        let length: u32 = match length {
            Some(length) => length.parse().map_err(|_| NetworkError)?,
            None => bits,
        };
        if length > bits {
            return Err(NetworkError);
        }
        // A shift by all 128 bits is nothing to shift.
        let mask = u128::MAX.checked_shl(bits - length).unwrap_or(0);
        Ok(Self {
            first: number & mask,
            mask,
            family,
        })
    }
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        let (number, family) = number(address);
        family == self.family && number & self.mask == self.first
    }
}

fn number(address: IpAddr) -> (u128, Family) {
    match address.to_canonical() {
        IpAddr::V4(address) => (u128::from(u32::from(address)), Family::V4),
        IpAddr::V6(address) => (u128::from(address), Family::V6),
    }
}

/// The entries of all `X-Forwarded-For` headers, in order.
pub(super) fn forwarded_for(headers: &HeaderMap) -> Vec<&str> {
    headers
        .get_all(FORWARDED_FOR)
        .iter()
        // What cannot be read stays as an entry that nobody vouches for.
        .flat_map(|value| value.to_str().unwrap_or("unreadable").split(','))
        .map(str::trim)
        .collect()
}

/// The address that the outermost trusted proxy saw.
///
/// Each proxy appends the address it was called from, so only the entries that trusted proxies
/// wrote, counted from the right, are true; anybody can send the rest.
pub(super) fn client(peer: IpAddr, forwarded: &[&str], trusted: &[Network]) -> IpAddr {
    let mut client = peer.to_canonical();
    let mut entries = forwarded.iter().rev();
    while trusted.iter().any(|network| network.contains(client)) {
        match entries.next().and_then(|entry| parse(entry)) {
            Some(address) => client = address,
            None => break,
        }
    }
    client
}

/// Some proxies write the port too.
fn parse(entry: &str) -> Option<IpAddr> {
    let address = entry
        .parse()
        .or_else(|_| {
            entry
                .parse()
                .map(|with_port: std::net::SocketAddr| with_port.ip())
        })
        .ok()?;
    Some(IpAddr::to_canonical(&address))
}

/// What one subscriber of a provider gets: an IPv4 address, or a whole /64 of IPv6.
pub(super) fn subscriber(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let network = u128::from(address) & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> Vec<Network> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn networks_are_read_as_they_are_written() {
        let contains = |network: &str, address: &str| {
            let network: Network = network.parse().unwrap();
            network.contains(address.parse().unwrap())
        };
        assert!(contains("10.0.0.0/8", "10.255.0.1"));
        assert!(!contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("0.0.0.0/0", "203.0.113.7"));
        assert!(contains("::/0", "2001:db8::1"));
        assert!(!contains("::/0", "203.0.113.7"));
        assert!(contains("127.0.0.1", "127.0.0.1"));
        assert!(!contains("127.0.0.1", "127.0.0.2"));
        assert!(contains("127.0.0.0/8", "::ffff:127.0.0.1"));
        assert!(contains("2001:db8::/32", "2001:db8:ffff::1"));
        for text in [
            "",
            "10.0.0.0/33",
            "::/129",
            "ten/8",
            "10.0.0.0/",
            "10.0.0.0/-1",
        ] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError), "{text}");
        }
    }

    #[test]
    fn only_what_trusted_proxies_wrote_is_believed() {
        let trusted = networks(&["10.0.0.0/8", "fd00::/8"]);
        for (peer, forwarded, expected) in [
            ("203.0.113.7", &["198.51.100.1"][..], "203.0.113.7"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["198.51.100.1", "203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["203.0.113.7", "10.9.9.9"], "203.0.113.7"),
            ("10.0.0.1", &["10.9.9.9"], "10.9.9.9"),
            ("10.0.0.1", &["203.0.113.7:4711"], "203.0.113.7"),
            ("10.0.0.1", &["203.0.113.7", "garbage"], "10.0.0.1"),
            ("::ffff:10.0.0.1", &["2001:db8::1"], "2001:db8::1"),
            ("fd00::1", &["[2001:db8::1]:443"], "2001:db8::1"),
        ] {
            let client = client(peer.parse().unwrap(), forwarded, &trusted);
            assert_eq!(
                client,
                expected.parse::<IpAddr>().unwrap(),
                "{peer} {forwarded:?}"
            );
        }
    }

    #[test]
    fn headers_are_read_in_order_and_split_at_commas() {
        let mut headers = HeaderMap::new();
        headers.append(FORWARDED_FOR, "a, b".parse().unwrap());
        headers.append(FORWARDED_FOR, "c".parse().unwrap());
        assert_eq!(forwarded_for(&headers), ["a", "b", "c"]);
    }

    #[test]
    fn a_subscriber_with_ipv6_is_one_caller() {
        let one: IpAddr = "2001:db8::1".parse().unwrap();
        let other: IpAddr = "2001:db8::ffff:1".parse().unwrap();
        assert_eq!(subscriber(one), subscriber(other));
        let neighbor: IpAddr = "2001:db8:0:1::1".parse().unwrap();
        assert_ne!(subscriber(one), subscriber(neighbor));
    }
}
