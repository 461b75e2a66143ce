//! The webhook configuration of a supplier: the endpoints, the secrets and the rules that it is sent by. A configuration
//! that exists is valid.

pub(crate) mod builder;
pub(crate) mod config;
mod config_error;
mod endpoint;
mod header;
mod json;
pub(crate) mod lookup;
mod policy;
pub(crate) mod retry;
pub(crate) mod signing;
mod subscription;

pub(crate) use builder::SupplierBuilder;
pub(crate) use config::Supplier;
pub use config_error::ConfigError;
pub use endpoint::{Endpoint, EndpointId};
pub use header::CustomHeader;
pub(crate) use json::suppliers_from_json;
pub use lookup::{Cached, LookupError};
pub use policy::{Acceptance, Activity, OnUnknown, StreamRule};
pub use subscription::{Rejections, Stages, Subscription};
