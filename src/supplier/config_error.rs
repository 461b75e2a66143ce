//! What is wrong with a configuration.

use crate::value::names::SupplierId;

/// Why a supplier's configuration cannot be used, for the marketplace's admin. It never repeats a value, which may be a
/// secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{setting}: {problem}", .supplier.as_ref().map(|id| format!("supplier {id}: ")).unwrap_or_default())]
pub struct ConfigError {
    supplier: Option<SupplierId>,
    setting: String,
    problem: String,
}

impl ConfigError {
    /// An error for an application's own [`Suppliers`](crate::Suppliers). `setting` is the place, and `problem` says what
    /// would be right there; put a value in neither, for it may be a secret.
    ///
    /// ```
    /// use orderhook::SupplierId;
    /// use orderhook::supplier::ConfigError;
    ///
    /// let id = SupplierId::new("north-books")?;
    /// let error = ConfigError::new(Some(id), "webhook_urls[0]", "must begin with https://");
    /// assert_eq!(error.to_string(), "supplier north-books: webhook_urls[0]: must begin with https://");
    /// # Ok::<(), orderhook::value::InvalidValue>(())
    /// ```
    pub fn new(
        supplier: Option<SupplierId>,
        setting: impl Into<String>,
        problem: impl Into<String>,
    ) -> Self {
        ConfigError {
            supplier,
            setting: setting.into(),
            problem: problem.into(),
        }
    }

    /// The supplier whose configuration it is; `None` when the document could not be read so far.
    pub fn supplier(&self) -> Option<&SupplierId> {
        self.supplier.as_ref()
    }

    /// The setting that is wrong, as in `webhook_urls[1]` or `custom_headers[0].name`.
    pub fn setting(&self) -> &str {
        &self.setting
    }

    /// The problem: what would be right there.
    pub fn problem(&self) -> &str {
        &self.problem
    }
}
