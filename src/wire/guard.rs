//! What may be dialled: the policy between a configured URL and a socket. Pure; it opens and resolves nothing.
//!
//! By default only public addresses on port 443 are dialled. Everything else takes an operator who lists the network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::notification::outcome::Blocked;
use crate::value::network::Network;

/// The policy, with the operator's allow-list.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    allowed: Vec<Network>,
}

/// What a URL that may be tried points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// An allow-listed address: dialled as it is.
    Literal(IpAddr),
    /// This machine by name: never asked of DNS; these addresses, which the allow-list names, are dialled.
    Loopback(Vec<IpAddr>),
    /// A name: its answers must pass [`Guard::judge_answers`].
    Name {
        /// Where the answers may lie.
        reach: Reach,
    },
}

/// Where the answers for a name may lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Each is public or allow-listed.
    Public,
    /// Each is allow-listed, for this reason.
    Listed(Because),
}

/// Why only allow-listed addresses will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Because {
    /// The port is not 443.
    Port,
    /// The name is one that only local resolvers know.
    LocalName,
}

impl Because {
    fn refusal(self) -> Blocked {
        match self {
            Because::Port => Blocked::Port,
            Because::LocalName => Blocked::LocalName,
        }
    }
}

/// All that the guard wants to know of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    /// 443.
    Https,
    /// Another, or none.
    Other,
}

impl Guard {
    pub(crate) fn new(allowed: Vec<Network>) -> Guard {
        Guard { allowed }
    }

    /// Judges all that can be judged before a name is resolved.
    pub(crate) fn judge_url(&self, url: &Url) -> Result<Target, Blocked> {
        let port = if url.port_or_known_default() == Some(443) {
            Port::Https
        } else {
            Port::Other
        };
        match url.host() {
            Some(Host::Ipv4(v4)) => self.judge_literal(v4.into()),
            Some(Host::Ipv6(v6)) => self.judge_literal(v6.into()),
            Some(Host::Domain(name)) => self.judge_name(name, port),
            None => Err(Blocked::LocalName),
        }
    }

    /// Judges a name that is no address literal.
    pub(crate) fn judge_name(&self, name: &str, port: Port) -> Result<Target, Blocked> {
        let name = name.strip_suffix('.').unwrap_or(name);
        if is_or_ends_in(name, "localhost") {
            let home = [
                IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(Ipv6Addr::LOCALHOST),
            ];
            let listed: Vec<IpAddr> = home
                .into_iter()
                .filter(|&address| self.lists(address))
                .collect();
            return if listed.is_empty() {
                Err(Blocked::LocalName)
            } else {
                Ok(Target::Loopback(listed))
            };
        }
        let local = !name.contains('.')
            || ["localdomain", "local", "internal"]
                .iter()
                .any(|zone| is_or_ends_in(name, zone));
        let reach = match (local, port) {
            (true, _) => Reach::Listed(Because::LocalName),
            (false, Port::Other) => Reach::Listed(Because::Port),
            (false, Port::Https) => Reach::Public,
        };
        match reach {
            // Whatever it resolved to would be refused, so no server is asked.
            Reach::Listed(because) if self.allowed.is_empty() => Err(because.refusal()),
            _ => Ok(Target::Name { reach }),
        }
    }

    /// Judges what a name resolved to. One bad answer blocks the whole name: the owner of the name also chooses which of
    /// its answers we would dial next time.
    pub(crate) fn judge_answers(&self, reach: Reach, answers: &[IpAddr]) -> Result<(), Blocked> {
        if answers.iter().any(|&answer| is_metadata(answer)) {
            return Err(Blocked::Metadata);
        }
        let why = match reach {
            Reach::Public => Blocked::Address,
            Reach::Listed(because) => because.refusal(),
        };
        let passes =
            |answer: &IpAddr| self.lists(*answer) || (reach == Reach::Public && is_global(*answer));
        if answers.iter().all(passes) {
            Ok(())
        } else {
            Err(why)
        }
    }

    fn judge_literal(&self, address: IpAddr) -> Result<Target, Blocked> {
        match address {
            _ if is_metadata(address) => Err(Blocked::Metadata),
            _ if self.lists(address) => Ok(Target::Literal(address)),
            _ => Err(Blocked::Literal),
        }
    }

    fn lists(&self, address: IpAddr) -> bool {
        let address = unwrapped(address);
        self.allowed.iter().any(|network| network.contains(address))
    }
}

fn is_or_ends_in(name: &str, zone: &str) -> bool {
    // Names come from `Url`, which has made them lower case.
    name.strip_suffix(zone)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// IPv4 that is not globally reachable, from the IANA special-purpose registry, plus multicast and what is reserved.
const SPECIAL_V4: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),       // this network
    (Ipv4Addr::new(10, 0, 0, 0), 8),      // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),   // carrier-grade NAT
    (Ipv4Addr::new(127, 0, 0, 0), 8),     // loopback
    (Ipv4Addr::new(169, 254, 0, 0), 16),  // link-local
    (Ipv4Addr::new(172, 16, 0, 0), 12),   // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),    // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24),    // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24),  // 6to4 relays
    (Ipv4Addr::new(192, 168, 0, 0), 16),  // private
    (Ipv4Addr::new(198, 18, 0, 0), 15),   // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),  // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),     // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),     // reserved, broadcast
];

/// The only global unicast IPv6 there is.
const GLOBAL_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// What is not globally reachable in it. 6to4, 2002::/16, is missing because it is unwrapped before.
const SPECIAL_V6: [(Ipv6Addr, u32); 3] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments, Teredo
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

/// Where clouds hand out credentials to programs that ask from inside.
const METADATA: [IpAddr; 8] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)), // nearly all of them
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),   // Amazon ECS tasks
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),  // Amazon EKS pods
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)), // Alibaba
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),   // Azure
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)), // Amazon EC2
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)), // Amazon EKS pods
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)), // Google
];

fn is_metadata(address: IpAddr) -> bool {
    // The deprecated compatible form (::a.b.c.d) is looked through here only: nowhere else would that be the strict side.
    let compatible = match address {
        IpAddr::V6(v6) => v6.to_ipv4().map(IpAddr::V4),
        IpAddr::V4(_) => None,
    };
    METADATA.contains(&unwrapped(address)) || compatible.is_some_and(|v4| METADATA.contains(&v4))
}

fn is_global(address: IpAddr) -> bool {
    match unwrapped(address) {
        IpAddr::V4(v4) => !SPECIAL_V4.iter().any(|range| covers_v4(range, v4)),
        IpAddr::V6(v6) => {
            covers_v6(&GLOBAL_V6, v6) && !SPECIAL_V6.iter().any(|range| covers_v6(range, v6))
        }
    }
}

/// The IPv4 address inside a mapped (::ffff:0:0/96), NAT64 (64:ff9b::/96) or 6to4 (2002::/16) address; others as they are.
fn unwrapped(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    let inside = match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)),
        _ => return address,
    };
    IpAddr::V4(inside)
}

fn covers_v4((network, prefix): &(Ipv4Addr, u32), address: Ipv4Addr) -> bool {
    (network.to_bits() ^ address.to_bits()) >> (32 - prefix) == 0
}

fn covers_v6((network, prefix): &(Ipv6Addr, u32), address: Ipv6Addr) -> bool {
    (network.to_bits() ^ address.to_bits()) >> (128 - prefix) == 0
}

#[cfg(test)]
mod tests;
