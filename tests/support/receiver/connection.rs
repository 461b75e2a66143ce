//! One connection of a receiver, and the requests on it.

use std::io;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::NOTICED_LATE;

pub(super) struct Request {
    pub(super) began: Instant,
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find_map(|(have, value)| (have == name).then_some(value.as_str()))
    }
}

pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A stream and what was read from it and not used yet.
pub(super) struct Connection {
    stream: Stream,
    unread: Vec<u8>,
}

impl Connection {
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    /// The next request; none if the client closes instead.
    pub(super) async fn request(&mut self) -> io::Result<Option<Request>> {
        if self.unread.is_empty() && !matches!(self.fill().await, Ok(1..)) {
            return Ok(None);
        }
        let began = Instant::now();
        // A TLS client that talks to a plain port waits for an answer and never sends the end of a head.
        if !self.unread.first().is_some_and(u8::is_ascii_alphabetic) {
            return Err(malformed("request line"));
        }
        let head = self.through(b"\r\n\r\n").await?;
        let mut request = parse(&head, began)?;
        if request
            .header("expect")
            .is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
        {
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let chunked = request
            .header("transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
        request.body = if chunked {
            self.chunks().await?
        } else {
            let length = request.header("content-length").unwrap_or("0");
            let length = length.parse().map_err(|_| malformed("content-length"))?;
            self.exactly(length).await?
        };
        Ok(Some(request))
    }

    pub(super) async fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line().await?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(digits, 16).map_err(|_| malformed("chunk size"))?;
            if size == 0 {
                while !self.line().await?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.exactly(size).await?);
            if !self.line().await?.is_empty() {
                return Err(malformed("end of chunk"));
            }
        }
    }

    pub(super) async fn line(&mut self) -> io::Result<String> {
        let mut line = self.through(b"\r\n").await?;
        line.truncate(line.len() - 2);
        String::from_utf8(line).map_err(|_| malformed("line"))
    }

    pub(super) async fn through(&mut self, mark: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            if let Some(start) = find(&self.unread, mark) {
                return self.exactly(start + mark.len()).await;
            }
            self.fill_more().await?;
        }
    }

    pub(super) async fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < length {
            self.fill_more().await?;
        }
        let rest = self.unread.split_off(length);
        Ok(std::mem::replace(&mut self.unread, rest))
    }

    pub(super) async fn fill_more(&mut self) -> io::Result<()> {
        match self.fill().await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// May be dropped at any time: what was read is in `unread`.
    pub(super) async fn fill(&mut self) -> io::Result<usize> {
        self.unread.reserve(16 * 1024);
        match &mut self.stream {
            Stream::Plain(tcp) => tcp.read_buf(&mut self.unread).await,
            Stream::Tls(tls) => tls.read_buf(&mut self.unread).await,
        }
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(tcp) => tcp.write_all(bytes).await,
            Stream::Tls(tls) => {
                tls.write_all(bytes).await?;
                tls.flush().await
            }
        }
    }

    /// Waits until the client closes its side.
    pub(super) async fn gone(&mut self) {
        while matches!(self.fill().await, Ok(1..)) {}
    }

    /// Whether the client went away before the future was ready.
    pub(super) async fn gone_during(&mut self, ready: impl Future<Output = ()>) -> bool {
        tokio::select! {
            biased;
            () = ready => false,
            () = self.gone() => true,
        }
    }

    pub(super) async fn close(mut self) {
        let _ = match &mut self.stream {
            Stream::Plain(tcp) => tcp.shutdown().await,
            Stream::Tls(tls) => tls.shutdown().await,
        };
    }

    pub(super) fn reset(self) {
        let tcp = match &self.stream {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => tls.get_ref().0,
        };
        let _ = tcp.set_zero_linger();
    }
}

pub(super) fn parse(head: &[u8], began: Instant) -> io::Result<Request> {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some("HTTP/1.1"), None) =
        (first.next(), first.next(), first.next(), first.next())
    else {
        return Err(malformed("request line"));
    };
    let headers = lines
        .take_while(|line| !line.is_empty())
        .map(|line| {
            let (name, value) = line.split_once(':').ok_or_else(|| malformed("header"))?;
            Ok((name.to_ascii_lowercase(), value.trim().to_owned()))
        })
        .collect::<io::Result<_>>()?;
    Ok(Request {
        began,
        method: method.to_owned(),
        target: target.to_owned(),
        headers,
        body: Vec::new(),
    })
}

pub(super) fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("malformed {what}"))
}

pub(super) fn find(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    bytes.windows(mark.len()).position(|window| window == mark)
}
