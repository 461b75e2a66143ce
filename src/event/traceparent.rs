//! The trace that an event belongs to.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::EventError;

/// The trace context of the request in which an event was stored (W3C Trace Context, header `traceparent`): it is kept with
/// the notification and sent with each of its POSTs. [`Dispatcher::with_traceparent`](crate::Dispatcher::with_traceparent)
/// sets it.
///
/// ```
/// use orderhook::event::TraceParent;
///
/// let trace: TraceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse()?;
/// assert_eq!(trace.as_str().len(), 55);
/// assert!("0af7651916cd43dd8448eb211c80319c".parse::<TraceParent>().is_err());
/// # Ok::<(), orderhook::event::EventError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TraceParent(Arc<str>);

impl TraceParent {
    /// The text, as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TraceParent {
    type Err = EventError;

    /// Takes version 00, the only one so far: `00-`, 32 hexadecimal digits, `-`, 16, `-`, 2, in lower case, and neither id
    /// all zeros.
    fn from_str(text: &str) -> Result<Self, EventError> {
        let hex = |part: &str, digits| {
            let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
            part.len() == digits && part.bytes().all(is_hex)
        };
        let is_id = |part: &str, digits| hex(part, digits) && part.bytes().any(|b| b != b'0');
        let parts: Vec<_> = text.split('-').collect();
        match parts[..] {
            ["00", trace, parent, flags]
                if is_id(trace, 32) && is_id(parent, 16) && hex(flags, 2) =>
            {
                Ok(TraceParent(Arc::from(text)))
            }
            _ => Err(EventError::TraceParent),
        }
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_version_00_of_the_recommendation_is_taken() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(good.parse::<TraceParent>().unwrap().to_string(), good);
        for bad in [
            "",
            "00",
            &good.to_uppercase(),
            &good.replace("00-0", "01-0"),
            &format!("{good}-00"),
            &format!(" {good}"),
            &good.replace("b7ad6b7169203331", "0000000000000000"),
            &good.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            &good.replace("-01", "-g1"),
        ] {
            assert_eq!(
                bad.parse::<TraceParent>(),
                Err(EventError::TraceParent),
                "{bad}"
            );
        }
    }
}
