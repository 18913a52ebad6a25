//! Which addresses a request may reach.
//!
//! A host that the user named may be anywhere but in link-local space (where
//! clouds keep their metadata services). A host that only content names, such
//! as a manifest of the bundle or the index of a chart repository, must be
//! public. A host that only a registry's answer names, through a redirect or a
//! token realm, may not be deeper inside the network than the registry itself.
//! The rule is applied where a name becomes an address, so that a name that
//! resolves differently the next time gains nothing; behind a proxy only
//! literals can be judged, the proxy resolves.

use std::{
    collections::HashMap,
    fmt, io, iter,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs},
    sync::{Arc, Mutex, PoisonError},
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::error::Fault;
use crate::model::text::causes;

/// Where an address lies, the most public first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Zone {
    /// Everywhere else.
    Public,
    /// Of an organisation's network, or set aside for some other use.
    Private,
    /// This machine.
    Loopback,
    /// One cable; the metadata services of clouds.
    LinkLocal,
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Zone::Public => "public",
            Zone::Private => "private",
            Zone::Loopback => "loopback",
            Zone::LinkLocal => "link-local",
        })
    }
}

impl Zone {
    /// The zone of an address; an IPv4 address inside an IPv6 one counts as
    /// what it is.
    pub(super) fn of(ip: IpAddr) -> Zone {
        match ip {
            IpAddr::V4(v4) => Self::of_v4(v4),
            IpAddr::V6(v6) => Self::of_v6(v6),
        }
    }

    fn of_v4(ip: Ipv4Addr) -> Zone {
        match ip.octets() {
            [127 | 0, ..] => Zone::Loopback,
            [169, 254, ..] => Zone::LinkLocal,
            [10, ..] | [192, 168, ..] | [198, 18 | 19, ..] => Zone::Private,
            // For protocols, for documentation, and the relays of 6to4.
            [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 51, 100, _] | [203, 0, 113, _] => {
                Zone::Private
            }
            [172, b, ..] if (16..32).contains(&b) => Zone::Private,
            [100, b, ..] if (64..128).contains(&b) => Zone::Private,
            [224..=255, ..] => Zone::Private,
            _ => Zone::Public,
        }
    }

    fn of_v6(ip: Ipv6Addr) -> Zone {
        if ip.is_loopback() || ip.is_unspecified() {
            return Zone::Loopback;
        }
        let [a, b, c, d, e, f, g, h] = ip.segments();
        let v4 = |hi: u16, lo: u16| {
            let ([p, q], [r, s]) = (hi.to_be_bytes(), lo.to_be_bytes());
            Self::of_v4(Ipv4Addr::new(p, q, r, s))
        };
        match (a, b) {
            // Mapped, compatible and translated IPv4, then 6to4.
            (0, 0) if (c, d) == (0, 0) => v4(g, h),
            (0x64, 0xff9b) if (c, d, e, f) == (0, 0, 0, 0) => v4(g, h),
            (0x64, 0xff9b) => Zone::Private,
            (0x2002, hi) => v4(hi, c),
            (0xfe80..=0xfebf, _) => Zone::LinkLocal,
            // Teredo, and documentation.
            (0x2001, 0 | 0xdb8) | (0x3fff, 0..=0x0fff) => Zone::Private,
            (0x2000..=0x3fff, _) => Zone::Public,
            // Unique local, site-local, multicast, and what nobody was given.
            _ => Zone::Private,
        }
    }
}

/// How far into the network a request may reach, the narrowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Reach {
    /// Public only.
    Public,
    /// Public and private, not this machine.
    Private,
    /// The user named the host: anything but link-local.
    Named,
}

impl Reach {
    /// How far a host may send us that itself lies in `zone`.
    pub(super) fn beyond(zone: Zone) -> Self {
        match zone {
            Zone::Loopback => Reach::Named,
            Zone::Private => Reach::Private,
            Zone::Public | Zone::LinkLocal => Reach::Public,
        }
    }

    /// Whether an address in `zone` may be reached.
    pub(super) fn permits(self, zone: Zone) -> bool {
        match zone {
            Zone::Public => true,
            Zone::Private => self != Reach::Public,
            Zone::Loopback => self == Reach::Named,
            Zone::LinkLocal => false,
        }
    }

    /// Judges what can be judged without resolving: literals and the names
    /// that mean this machine.
    pub(super) fn check(self, url: &Url) -> Result<(), Fault> {
        let address = match url.host() {
            Some(Host::Ipv4(ip)) => Some(ip.into()),
            Some(Host::Ipv6(ip)) => Some(ip.into()),
            Some(Host::Domain(_)) | None => None,
        };
        match literal_zone(url) {
            Some(zone) if !self.permits(zone) => {
                Err(refusal(url.host_str().unwrap_or(""), address, zone))
            }
            _ => Ok(()),
        }
    }
}

/// The zone of a URL whose host says it: an address, or a name of this machine.
pub(super) fn literal_zone(url: &Url) -> Option<Zone> {
    match url.host()? {
        Host::Ipv4(ip) => Some(Zone::of(ip.into())),
        Host::Ipv6(ip) => Some(Zone::of(ip.into())),
        Host::Domain(name) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            (name == "localhost" || name.ends_with(".localhost")).then_some(Zone::Loopback)
        }
    }
}

/// Whether the host of a URL is an address rather than a name.
pub(super) fn is_literal(url: &Url) -> bool {
    matches!(url.host(), Some(Host::Ipv4(_) | Host::Ipv6(_)))
}

fn refusal(host: &str, address: Option<IpAddr>, zone: Zone) -> Fault {
    Fault::OutOfReach { host: host.to_owned(), address, zone }
}

/// How names become addresses: as the system says, unless somebody else is to
/// be asked.
#[derive(Clone, Default)]
pub struct Lookup(Option<Arc<Resolver>>);

/// What a [`Lookup`] asks.
type Resolver = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lookup").field(&self.0.is_some()).finish()
    }
}

impl Lookup {
    /// Asks `resolver`, each time that a connection is made. What it says is
    /// judged as an answer of the system is.
    pub fn by(resolver: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(resolver)))
    }

    /// Blocks.
    fn addresses(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        match &self.0 {
            Some(resolver) => {
                Ok(resolver(name)?.into_iter().map(|ip| SocketAddr::new(ip, 0)).collect())
            }
            None => Ok((name, 0).to_socket_addrs()?.collect()),
        }
    }
}

/// What the names that users named resolved to: the most public zone seen, for
/// good, so that a later answer cannot widen what a registry may send us to.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<HashMap<String, Zone>>);

impl Seen {
    fn note(&self, name: &str, zone: Zone) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = seen.entry(name.to_ascii_lowercase()).or_insert(zone);
        *known = zone.min(*known);
    }

    /// The zone of the host of `url`; public when nothing says otherwise.
    pub(super) fn zone(&self, url: &Url) -> Zone {
        let known = || {
            let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            seen.get(&url.host_str()?.to_ascii_lowercase()).copied()
        };
        literal_zone(url).or_else(known).unwrap_or(Zone::Public)
    }
}

/// Resolves names within a [`Reach`].
pub(super) struct Guard {
    pub(super) reach: Reach,
    /// The proxies that the environment names; they may be anywhere.
    pub(super) proxies: Arc<[String]>,
    /// Written to by the guard of named hosts.
    pub(super) seen: Arc<Seen>,
    pub(super) lookup: Lookup,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        let (reach, seen, lookup) = (self.reach, Arc::clone(&self.seen), self.lookup.clone());
        let is_proxy = self.proxies.contains(&name);
        Box::pin(async move {
            let wanted = name.clone();
            let addresses =
                tokio::task::spawn_blocking(move || lookup.addresses(&wanted)).await??;
            if !is_proxy {
                judge(reach, &seen, &name, &addresses)?;
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Refuses a name with any address out of reach: a mixed answer is an attempt.
fn judge(
    reach: Reach,
    seen: &Seen,
    name: &str,
    addresses: &[SocketAddr],
) -> Result<(), OutOfReach> {
    for address in addresses {
        let zone = Zone::of(address.ip());
        if !reach.permits(zone) {
            return Err(OutOfReach { host: name.to_owned(), address: address.ip(), zone });
        }
        if reach == Reach::Named {
            seen.note(name, zone);
        }
    }
    Ok(())
}

/// A name that resolved to an address out of reach. Travels through reqwest
/// and is found again by [`refused`].
#[derive(Debug, thiserror::Error)]
#[error("`{host}` is out of reach")]
struct OutOfReach {
    host: String,
    address: IpAddr,
    zone: Zone,
}

/// The refusal in the chain of a transport error, when it was one.
pub(super) fn refused(error: &(dyn std::error::Error + 'static)) -> Option<Fault> {
    let mut all = iter::once(error).chain(causes(error));
    let found = all.find_map(|error| error.downcast_ref::<OutOfReach>())?;
    Some(refusal(&found.host, Some(found.address), found.zone))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn zones_of_addresses() {
        for (ip, zone) in [
            ("8.8.8.8", Zone::Public),
            ("2606:4700::1", Zone::Public),
            ("10.1.2.3", Zone::Private),
            ("172.16.0.1", Zone::Private),
            ("172.32.0.1", Zone::Public),
            ("192.168.0.1", Zone::Private),
            ("100.100.100.200", Zone::Private),
            ("198.18.0.1", Zone::Private),
            ("224.0.0.1", Zone::Private),
            ("255.255.255.255", Zone::Private),
            ("fd00:ec2::254", Zone::Private),
            ("127.0.0.1", Zone::Loopback),
            ("0.0.0.0", Zone::Loopback),
            ("::", Zone::Loopback),
            ("::1", Zone::Loopback),
            ("169.254.169.254", Zone::LinkLocal),
            ("fe80::1", Zone::LinkLocal),
            ("febf::1", Zone::LinkLocal),
            ("::ffff:169.254.169.254", Zone::LinkLocal),
            ("::ffff:127.0.0.1", Zone::Loopback),
            ("::127.0.0.1", Zone::Loopback),
            ("64:ff9b::a00:1", Zone::Private),
            ("2002:7f00:1::", Zone::Loopback),
            ("2002:808:808::", Zone::Public),
            ("192.0.2.1", Zone::Private),
            ("198.51.100.1", Zone::Private),
            ("203.0.113.9", Zone::Private),
            ("192.88.99.1", Zone::Private),
            ("192.0.3.1", Zone::Public),
            ("2001::1", Zone::Private),
            ("2001:db8::1", Zone::Private),
            ("3fff::1", Zone::Private),
            ("2001:4860:4860::8888", Zone::Public),
            ("64:ff9b:1::1", Zone::Private),
            ("100::1", Zone::Private),
            ("5f00::1", Zone::Private),
            ("ff02::1", Zone::Private),
        ] {
            assert_eq!(Zone::of(ip.parse().unwrap()), zone, "{ip}");
        }
    }

    #[test]
    fn ggcr_2293_disguised_literals_are_still_literals() {
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.0.0.1/",
            "http://0177.0.0.1/",
            "http://[::ffff:7f00:1]/",
            "http://localhost./",
            "http://x.LOCALHOST/",
            "http://169.254.169.254/",
            "http://0xa9fea9fe/",
            "http://10.0.0.1/",
        ] {
            let url = url.parse().unwrap();
            assert!(Reach::Public.check(&url).is_err(), "{url}");
        }
        assert!(Reach::Public.check(&"https://storage.example/".parse().unwrap()).is_ok());
        assert!(Reach::Named.check(&"http://127.0.0.1/".parse().unwrap()).is_ok());
        assert!(Reach::Named.check(&"http://[fe80::1]/".parse().unwrap()).is_err());
        assert!(Reach::Named.check(&"http://169.254.169.254/".parse().unwrap()).is_err());
    }

    #[test]
    fn nobody_sends_us_deeper_than_they_are() {
        let reach = |zone| Reach::beyond(zone);
        assert!(!reach(Zone::Public).permits(Zone::Private));
        assert!(!reach(Zone::Public).permits(Zone::Loopback));
        assert!(reach(Zone::Private).permits(Zone::Private));
        assert!(!reach(Zone::Private).permits(Zone::Loopback));
        assert!(reach(Zone::Loopback).permits(Zone::Loopback));
        assert_eq!(Reach::Public.min(reach(Zone::Loopback)), Reach::Public);
        assert!(!reach(Zone::Loopback).permits(Zone::LinkLocal));
    }

    #[test]
    fn ggcr_2293_rebinding_gains_nothing() {
        let seen = Seen::default();
        let at = |ip: &str| SocketAddr::new(ip.parse().unwrap(), 0);
        let mixed = [at("8.8.8.8"), at("127.0.0.1")];
        let refusal = judge(Reach::Public, &seen, "evil.example", &mixed).unwrap_err();
        let found = refused(&refusal).unwrap();
        assert_eq!(
            found.to_string(),
            "refused: `evil.example` leads to 127.0.0.1, which is in loopback address space"
        );

        let url = "https://registry.example/".parse().unwrap();
        judge(Reach::Named, &seen, "registry.example", &[at("10.0.0.1")]).unwrap();
        assert_eq!(seen.zone(&url), Zone::Private);
        judge(Reach::Named, &seen, "registry.example", &[at("8.8.8.8")]).unwrap();
        assert_eq!(seen.zone(&url), Zone::Public);
        judge(Reach::Named, &seen, "registry.example", &[at("127.0.0.1")]).unwrap();
        assert_eq!(seen.zone(&url), Zone::Public, "the most public answer counts, for good");
    }
}
