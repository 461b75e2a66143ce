//! Several processes on one SQLite file, and what a disk, a lock or a signal does to them. The names of the tests begin
//! with the numbers of the faults: P1 racing processes, P2 a process that is stopped, P6 locks, full disks and kills while
//! committing, P7 a store that fails after a 2xx, P8 damage and newer files.

#![cfg(unix)]

mod child;
#[allow(dead_code, reason = "nothing is cut here")]
#[path = "../kill/front.rs"]
mod front;
mod p1;
mod p2;
mod p6;
mod p6_full;
mod p7;
mod p8;
#[path = "../support/programs.rs"]
mod programs;
#[path = "../support/mod.rs"]
mod support;
mod world;
