//! The body of a POST, and the moment at which the first byte of the request may leave.
//!
//! The client asks for the body in the step in which it writes the head, before it flushes either. Until it has asked,
//! nothing of the request has left, and the sender may call the request off; after that it may not. The two exclude each
//! other, whatever thread the client's connection runs on. A request that is late calls itself off: its process may have
//! been suspended while it connected, and its lease may be gone.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use crate::value::clock::Moment;

const WAITING: u8 = 0;
const CALLED_OFF: u8 = 1;
const LEFT: u8 = 2;

/// Whether a request may have left. Clones are the same request.
#[derive(Clone, Debug)]
pub(super) struct Departure {
    state: Arc<AtomicU8>,
    /// Not after this.
    before: Moment,
}

impl Departure {
    pub(super) fn before(moment: Moment) -> Departure {
        Departure {
            state: Arc::new(AtomicU8::new(WAITING)),
            before: moment,
        }
    }

    /// Whether anything of the request may have left.
    pub(super) fn has_left(&self) -> bool {
        self.state.load(Ordering::Acquire) == LEFT
    }

    /// Keeps the request from leaving. False if it may have left already.
    pub(super) fn call_off(&self) -> bool {
        self.move_to(CALLED_OFF)
    }

    /// Lets the request leave. False if it was called off, or is late.
    fn leave(&self) -> bool {
        if !self.has_left() && Moment::now() >= self.before {
            self.call_off();
        }
        self.move_to(LEFT)
    }

    fn move_to(&self, end: u8) -> bool {
        match self
            .state
            .compare_exchange(WAITING, end, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) => true,
            Err(already) => already == end,
        }
    }
}

/// The bytes of a request, which leave unless the request was called off. There must be some: the client does not ask for
/// what has no bytes.
pub(super) struct Outgoing {
    bytes: Bytes,
    departure: Departure,
}

impl Outgoing {
    pub(super) fn new(bytes: Bytes, departure: &Departure) -> Self {
        Outgoing {
            bytes,
            departure: departure.clone(),
        }
    }
}

/// The request was called off before anything of it had left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request was called off")]
pub(super) struct CalledOff;

impl hyper::body::Body for Outgoing {
    type Data = Bytes;
    type Error = CalledOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CalledOff>>> {
        if !self.departure.leave() {
            return Poll::Ready(Some(Err(CalledOff)));
        }
        let bytes = std::mem::take(&mut self.bytes);
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::body::Body;
    use std::time::Duration;

    fn in_time() -> Departure {
        Departure::before(Moment::now() + Duration::from_secs(60))
    }

    fn ask(body: &mut Outgoing) -> Option<Result<Bytes, CalledOff>> {
        match Pin::new(body).poll_frame(&mut Context::from_waker(std::task::Waker::noop())) {
            Poll::Ready(frame) => frame.map(|frame| frame.map(|frame| frame.into_data().unwrap())),
            Poll::Pending => panic!("a body of bytes never waits"),
        }
    }

    #[test]
    fn a_request_that_was_called_off_does_not_leave() {
        let departure = in_time();
        let mut body = Outgoing::new(Bytes::from_static(b"abc"), &departure);
        assert!(departure.call_off() && departure.call_off());
        assert_eq!(ask(&mut body), Some(Err(CalledOff)));
        assert!(!departure.has_left());
    }

    #[test]
    fn a_request_that_is_late_does_not_leave() {
        let departure = Departure::before(Moment::now());
        let mut body = Outgoing::new(Bytes::from_static(b"abc"), &departure);
        assert_eq!(ask(&mut body), Some(Err(CalledOff)));
        assert!(!departure.has_left() && departure.call_off());
    }

    #[test]
    fn a_request_that_has_left_cannot_be_called_off() {
        let departure = in_time();
        let mut body = Outgoing::new(Bytes::from_static(b"abc"), &departure);
        assert_eq!(body.size_hint().exact(), Some(3));
        assert!(!departure.has_left() && !body.is_end_stream());
        assert_eq!(ask(&mut body), Some(Ok(Bytes::from_static(b"abc"))));
        assert!(departure.has_left() && body.is_end_stream());
        assert!(!departure.call_off());
        assert_eq!(ask(&mut body), None);
    }
}
