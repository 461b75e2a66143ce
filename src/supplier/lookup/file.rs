//! Suppliers out of a JSON file that may be edited while the program runs.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::supplier::{ConfigError, Supplier, suppliers_from_json};
use crate::value::names::SupplierId;

use super::reader::Reader;
use super::version::{Content, Look, Stamp};
use super::{LookupError, Suppliers};

/// How long a lookup waits for the file. After that the last good configuration answers.
const PATIENCE: Duration = Duration::from_secs(2);

/// The suppliers of a JSON file.
///
/// Every key but `id` may be left out. What each of them sets, with its limits and its default, stands at the method of
/// [`SupplierBuilder`](crate::SupplierBuilder) that is named here where it has another name.
///
/// | key | value |
/// |---|---|
/// | `id` | text |
/// | `webhook_urls` | list of texts ([`endpoint`](crate::SupplierBuilder::endpoint)) |
/// | `bearer_token` | text |
/// | `custom_headers` | list of `{"name": .., "value": ..}` ([`custom_header`](crate::SupplierBuilder::custom_header)) |
/// | `acceptance` | `every`, `first` or `any` |
/// | `privacy` | `{"customer_name"?, "email"?, "mobile"?, "address"?}`, each `share`, `mask` or `omit` |
/// | `reference_pointer` | text, a JSON pointer |
/// | `keep_reply` | number of bytes |
/// | `signing_keys` | list of `{"key": .., "from"?, "until"?}`, moments as RFC 3339 ([`signing_key`](crate::SupplierBuilder::signing_key)) |
/// | `retry` | `{"first_delay_ms"?, "max_delay_ms"?, "give_up_after_s"?}` |
/// | `max_concurrent` | number |
/// | `on_unknown` | `resend` or `hold` |
/// | `paused` | `true` or `false` ([`activity`](crate::SupplierBuilder::activity)) |
/// | `stages`, `rejections` | list of stages, and a word ([`subscription`](crate::SupplierBuilder::subscription)) |
/// | `stages_that_fail` | `hold` or `pass` |
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("suppliers.json");
/// std::fs::write(&path, r#"{"suppliers": [{
///     "id": "north-books",
///     "webhook_urls": ["https://hooks.north-books.example/orders", "https://backup.north-books.example/orders"],
///     "bearer_token": "tok_5f2a",
///     "custom_headers": [{"name": "x-shop", "value": "bookfair"}],
///     "privacy": {"email": "omit", "mobile": "mask"}
/// }]}"#)?;
/// let suppliers = orderhook::SuppliersFile::open(&path)?.suppliers();
/// assert_eq!(suppliers["north-books"].endpoints().len(), 2);
/// # Ok(())
/// # }
/// ```
///
/// The file is looked at in every lookup and read again when it has changed, also when length and modification time are as
/// before. When the new one is wrong, cannot be read, or does not answer within 2 s, the last good one stays in force and
/// the error is logged once and kept for [`problem`](Self::problem).
///
/// It must be a regular file (or a link to one) of at most 64 MiB. It is read in a thread of its own, so that a file
/// system that hangs does not stop the program.
#[derive(Clone, Debug)]
pub struct SuppliersFile {
    loaded: Arc<Mutex<Loaded>>,
    reader: Arc<Reader>,
}

#[derive(Debug)]
struct Loaded {
    path: PathBuf,
    suppliers: Arc<BTreeMap<SupplierId, Supplier>>,
    seen: Option<Stamp>,
    /// The content that was judged last, whether it was good or not.
    content: Option<Content>,
    problem: Option<ConfigError>,
}

impl SuppliersFile {
    /// Reads the file.
    ///
    /// # Errors
    /// [`ConfigError`] when it cannot be read, is not JSON, or has a supplier that is not usable: one bad supplier makes
    /// the whole file unusable at the start.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref().to_owned();
        let look = Look::at(&path).map_err(unreadable)?;
        let suppliers = Arc::new(suppliers_from_json(&look.bytes)?);
        let (seen, content) = (Some(look.stamp), Some(look.content));
        let loaded = Arc::new(Mutex::new(Loaded {
            path,
            suppliers,
            seen,
            content,
            problem: None,
        }));
        let of_reader = Arc::clone(&loaded);
        Ok(SuppliersFile {
            loaded,
            reader: Arc::new(Reader::new(move || refresh(&of_reader))),
        })
    }

    /// The suppliers that are in force. It looks at the file and may block the thread for up to 2 s; in asynchronous code use
    /// [`find`](crate::Suppliers::find).
    pub fn suppliers(&self) -> Arc<BTreeMap<SupplierId, Supplier>> {
        self.look();
        Arc::clone(&locked(&self.loaded).suppliers)
    }

    /// What is wrong with the file as it is now, when an older one is in force.
    pub fn problem(&self) -> Option<ConfigError> {
        self.look();
        locked(&self.loaded).problem.clone()
    }

    /// Has the file looked at, and waits for that.
    fn look(&self) {
        let (done, answer) = std::sync::mpsc::sync_channel(1);
        let asked = self.reader.ask(move || _ = done.send(()));
        if !asked || answer.recv_timeout(PATIENCE).is_err() {
            self.no_answer();
        }
    }

    fn no_answer(&self) {
        let mut loaded = locked(&self.loaded);
        let error = ConfigError::new(
            None,
            "suppliers file",
            "does not answer; the last good one stays in force",
        );
        if loaded.problem.as_ref() != Some(&error) {
            tracing::error!(%error, "the suppliers file is not usable");
            loaded.problem = Some(error);
            // Looked at again from the beginning as soon as it answers.
            loaded.seen = None;
            loaded.content = None;
        }
    }
}

impl Suppliers for SuppliersFile {
    async fn find(&self, id: &SupplierId) -> Result<Option<Supplier>, LookupError> {
        let (done, answer) = oneshot::channel();
        let asked = self.reader.ask(move || _ = done.send(()));
        if !asked || !matches!(tokio::time::timeout(PATIENCE, answer).await, Ok(Ok(()))) {
            self.no_answer();
        }
        Ok(locked(&self.loaded).suppliers.get(id).cloned())
    }
}

/// Takes up what has changed. The lock is not held while the file is read.
fn refresh(loaded: &Mutex<Loaded>) {
    let (path, seen, known) = {
        let loaded = locked(loaded);
        (loaded.path.clone(), loaded.seen, loaded.content)
    };
    let now = Stamp::of(&path).ok();
    if now == seen
        && now.is_none_or(|stamp| !stamp.is_doubtful())
        && (now.is_some() || known.is_none())
    {
        return;
    }
    let look = Look::at(&path);
    let mut loaded = locked(loaded);
    match look {
        Ok(look) => {
            loaded.seen = Some(look.stamp);
            if loaded.content != Some(look.content) {
                loaded.content = Some(look.content);
                let suppliers = suppliers_from_json(&look.bytes);
                take_up(&mut loaded, suppliers);
            }
        }
        Err(error) => {
            loaded.seen = now;
            let is_news = loaded.content.take().is_some() || loaded.problem.is_none();
            if is_news {
                take_up(&mut loaded, Err(unreadable(error)));
            }
        }
    }
}

fn take_up(loaded: &mut Loaded, suppliers: Result<BTreeMap<SupplierId, Supplier>, ConfigError>) {
    match suppliers {
        Ok(suppliers) => {
            loaded.suppliers = Arc::new(suppliers);
            loaded.problem = None;
        }
        Err(error) => {
            tracing::error!(%error, "the suppliers file is not usable; the last good one stays in force");
            loaded.problem = Some(error);
        }
    }
}

fn locked(loaded: &Mutex<Loaded>) -> MutexGuard<'_, Loaded> {
    // A panic while it was held leaves the last good state: fields are replaced by single assignments.
    loaded.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unreadable(error: io::Error) -> ConfigError {
    let problem = match error.kind() {
        io::ErrorKind::InvalidInput => error.to_string(),
        kind => format!("cannot be read: {kind}"),
    };
    ConfigError::new(None, "suppliers file", problem)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::SystemTime;

    use super::*;

    fn one(url: &str) -> String {
        format!(r#"{{"suppliers": [{{"id": "a", "webhook_urls": ["{url}"]}}]}}"#)
    }

    fn url(file: &SuppliersFile) -> String {
        let suppliers = file.suppliers();
        suppliers.values().next().unwrap().endpoints()[0]
            .shown()
            .to_owned()
    }

    /// Writes the file and says that it was last modified long ago.
    fn write_as_of(path: &Path, text: &str, modified: SystemTime) {
        fs::write(path, text).unwrap();
        fs::File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_modified(modified)
            .unwrap();
    }

    #[test]
    fn a_file_of_the_same_length_and_modification_time_is_told_from_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (
            folder.path().join("suppliers.json"),
            folder.path().join("other.json"),
        );
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        write_as_of(&path, &one("https://a.example/1"), long_ago);
        let file = SuppliersFile::open(&path).unwrap();
        assert_eq!(url(&file), "https://a.example/1");
        for n in 2..=9 {
            write_as_of(&path, &one(&format!("https://a.example/{n}")), long_ago);
            assert_eq!(
                url(&file),
                format!("https://a.example/{n}"),
                "written again in place"
            );
        }

        write_as_of(&other, &one("https://b.example/1"), long_ago);
        fs::rename(&other, &path).unwrap();
        assert_eq!(
            url(&file),
            "https://b.example/1",
            "another file in its place"
        );

        #[cfg(unix)]
        {
            write_as_of(&other, &one("https://c.example/1"), long_ago);
            fs::remove_file(&path).unwrap();
            std::os::unix::fs::symlink(&other, &path).unwrap();
            assert_eq!(url(&file), "https://c.example/1", "a link in its place");
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_pipe_in_place_of_the_file_stops_nobody_and_the_last_good_one_stays_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("suppliers.json");
        fs::write(&path, one("https://first.example/")).unwrap();
        let file = SuppliersFile::open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(
            std::process::Command::new("mkfifo")
                .arg(&path)
                .status()
                .unwrap()
                .success()
        );

        let found = tokio::time::timeout(
            Duration::from_secs(20),
            file.find(&SupplierId::new("a").unwrap()),
        )
        .await;
        assert_eq!(
            found.unwrap().unwrap().unwrap().endpoints()[0].shown(),
            "https://first.example/"
        );
        let problem = file.problem().unwrap().to_string();
        assert_eq!(problem, "suppliers file: must be a regular file");
        assert_eq!(SuppliersFile::open(&path).unwrap_err().to_string(), problem);

        fs::remove_file(&path).unwrap();
        fs::write(&path, one("https://second.example/")).unwrap();
        assert_eq!(url(&file), "https://second.example/");
        assert_eq!(file.problem(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_does_not_answer_leaves_the_last_good_one_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("suppliers.json");
        fs::write(&path, one("https://first.example/")).unwrap();
        let opened = SuppliersFile::open(&path).unwrap();
        let (hang, held) = std::sync::mpsc::channel::<()>();
        let held = Mutex::new(held);
        let hanging = Reader::new(move || _ = held.lock().unwrap().recv());
        let file = SuppliersFile {
            loaded: opened.loaded,
            reader: Arc::new(hanging),
        };

        let found = file
            .find(&SupplierId::new("a").unwrap())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.endpoints()[0].shown(), "https://first.example/");
        let problem = locked(&file.loaded).problem.clone().unwrap();
        assert_eq!(
            problem.to_string(),
            "suppliers file: does not answer; the last good one stays in force"
        );
        drop(hang);
        assert_eq!(refreshed(&file), None, "it is looked at anew");
    }

    fn refreshed(file: &SuppliersFile) -> Option<ConfigError> {
        refresh(&file.loaded);
        locked(&file.loaded).problem.clone()
    }

    #[test]
    fn an_edit_takes_effect_and_a_bad_edit_leaves_the_last_good_one_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("suppliers.json");
        fs::write(&path, one("https://first.example/")).unwrap();
        let file = SuppliersFile::open(&path).unwrap();
        assert_eq!(url(&file), "https://first.example/");

        fs::write(&path, one("https://second-one.example/")).unwrap();
        assert_eq!(url(&file), "https://second-one.example/");

        fs::write(&path, one("http://third.example/")).unwrap();
        assert_eq!(url(&file), "https://second-one.example/");
        let problem = file.problem().unwrap().to_string();
        assert_eq!(
            problem,
            "supplier a: webhook_urls[0]: must begin with https://"
        );

        fs::remove_file(&path).unwrap();
        assert_eq!(url(&file), "https://second-one.example/");

        fs::write(&path, one("https://fourth.example/in")).unwrap();
        assert_eq!(url(&file), "https://fourth.example/in");
        assert_eq!(file.problem(), None);
    }

    #[test]
    fn a_byte_order_mark_in_front_of_the_file_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("suppliers.json");
        fs::write(&path, format!("\u{feff}{}", one("https://first.example/"))).unwrap();
        assert_eq!(
            url(&SuppliersFile::open(&path).unwrap()),
            "https://first.example/"
        );
        let utf_16: Vec<u8> = one("https://first.example/")
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        fs::write(&path, [&b"\xff\xfe"[..], &utf_16].concat()).unwrap();
        let refused = SuppliersFile::open(&path).unwrap_err().to_string();
        assert!(
            refused.starts_with("suppliers file: must be saved as UTF-8"),
            "{refused}"
        );
    }

    #[test]
    fn one_bad_supplier_makes_the_file_unusable_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("suppliers.json");
        for (text, expected) in [
            (
                r#"{"suppliers": [{"id": "a"}, {"id": "a"}]}"#,
                "supplier a: suppliers[1].id: is the id of a supplier before it",
            ),
            (
                r#"{"suppliers": [{"webhook_urls": []}]}"#,
                "suppliers[0].id: is missing",
            ),
            (r#"{"supplier": []}"#, "suppliers: is missing"),
            (
                r#"{"suppliers": [{"id": "a", "retry": {"first_delay_ms": 0}}]}"#,
                "supplier a: retry.first_delay_ms: must be a whole number of at least 1",
            ),
        ] {
            fs::write(&path, text).unwrap();
            assert_eq!(
                SuppliersFile::open(&path).unwrap_err().to_string(),
                expected
            );
        }
    }
}
