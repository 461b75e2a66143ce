//! The same over HTTP/2, whose crate writes every frame into the log.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::server::SendResponse;
use http::{Request, Response};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::captured::{listen, said};
use crate::planted::{HEADER, QUERY, REFERENCE, REPLY, TOKEN, assert_clean_debug, assert_clean_log, order, supplier};
use crate::support::{Ca, LOOPBACK_NAMES};
use crate::world::World;

/// Head and body of every request.
type Seen = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

async fn serve(ca: &Ca) -> (SocketAddr, Seen) {
    let mut config = (*ca.server_config(LOOPBACK_NAMES)).clone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let (acceptor, seen) = (TlsAcceptor::from(Arc::new(config)), Seen::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let log = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let (acceptor, seen) = (acceptor.clone(), Arc::clone(&log));
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(acceptor.accept(tcp).await.unwrap()).await.unwrap();
                while let Some(Ok((request, reply))) = connection.accept().await {
                    tokio::spawn(answer(request, reply, Arc::clone(&seen)));
                }
            });
        }
    });
    (addr, seen)
}

async fn answer(request: Request<h2::RecvStream>, mut reply: SendResponse<Bytes>, seen: Seen) {
    let (head, mut stream) = request.into_parts();
    let mut body = Vec::new();
    while let Some(chunk) = stream.data().await {
        let chunk = chunk.unwrap();
        stream.flow_control().release_capacity(chunk.len()).unwrap();
        body.extend_from_slice(&chunk);
    }
    let values = head.headers.values().map(|value| value.to_str().unwrap()).collect::<Vec<_>>().join(" ");
    seen.lock().unwrap().push((format!("{:?} {} {values}", head.version, head.uri), body));
    let head = Response::builder().status(200).header("x-reply", REPLY).body(()).unwrap();
    let mut sending = reply.send_response(head, false).unwrap();
    sending.send_data(format!(r#"{{"id":"{REFERENCE}","token":"{REPLY}"}}"#).into(), true).unwrap();
}

#[tokio::test]
async fn nothing_planted_is_said_over_http_2() {
    listen();
    let world = World::new();
    let (addr, seen) = serve(&world.ca).await;
    world.put(supplier("north", &[format!("https://localhost:{}/in", addr.port())]));

    let report = world.dispatcher().notify(&order("A-h2", &["north"])).await.unwrap();

    assert!(report.is_told(), "{report:?}");
    assert_clean_debug("a report", &report);
    let (head, body) = seen.lock().unwrap()[0].clone();
    for part in ["HTTP/2", TOKEN, HEADER, QUERY] {
        assert!(head.contains(part), "{part}: {head}");
    }
    assert_eq!(body, world.stored().await[0].body.as_deref().unwrap());
    assert!(said().contains("h2::"), "h2 has its ear");
    assert_clean_log("the log", &said());
}
