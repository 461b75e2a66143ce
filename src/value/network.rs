//! A network of the operator's allow-list.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

use crate::value::invalid::InvalidValue;

/// A network that the operator allows endpoints to be in, although it is not public or the port is not 443.
///
/// Written as an address with a prefix length, or as one address. Bits behind the prefix are dropped, and an IPv4 network in
/// its IPv6-mapped form is the IPv4 network.
///
/// ```
/// # use orderhook::value::Network;
/// let lab: Network = "10.1.0.0/16".parse()?;
/// assert_eq!(lab.to_string(), "10.1.0.0/16");
/// assert_eq!("::1".parse::<Network>()?.to_string(), "::1/128");
/// # Ok::<(), orderhook::value::InvalidValue>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network(IpNet);

impl Network {
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl FromStr for Network {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Network, InvalidValue> {
        let net: IpNet = match text.parse::<IpAddr>() {
            Ok(address) => address.into(),
            Err(_) => text.parse().map_err(|_| {
                InvalidValue::new(format!(
                    "{text:?} is neither an IP network like 10.0.0.0/8 nor an IP address"
                ))
            })?,
        };
        if let IpNet::V6(v6) = net
            && let (Some(v4), Some(prefix)) =
                (v6.addr().to_ipv4_mapped(), v6.prefix_len().checked_sub(96))
            && let Ok(v4) = Ipv4Net::new(v4, prefix)
        {
            return Ok(Network(IpNet::V4(v4.trunc())));
        }
        Ok(Network(net.trunc()))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
