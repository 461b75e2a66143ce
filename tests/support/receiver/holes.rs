//! Addresses at which no one answers.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::loopback;

/// A port where nobody listens and nobody else can: connections to it are refused as long as this is kept.
pub struct ClosedPort {
    port: u16,
    _socket: TcpSocket,
}

impl ClosedPort {
    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `https://localhost:PORT/path`.
    pub fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }
}

/// Takes a port of 127.0.0.1 and does not listen on it.
pub fn closed_port() -> ClosedPort {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(loopback(0)).expect("a free port");
    ClosedPort {
        port: socket
            .local_addr()
            .expect("a bound socket has an address")
            .port(),
        _socket: socket,
    }
}

/// A port whose queue is full: a SYN to it is never answered as long as this is kept.
pub struct BlackHole {
    port: u16,
    _listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl BlackHole {
    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `https://127.0.0.1:PORT/path`. Not `localhost`: its other address refuses the connection.
    pub fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.port)
    }
}

/// Listens on a port of 127.0.0.1, accepts nothing and fills the queue. Linux drops the SYNs that find it full; others may refuse them.
pub async fn black_hole() -> BlackHole {
    // A connection on loopback is made inside the call that asks for it, or not at all.
    const LONG_ENOUGH: Duration = Duration::from_millis(300);
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(loopback(0)).expect("a free port");
    let listener = socket.listen(1).expect("a listener");
    let addr = listener
        .local_addr()
        .expect("a bound socket has an address");
    let mut queued = Vec::new();
    while let Ok(connected) = tokio::time::timeout(LONG_ENOUGH, TcpStream::connect(addr)).await {
        queued.push(connected.expect("the queue takes the connection or says nothing"));
        assert!(
            queued.len() < 100,
            "this system does not honour the length of the queue"
        );
    }
    BlackHole {
        port: addr.port(),
        _listener: listener,
        _queued: queued,
    }
}
