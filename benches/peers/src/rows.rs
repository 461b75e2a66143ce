//! The rows, and one measurement of a row: a process of its own on one core.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::measured::Measured;
use super::receiver::{Address, Receiver};
use super::{by_hand, machine, orders, ours};

/// The one row whose process is a program of a package of its own.
const WEBHOOKSMITH: &str = "webhooksmith";

/// In the order in which they take turns.
pub(crate) const ROWS: &[&str] = &[
    WEBHOOKSMITH,
    "by_hand_plain",
    "by_hand",
    "orderhook",
    "by_hand_again",
];

/// A client that finds one of these calls the receiver through a proxy.
const PROXIES: &[&str] = &[
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
];

/// Measures a row in a process of its own, and has the receiver confirm that each order arrived once.
pub(crate) fn run(row: &str, number: usize, peer: &Path, receiver: &mut Receiver) -> Measured {
    let address = &receiver.address;
    let mut sender = if row == WEBHOOKSMITH {
        let mut sender = Command::new(peer);
        sender
            .args([number.to_string(), format!("{}/s/0", address.plain)])
            .arg(String::from_utf8(orders::body(0)).unwrap());
        sender
    } else {
        let mut sender = Command::new(std::env::current_exe().unwrap());
        sender
            .args(["sender", row, &number.to_string()])
            .arg(serde_json::to_string(address).unwrap());
        sender
    };
    for name in PROXIES {
        sender.env_remove(name);
    }
    receiver.confirm(row, &mut sender)
}

/// The life of a process of this program that measures.
pub(crate) fn measure(row: &str, number: usize, to: &str) {
    machine::pin(0);
    let to: Address = serde_json::from_str(to).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let measured = runtime.block_on(async {
        match row {
            "by_hand_plain" => by_hand::measure(&to.plain, &to.pem, number).await,
            "by_hand" | "by_hand_again" => by_hand::measure(&to.url, &to.pem, number).await,
            "orderhook" => ours::measure(&to, number).await,
            _ => panic!("there is no row {row}"),
        }
    });
    println!("{}", serde_json::to_string(&measured).unwrap());
}

/// Builds the program of webhooksmith, in a folder beside this program's, and says where it is.
pub(crate) fn build_webhooksmith() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("webhooksmith/Cargo.toml");
    // This program is in `release` of the target folder that was chosen for it.
    let this = std::env::current_exe().unwrap();
    let target = this.ancestors().nth(2).unwrap().join("webhooksmith");
    let status = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
        .args(["build", "--release", "--locked", "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(&target)
        .status()
        .unwrap();
    assert!(status.success(), "webhooksmith could not be built");
    target
        .join("release/peer-webhooksmith")
        .with_extension(std::env::consts::EXE_EXTENSION)
}
