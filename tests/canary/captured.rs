//! All that any crate of the process says, at trace level, and every panic.

use std::io::{self, Write};
use std::sync::{LazyLock, Mutex, Once, PoisonError};

use tracing_subscriber::fmt::format::FmtSpan;

static SAID: LazyLock<Mutex<Vec<u8>>> = LazyLock::new(Mutex::default);

/// Begins to listen, to `tracing` and to `log`; once for the process.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_span_events(FmtSpan::FULL)
            .with_ansi(false)
            .with_writer(|| Ear)
            .init();
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // Writing to memory does not fail.
            let _ = writeln!(Ear, "PANIC {panic}");
            before(panic);
        }));
    });
}

/// Everything so far.
pub(crate) fn said() -> String {
    String::from_utf8_lossy(&SAID.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
}

struct Ear;

impl Write for Ear {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        SAID.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
