//! How a receiver accepts connections and answers requests.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::connection::{Connection, Stream, find};
use super::{After, Exchange, Mode, Reply, Shared};

/// A port that was just given up may be taken for another moment.
pub(super) async fn listen(addr: SocketAddr) -> TcpListener {
    let give_up = Instant::now() + Duration::from_secs(5);
    loop {
        match TcpListener::bind(addr).await {
            Ok(listener) => return listener,
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < give_up => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(error) => panic!("cannot listen on {addr}: {error}"),
        }
    }
}

pub(super) async fn accept(listener: TcpListener, mode: Mode, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    let mut number = 0;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((tcp, _)) => {
                    number += 1;
                    shared.tally.send_modify(|tally| tally.connections += 1);
                    connections.spawn(welcome(tcp, mode.clone(), Arc::clone(&shared), number));
                }
                // Out of file descriptors, most likely: others have to close theirs first.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

pub(super) async fn welcome(tcp: TcpStream, mode: Mode, shared: Arc<Shared>, number: u64) {
    let _ = tcp.set_nodelay(true);
    match mode {
        Mode::Tls(config) => {
            if let Ok(tls) = TlsAcceptor::from(config).accept(tcp).await {
                serve(Connection::new(Stream::Tls(Box::new(tls))), &shared, number).await;
            }
        }
        Mode::PlainHttp => serve(Connection::new(Stream::Plain(tcp)), &shared, number).await,
        Mode::AcceptAndStall => Connection::new(Stream::Plain(tcp)).gone().await,
        Mode::Greet(bytes) => {
            let mut connection = Connection::new(Stream::Plain(tcp));
            if connection.write(&bytes).await.is_ok() {
                connection.gone().await;
            }
        }
        Mode::ResetOnAccept => Connection::new(Stream::Plain(tcp)).reset(),
    }
}

pub(super) async fn serve(mut connection: Connection, shared: &Arc<Shared>, number: u64) {
    loop {
        let request = match connection.request().await {
            Ok(Some(request)) => request,
            Ok(None) => return,
            Err(error) => {
                shared.tally.send_modify(|tally| tally.incomplete += 1);
                if error.kind() == io::ErrorKind::InvalidData {
                    let close = [("connection".to_owned(), "close".to_owned())];
                    let _ = connection.write(&whole(400, &close, &[])).await;
                }
                return connection.close().await;
            }
        };
        let (mut exchange, reply) = shared.arrived(request, number);
        match answer(&mut connection, &mut exchange, reply).await {
            After::Keep => {}
            After::Close => return connection.close().await,
            After::Reset => {
                exchange.ended();
                return connection.reset();
            }
            After::Gone => return exchange.abandoned(),
        }
    }
}

pub(super) async fn answer(
    connection: &mut Connection,
    exchange: &mut Exchange,
    mut reply: Reply,
) -> After {
    loop {
        let (bytes, after) = match reply {
            Reply::Delayed(pause, then) => {
                if connection.gone_during(tokio::time::sleep(pause)).await {
                    return After::Gone;
                }
                reply = *then;
                continue;
            }
            Reply::Gated(gate, then) => {
                if connection.gone_during(gate.opened()).await {
                    return After::Gone;
                }
                reply = *then;
                continue;
            }
            Reply::Continue103(then) => {
                let interim =
                    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </>; rel=preload\r\n\r\n";
                if connection.write(interim).await.is_err() {
                    return After::Gone;
                }
                reply = *then;
                continue;
            }
            Reply::Status(status) => (whole(status, &[], &[]), After::Keep),
            Reply::Full {
                status,
                headers,
                body,
            } => {
                let close = headers.iter().any(|(name, value)| {
                    name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close")
                });
                let after = if close { After::Close } else { After::Keep };
                (whole(status, &headers, &body), after)
            }
            // Replaced when the request arrived.
            Reply::Echo { status, .. } => (whole(status, &[], &[]), After::Keep),
            Reply::Raw(bytes) => (bytes, After::Close),
            Reply::RawThenReset(bytes) => (bytes, After::Reset),
            Reply::BrokenBody => (
                b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n0123456789".to_vec(),
                After::Close,
            ),
            Reply::BadChunk => (
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nno size\r\n"
                    .to_vec(),
                After::Close,
            ),
            Reply::CloseAfterRequest => return After::Reset,
            Reply::Hang => {
                connection.gone().await;
                return After::Gone;
            }
            Reply::StallAfterHead => {
                exchange.answered();
                let head = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n";
                if connection.write(head).await.is_ok() {
                    connection.gone().await;
                }
                return After::Gone;
            }
            Reply::Endless => {
                exchange.answered();
                let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
                let chunk = [b"4000\r\n".as_slice(), &[b'x'; 0x4000], b"\r\n"].concat();
                let mut sent = connection.write(head).await;
                while sent.is_ok() {
                    sent = connection.write(&chunk).await;
                }
                return After::Gone;
            }
            Reply::EndlessInterim => {
                let interim =
                    b"HTTP/1.1 103 Early Hints\r\nlink: </>; rel=preload\r\n\r\n".repeat(100);
                while connection.write(&interim).await.is_ok() {}
                return After::Gone;
            }
            Reply::Drip { bytes, every } => return drip(connection, exchange, &bytes, every).await,
        };
        exchange.answered();
        exchange.ended();
        return match connection.write(&bytes).await {
            Ok(()) => after,
            Err(_) => After::Gone,
        };
    }
}

pub(super) async fn drip(
    connection: &mut Connection,
    exchange: &mut Exchange,
    bytes: &[u8],
    every: Duration,
) -> After {
    let last = bytes.len().saturating_sub(1);
    let answers = end_of_final_head(bytes).map_or(last, |end| end - 1);
    for (position, byte) in bytes.iter().enumerate() {
        if connection.gone_during(tokio::time::sleep(every)).await {
            return After::Gone;
        }
        if position == answers {
            exchange.answered();
        }
        if position == last {
            exchange.ended();
        }
        if connection.write(&[*byte]).await.is_err() {
            return After::Gone;
        }
    }
    After::Close
}

/// Where the first head ends that is not an interim one.
pub(super) fn end_of_final_head(bytes: &[u8]) -> Option<usize> {
    let mut start = 0;
    loop {
        let head = &bytes[start..];
        let end = start + find(head, b"\r\n\r\n")? + 4;
        let interim = head.starts_with(b"HTTP/1.1 1") && !head.starts_with(b"HTTP/1.1 101");
        if !interim {
            return Some(end);
        }
        start = end;
    }
}

pub(super) fn whole(status: u16, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status} \r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    let framed = headers.iter().any(|(name, _)| {
        name.eq_ignore_ascii_case("content-length")
            || name.eq_ignore_ascii_case("transfer-encoding")
    });
    let bodyless = status < 200 || status == 204 || status == 304;
    if !framed && !bodyless {
        bytes.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}
