//! Stores by their address.

use orderhook::{Dispatcher, DispatcherBuilder, MemoryStore, Source, Suppliers};

use super::Failure;
use super::args::Common;

/// A dispatcher on the store that `--store` names.
pub async fn dispatcher(common: &Common, suppliers: impl Suppliers) -> Result<Dispatcher, Failure> {
    dispatcher_with(common, suppliers, |builder| builder).await
}

/// The same, with more settings.
pub async fn dispatcher_with(
    common: &Common,
    suppliers: impl Suppliers,
    more: impl FnOnce(DispatcherBuilder) -> DispatcherBuilder,
) -> Result<Dispatcher, Failure> {
    let source: Source = common.source()?;
    let address = super::args::required(common.store.as_deref(), "--store")?;
    let builder = if address == "memory:" {
        Dispatcher::builder(source, MemoryStore::new(), suppliers)
    } else if let Some(path) = address.strip_prefix("sqlite:") {
        sqlite(path, common, source, suppliers).await?
    } else if address.starts_with("postgres://") || address.starts_with("postgresql://") {
        return Err(Failure::input(
            "--store",
            "this build has no PostgreSQL; it needs the feature `postgres`",
        ));
    } else {
        return Err(Failure::input(
            "--store",
            "must be memory:, sqlite:PATH or postgres://..",
        ));
    };
    more(common.apply(builder)?)
        .build()
        .map_err(|error| common.blamed(error))
}

/// A dispatcher that only looks at endpoints: it touches no store.
pub fn without_store(common: &Common, suppliers: impl Suppliers) -> Result<Dispatcher, Failure> {
    let builder = Dispatcher::builder(common.source()?, MemoryStore::new(), suppliers);
    common
        .apply(builder)?
        .build()
        .map_err(|error| common.blamed(error))
}

#[cfg(feature = "sqlite")]
async fn sqlite(
    path: &str,
    common: &Common,
    source: Source,
    suppliers: impl Suppliers,
) -> Result<DispatcherBuilder, Failure> {
    let failed = |problem: String| Failure::Store(format!("--store: sqlite:{path}: {problem}"));
    if common.only_reads && !std::path::Path::new(path).exists() {
        return Err(failed(
            "there is no such file, and a program that only reads does not make it".into(),
        ));
    }
    let store = orderhook::SqliteStore::open(path)
        .await
        .map_err(|error| failed(super::with_causes(&error)))?;
    Ok(Dispatcher::builder(source, store, suppliers))
}

#[cfg(not(feature = "sqlite"))]
async fn sqlite(
    _: &str,
    _: &Common,
    _: Source,
    _: impl Suppliers,
) -> Result<DispatcherBuilder, Failure> {
    Err(Failure::input(
        "--store",
        "this build has no SQLite; it needs the feature `sqlite`",
    ))
}
