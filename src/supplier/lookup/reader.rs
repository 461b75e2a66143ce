//! A thread that looks at a file when it is asked to, so that a file system that hangs stops nothing else.

use std::fmt;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// How many may wait for the same look.
const WAITING: usize = 1024;

type Done = Box<dyn FnOnce() + Send>;

/// Asks a thread to look. The thread ends when this is dropped.
pub(super) struct Reader {
    /// `None` when the machine has no thread left.
    asks: Option<SyncSender<Done>>,
}

impl Reader {
    pub(super) fn new(look: impl Fn() + Send + 'static) -> Self {
        let (asks, asked) = sync_channel(WAITING);
        // Not a task of the runtime: a runtime that ends would wait for it.
        let thread = std::thread::Builder::new().name("orderhook-suppliers".to_owned());
        let started = thread.spawn(move || serve(&asked, look));
        Reader {
            asks: started.is_ok().then_some(asks),
        }
    }

    /// Has the file looked at after this moment, and then calls `done`. `false` when too many wait already.
    pub(super) fn ask(&self, done: impl FnOnce() + Send + 'static) -> bool {
        self.asks
            .as_ref()
            .is_some_and(|asks| asks.try_send(Box::new(done)).is_ok())
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

/// One look answers every caller who asked before it began.
fn serve(asked: &Receiver<Done>, look: impl Fn()) {
    while let Ok(first) = asked.recv() {
        let waiting: Vec<Done> = std::iter::once(first).chain(asked.try_iter()).collect();
        look();
        waiting.into_iter().for_each(|done| done());
    }
}
