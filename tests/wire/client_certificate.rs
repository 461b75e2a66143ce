//! A client certificate: configured, presented, looked at by a check, replaced.

use std::fs;
use std::time::Duration;

use orderhook::report::Verdict;
use orderhook::{Dispatcher, Error};

use super::demanded_certificate::{answering, demanding};
use super::support::Ca;
use super::world::{World, outcomes, tell};

const TLS: [&rustls::SupportedProtocolVersion; 2] =
    [&rustls::version::TLS13, &rustls::version::TLS12];

fn with(world: &World, (chain, key): (String, String)) -> Dispatcher {
    world
        .builder(Duration::from_secs(8))
        .client_certificate(chain, key)
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_server_that_demands_a_client_certificate_gets_it_and_a_check_says_until_when_it_is_valid()
 {
    for version in TLS {
        let (world, clients) = (World::new(), Ca::new());
        let server = answering(demanding(&world, &clients, version)).await;
        world.put("a", &server.url("/in"));
        let dispatcher = with(&world, clients.client("shop"));

        assert_eq!(
            outcomes(&tell(&dispatcher, "a", "A-1").await),
            ["accepted (200)"]
        );
        let check = &dispatcher.check(&world.supplier("a")).await[0];
        assert_eq!(check.verdict, Verdict::Reachable);
        let until = check
            .client_certificate_until
            .expect("the end of the client's certificate")
            .to_string();
        assert!(until.starts_with("2040-05-06T"), "{until}");
        assert!(
            check.certificate_until.is_some(),
            "the end of the server's certificate"
        );
    }
}

#[tokio::test]
async fn a_client_certificate_that_the_server_refuses_is_not_sent() {
    for version in TLS {
        let world = World::new();
        let server = answering(demanding(&world, &Ca::new(), version)).await;
        world.put("a", &server.url("/in"));
        let dispatcher = with(&world, Ca::new().client("shop"));

        let outcomes = outcomes(&tell(&dispatcher, "a", "A-1").await);
        assert!(
            outcomes[0].starts_with("not sent: ") && outcomes[0].contains("client certificate"),
            "{outcomes:?}"
        );
        let verdict = dispatcher.check(&world.supplier("a")).await[0]
            .verdict
            .to_string();
        assert!(verdict.contains("client certificate"), "{verdict}");
    }
}

#[tokio::test]
async fn files_that_were_replaced_are_taken_up_and_bad_ones_are_not() {
    let (world, clients, strangers) = (World::new(), Ca::new(), Ca::new());
    let server = answering(demanding(&world, &clients, &rustls::version::TLS13)).await;
    world.put("a", &server.url("/in"));
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = (
        folder.path().join("client.pem"),
        folder.path().join("client.key"),
    );
    let stamp = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    // Whatever is written, the time of the files is the same.
    let write = |(chain_pem, key_pem): (String, String)| {
        for (path, text) in [(&chain, chain_pem), (&key, key_pem)] {
            fs::write(path, text).unwrap();
            fs::File::options()
                .write(true)
                .open(path)
                .unwrap()
                .set_modified(stamp)
                .unwrap();
        }
    };
    write(strangers.client("shop"));
    let dispatcher = world
        .builder(Duration::from_secs(8))
        .client_certificate_files(&chain, &key)
        .build()
        .unwrap();
    assert_ne!(
        outcomes(&tell(&dispatcher, "a", "A-0").await),
        ["accepted (200)"]
    );

    write(clients.client("shop"));
    until_accepted(&dispatcher, "A-1").await;

    write(("junk".to_owned(), "junk".to_owned()));
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(
        outcomes(&tell(&dispatcher, "a", "A-2").await),
        ["accepted (200)"],
        "the last good ones stay in force"
    );
    fs::remove_file(&key).unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(
        outcomes(&tell(&dispatcher, "a", "A-3").await),
        ["accepted (200)"],
        "the last good ones stay in force"
    );
}

async fn until_accepted(dispatcher: &Dispatcher, order: &str) {
    for n in 0..100 {
        if outcomes(&tell(dispatcher, "a", &format!("{order}-{n}")).await) == ["accepted (200)"] {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the new files were never taken up");
}

#[tokio::test]
async fn a_client_certificate_that_is_none_is_refused_when_the_dispatcher_is_built() {
    let world = World::new();
    let (chain, key) = world.ca.client("shop");
    let (_, other) = world.ca.client("shop");
    for (chain, key) in [
        (String::new(), key.clone()),
        ("junk".to_owned(), key.clone()),
        (chain.clone(), "s3cr3t".to_owned()),
        (chain.clone(), chain.clone()),
        (key.clone(), key.clone()),
        (chain.clone(), other),
    ] {
        let error = world
            .builder(Duration::from_secs(8))
            .client_certificate(chain, key)
            .build()
            .unwrap_err();
        assert!(
            matches!(
                error,
                Error::InvalidArgument {
                    argument: "client_certificate",
                    ..
                }
            ),
            "{error:?}"
        );
        assert!(!format!("{error} {error:?}").contains("s3cr3t"));
    }
    let folder = tempfile::tempdir().unwrap();
    let (present, missing) = (
        folder.path().join("present.pem"),
        folder.path().join("missing.pem"),
    );
    std::fs::write(&present, &chain).unwrap();
    for (chain, key, which) in [
        (&missing, &present, "chain"),
        (&present, &missing, "private key"),
    ] {
        let builder = world
            .builder(Duration::from_secs(8))
            .client_certificate_files(chain, key);
        let problem = builder.build().unwrap_err().to_string();
        assert!(
            problem.contains(&format!("the file of its {which} cannot be read")),
            "{problem}"
        );
    }
    let shown = format!(
        "{:?}",
        world
            .builder(Duration::from_secs(8))
            .client_certificate(chain, key)
    );
    assert!(!shown.contains("PRIVATE"), "{shown}");
}
