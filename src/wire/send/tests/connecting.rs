//! What is provably not sent.

use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::support::*;
use crate::wire::send::*;

#[tokio::test]
async fn a_refused_connection_is_not_sent() {
    let port = TcpListener::bind((HOME, 0))
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let sender = sender(&Ca::new());
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{port}/");
        assert_eq!(
            post(&sender, &url).await.outcome,
            not_sent(NotSent::Refused)
        );
        assert_eq!(
            sender.check_url(&Url::parse(&url).unwrap()).await,
            Err(not_sent(NotSent::Refused))
        );
    }
}

#[tokio::test]
async fn a_name_without_an_address_is_not_sent() {
    let (resolver, _) = answers(vec![vec![]]);
    let sender = Sender::with_resolver(settings(&Ca::new(), 2_000), resolver).unwrap();
    for url in [
        "https://nowhere.test/",
        "https://nowhere.test:8443/",
        "https://nowhere/",
    ] {
        assert_eq!(post(&sender, url).await.outcome, not_sent(NotSent::Dns));
        assert_eq!(
            sender.check_url(&Url::parse(url).unwrap()).await,
            Err(not_sent(NotSent::Dns))
        );
    }
}

#[tokio::test]
async fn a_hanging_lookup_ends_at_the_connect_limit() {
    let resolver: Resolver = Arc::new(|_| Box::pin(std::future::pending()));
    let sender = Sender::with_resolver(settings(&Ca::new(), 600), resolver).unwrap();
    let reply = post(&sender, "https://hook.test/").await;
    assert_eq!(reply.outcome, not_sent(NotSent::ConnectTimeout));
    assert!(reply.took < Duration::from_millis(590), "{:?}", reply.took);
}

#[tokio::test]
async fn a_black_hole_ends_at_the_connect_limit() {
    let (address, _queue) = black_hole().await;
    let sender = Sender::new(settings(&Ca::new(), 600)).unwrap();
    let url = format!("https://localhost:{}/", address.port());
    let reply = post(&sender, &url).await;
    assert_eq!(reply.outcome, not_sent(NotSent::ConnectTimeout));
    assert!(reply.took < Duration::from_millis(590), "{:?}", reply.took);
    assert_eq!(
        sender.check_url(&Url::parse(&url).unwrap()).await,
        Err(not_sent(NotSent::ConnectTimeout))
    );
}

#[tokio::test]
async fn a_stalled_handshake_ends_at_the_connect_limit() {
    // Never accepted: the kernel answers, nobody speaks TLS.
    let listener = TcpListener::bind((HOME, 0)).await.unwrap();
    let url = format!(
        "https://localhost:{}/",
        listener.local_addr().unwrap().port()
    );
    let reply = post(&Sender::new(settings(&Ca::new(), 600)).unwrap(), &url).await;
    assert_eq!(reply.outcome, not_sent(NotSent::ConnectTimeout));
    assert!(reply.took < Duration::from_millis(590), "{:?}", reply.took);
}

/// A certificate of a server that says of itself that it is an authority, as `openssl req -x509` makes it.
fn authority() -> ServerConfig {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    serving(vec![certificate.der().clone()], &key)
}

#[tokio::test]
async fn a_bad_certificate_is_not_sent_and_says_what_is_wrong_with_it() {
    let (ca, other) = (Ca::new(), Ca::new());
    let expired = |params: &mut CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    };
    let future = |params: &mut CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2999, 1, 1);
        params.not_after = rcgen::date_time_ymd(3000, 1, 1);
    };
    for (config, why) in [
        (
            ca.server(&["localhost"], expired),
            NotSent::CertificateExpired {
                until: Some("2021-01-01T00:00:00Z".parse().unwrap()),
            },
        ),
        (
            ca.server(&["localhost"], future),
            NotSent::CertificateNotYetValid {
                from: Some("2999-01-01T00:00:00Z".parse().unwrap()),
            },
        ),
        (
            ca.server(&["elsewhere.test", "192.0.2.7"], |_| ()),
            NotSent::CertificateName {
                names: ["elsewhere.test", "IpAddress(192.0.2.7)"]
                    .map(str::to_owned)
                    .to_vec(),
            },
        ),
        (other.good(), NotSent::CertificateUntrusted),
        (ca.namesake().good(), NotSent::CertificateSignature),
        (authority(), NotSent::CertificateIsCa),
    ] {
        let receiver = Receiver::start(config, vec![say(OK), Act::Close]).await;
        let sender = sender(&ca);
        let expected = not_sent(why);
        assert_eq!(post(&sender, &receiver.url()).await.outcome, expected);
        assert_eq!(
            sender
                .check_url(&Url::parse(&receiver.url()).unwrap())
                .await,
            Err(expected)
        );
        assert_eq!(receiver.requests().len(), 0);
    }
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_is_not_sent() {
    #[derive(Clone, Copy)]
    enum Speaks {
        Http,
        OldTls,
        Nothing,
        Reset,
    }
    for speaks in [Speaks::Http, Speaks::OldTls, Speaks::Nothing, Speaks::Reset] {
        let listener = TcpListener::bind((HOME, 0)).await.unwrap();
        let url = format!(
            "https://localhost:{}/",
            listener.local_addr().unwrap().port()
        );
        tokio::spawn(async move {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let mut hello = [0; 64];
            tcp.read_exact(&mut hello).await.unwrap();
            match speaks {
                Speaks::Http => tcp
                    .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    .await
                    .unwrap(),
                // What a server with TLS 1.1 only answers: the fatal alert protocol_version.
                Speaks::OldTls => tcp.write_all(&[21, 3, 2, 0, 2, 2, 70]).await.unwrap(),
                Speaks::Nothing => tcp.shutdown().await.unwrap(),
                Speaks::Reset => tcp.set_zero_linger().unwrap(),
            }
        });
        let alert = match speaks {
            Speaks::OldTls => Some("protocol_version".to_owned()),
            Speaks::Http | Speaks::Nothing | Speaks::Reset => None,
        };
        assert_eq!(
            post(&sender(&Ca::new()), &url).await.outcome,
            not_sent(NotSent::Tls { alert })
        );
    }
}

#[test]
fn a_root_that_is_no_certificate_is_refused_at_once() {
    let ca = Ca::new();
    let good = String::from_utf8(ca.pem()).unwrap();
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned();
    let key = KeyPair::generate().unwrap().serialize_pem();
    for pem in [
        String::new(),
        "junk".to_owned(),
        broken.clone(),
        key,
        format!("{good}{broken}"),
        good.replace("END", "FIN"),
    ] {
        let settings = SendSettings {
            extra_roots_pem: vec![ca.pem(), pem.into_bytes()],
            ..settings(&ca, 1_000)
        };
        assert_eq!(Sender::new(settings).err(), Some(BadSettings::Roots));
    }
    let both = format!("{good}{}", String::from_utf8(Ca::new().pem()).unwrap());
    assert!(
        Sender::new(SendSettings {
            extra_roots_pem: vec![both.into_bytes()],
            ..settings(&ca, 1_000)
        })
        .is_ok()
    );
}

// What the environment can do, tried on child processes, whose environment can be set safely.

async fn in_child(url: String, roots: Vec<u8>, environment: Vec<(&'static str, String)>) -> String {
    let run = move || {
        Command::new(std::env::current_exe().unwrap())
            .args([
                "wire::send::tests::connecting::child",
                "--exact",
                "--ignored",
                "--nocapture",
                "--test-threads=1",
            ])
            .env("ORDERHOOK_TEST_URL", url)
            .env("ORDERHOOK_TEST_ROOTS", String::from_utf8(roots).unwrap())
            .envs(environment)
            .output()
            .unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Not a test of its own: one POST in another environment.
#[tokio::test]
#[ignore = "started by other tests as a child process"]
async fn child() {
    let Ok(url) = std::env::var("ORDERHOOK_TEST_URL") else {
        return;
    };
    let roots = std::env::var("ORDERHOOK_TEST_ROOTS").unwrap();
    let settings = SendSettings {
        allowed: vec!["127.0.0.1".parse().unwrap()],
        extra_roots_pem: if roots.is_empty() {
            Vec::new()
        } else {
            vec![roots.into_bytes()]
        },
        client_certificate: None,
        timeout: Duration::from_secs(5),
    };
    let sender = Sender::new(settings).unwrap();
    #[cfg(unix)]
    if std::env::var_os("ORDERHOOK_TEST_NO_DESCRIPTOR").is_some() {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = |current| {
            setrlimit(
                Resource::Nofile,
                Rlimit {
                    current,
                    ..getrlimit(Resource::Nofile)
                },
            )
            .unwrap()
        };
        let before = getrlimit(Resource::Nofile).current;
        for current in [Some(0), before, Some(0)] {
            limit(current);
            println!("\n[{}]", post(&sender, &url).await.outcome);
        }
        return;
    }
    println!("[{}]", post(&sender, &url).await.outcome);
}

/// What comes of one POST without a descriptor, of one with enough of them, and of one without again.
#[cfg(unix)]
async fn in_need(url: &str, mut environment: Vec<(&'static str, String)>) -> Vec<String> {
    environment.push(("ORDERHOOK_TEST_NO_DESCRIPTOR", String::new()));
    let said = in_child(url.to_owned(), Ca::new().pem(), environment).await;
    said.lines()
        .filter_map(|line| line.strip_prefix('[')?.strip_suffix(']'))
        .map(str::to_owned)
        .collect()
}

#[cfg(unix)]
#[tokio::test]
async fn a_process_without_a_descriptor_does_not_blame_the_name() {
    let expected = [NotSent::NoDescriptor, NotSent::Dns, NotSent::NoDescriptor]
        .map(|why| not_sent(why).to_string());
    assert_eq!(
        in_need("https://nowhere.invalid/", Vec::new()).await,
        expected
    );
}

#[cfg(unix)]
#[tokio::test]
async fn roots_that_could_not_be_read_for_want_of_a_descriptor_are_read_again() {
    let platform = Ca::new();
    let bundle = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(bundle.path(), platform.pem()).unwrap();
    let file = bundle.path().to_str().unwrap().to_owned();
    let receiver = Receiver::start(platform.good(), vec![say(OK), Act::Close]).await;
    let environment = vec![
        ("SSL_CERT_FILE", file),
        ("SSL_CERT_DIR", "/nonexistent".to_owned()),
    ];
    let none = not_sent(NotSent::NoDescriptor).to_string();
    let expected = [none.clone(), accepted(200).to_string(), none];
    assert_eq!(in_need(&receiver.url(), environment).await, expected);
}

#[tokio::test]
async fn proxies_of_the_environment_are_ignored() {
    let ca = Ca::new();
    let receiver = Receiver::start(ca.good(), vec![say(OK), Act::Close]).await;
    let proxy = Receiver::start(ca.good(), vec![]).await;
    let names = [
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
        "HTTP_PROXY",
        "http_proxy",
    ];
    let mut environment: Vec<_> = names
        .map(|name| (name, format!("http://{}", proxy.address)))
        .into();
    environment.extend(["NO_PROXY", "no_proxy"].map(|name| (name, String::new())));
    let said = in_child(receiver.url(), ca.pem(), environment).await;
    assert!(said.contains("[accepted (200)]"), "{said}");
    assert_eq!(proxy.connections(), 0);
}

#[tokio::test]
async fn a_machine_without_roots_is_an_outcome_unless_roots_were_given() {
    let ca = Ca::new();
    let receiver = Receiver::start(ca.good(), vec![say(OK), Act::Close]).await;
    let bare = || {
        ["SSL_CERT_FILE", "SSL_CERT_DIR"]
            .map(|name| (name, "/nonexistent".to_owned()))
            .into()
    };
    let said = in_child(receiver.url(), Vec::new(), bare()).await;
    assert!(
        said.contains(&format!("[{}]", not_sent(NotSent::NoTrustRoots))),
        "{said}"
    );
    let said = in_child(receiver.url(), ca.pem(), bare()).await;
    assert!(said.contains("[accepted (200)]"), "{said}");
}

#[tokio::test]
async fn given_roots_are_added_to_the_platforms() {
    let (platform, given) = (Ca::new(), Ca::new());
    let bundle = std::env::temp_dir().join(format!("orderhook-roots-{}.pem", std::process::id()));
    std::fs::write(&bundle, platform.pem()).unwrap();
    let environment = vec![
        ("SSL_CERT_FILE", bundle.to_str().unwrap().to_owned()),
        ("SSL_CERT_DIR", "/nonexistent".to_owned()),
    ];
    for (ca, said) in [
        (&platform, accepted(200)),
        (&given, accepted(200)),
        (&Ca::new(), not_sent(NotSent::CertificateUntrusted)),
    ] {
        let receiver = Receiver::start(ca.good(), vec![say(OK), Act::Close]).await;
        let output = in_child(receiver.url(), given.pem(), environment.clone()).await;
        assert!(output.contains(&format!("[{said}]")), "{output}");
    }
    std::fs::remove_file(bundle).unwrap();
}
