//! The life of a fulfilment order: what may follow what, how events are offered, sent and read.

mod lives;
mod offering;
mod pairs;
mod reading;
mod reference;
mod stored;

use orderhook::fulfilment::ChildId;

fn child(text: &str) -> ChildId {
    ChildId::new(text).unwrap()
}
