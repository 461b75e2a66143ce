//! A connector layer that stops after the handshake: the client connects exactly as it would for a POST, by the same guard,
//! addresses and roots, and then has no connection to send anything on.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

#[derive(Clone, Copy)]
pub(super) struct HandshakeOnly;

/// The error by which such a client succeeds.
#[derive(Debug, thiserror::Error)]
#[error("the handshake is done and nothing else was wanted")]
pub(super) struct HandshakeDone;

/// A connector that closes what it has opened.
#[derive(Clone)]
pub(super) struct Stopping<S>(S);

impl<S> Layer<S> for HandshakeOnly {
    type Service = Stopping<S>;

    fn layer(&self, connector: S) -> Stopping<S> {
        Stopping(connector)
    }
}

type BoxError = Box<dyn Error + Send + Sync>;

impl<S, R> Service<R> for Stopping<S>
where
    S: Service<R, Error = BoxError>,
    S::Response: Send,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, destination: R) -> Self::Future {
        let connecting = self.0.call(destination);
        Box::pin(async move {
            drop(connecting.await?);
            Err(HandshakeDone.into())
        })
    }
}
