//! Suppliers out of a JSON file that may be edited while the program runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::supplier::{ConfigError, Supplier, suppliers_from_json};
use crate::value::names::SupplierId;

use super::{LookupError, Suppliers};

/// The suppliers of a JSON file `{"suppliers": [{"id": .., "webhook_urls": [..], ..}]}`.
///
/// The file is looked at in every lookup and read again when it has changed. When the new one is wrong, or cannot be
/// read, the last good one stays in force and the error is logged once and kept for [`problem`](Self::problem).
#[derive(Clone, Debug)]
pub struct SuppliersFile {
    path: Arc<PathBuf>,
    loaded: Arc<Mutex<Loaded>>,
}

#[derive(Debug)]
struct Loaded {
    suppliers: Arc<BTreeMap<SupplierId, Supplier>>,
    seen: Option<Stamp>,
    problem: Option<ConfigError>,
}

/// What tells one version of the file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    length: u64,
}

impl SuppliersFile {
    /// Reads the file.
    ///
    /// # Errors
    /// [`ConfigError`] when it cannot be read, is not JSON, or has a supplier that is not usable: one bad supplier makes
    /// the whole file unusable at the start.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref().to_owned();
        // The stamp is taken before the content: an edit in between is noticed at the next lookup.
        let seen = stamp(&path);
        let suppliers = Arc::new(read(&path)?);
        let loaded = Loaded { suppliers, seen, problem: None };
        Ok(SuppliersFile { path: Arc::new(path), loaded: Arc::new(Mutex::new(loaded)) })
    }

    /// Everything that is in force.
    pub fn suppliers(&self) -> Arc<BTreeMap<SupplierId, Supplier>> {
        Arc::clone(&self.refreshed().suppliers)
    }

    /// What is wrong with the file as it is now, when an older one is in force.
    pub fn problem(&self) -> Option<ConfigError> {
        self.refreshed().problem.clone()
    }

    fn refreshed(&self) -> MutexGuard<'_, Loaded> {
        // A panic while it was held leaves the last good state: fields are replaced by single assignments.
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let now = stamp(&self.path);
        if now != loaded.seen {
            loaded.seen = now;
            match read(&self.path) {
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
        loaded
    }
}

impl Suppliers for SuppliersFile {
    async fn find(&self, id: &SupplierId) -> Result<Option<Supplier>, LookupError> {
        Ok(self.refreshed().suppliers.get(id).cloned())
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some(Stamp { modified: metadata.modified().ok()?, length: metadata.len() })
}

fn read(path: &Path) -> Result<BTreeMap<SupplierId, Supplier>, ConfigError> {
    let bytes = fs::read(path)
        .map_err(|error| ConfigError::new(None, "suppliers file", format!("cannot be read: {}", error.kind())))?;
    suppliers_from_json(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(url: &str) -> String {
        format!(r#"{{"suppliers": [{{"id": "a", "webhook_urls": ["{url}"]}}]}}"#)
    }

    #[test]
    fn an_edit_takes_effect_and_a_bad_edit_leaves_the_last_good_one_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("suppliers.json");
        let url = |file: &SuppliersFile| {
            let suppliers = file.suppliers();
            suppliers.values().next().unwrap().endpoints()[0].shown().to_owned()
        };
        fs::write(&path, one("https://first.example/")).unwrap();
        let file = SuppliersFile::open(&path).unwrap();
        assert_eq!(url(&file), "https://first.example/");

        fs::write(&path, one("https://second-one.example/")).unwrap();
        assert_eq!(url(&file), "https://second-one.example/");

        fs::write(&path, one("http://third.example/")).unwrap();
        assert_eq!(url(&file), "https://second-one.example/");
        let problem = file.problem().unwrap().to_string();
        assert_eq!(problem, "supplier a: webhook_urls[0]: must begin with https://");

        fs::remove_file(&path).unwrap();
        assert_eq!(url(&file), "https://second-one.example/");

        fs::write(&path, one("https://fourth.example/in")).unwrap();
        assert_eq!(url(&file), "https://fourth.example/in");
        assert_eq!(file.problem(), None);
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
            (r#"{"suppliers": [{"webhook_urls": []}]}"#, "suppliers[0].id: is missing"),
            (r#"{"supplier": []}"#, "suppliers: is missing"),
            (
                r#"{"suppliers": [{"id": "a", "retry": {"first_delay_ms": 0}}]}"#,
                "supplier a: retry.first_delay_ms: must be a whole number of at least 1",
            ),
        ] {
            fs::write(&path, text).unwrap();
            assert_eq!(SuppliersFile::open(&path).unwrap_err().to_string(), expected);
        }
    }
}
