//! The way out, through a dispatcher: real sockets, real TLS, servers that misbehave, limits of the machine.

#[path = "../support/mod.rs"]
mod support;

mod bursts;
mod certificates;
mod client_certificate;
mod demanded_certificate;
mod heads;
mod hosts;
mod protocols;
mod proxied;
mod server;
mod stalls;
mod world;
