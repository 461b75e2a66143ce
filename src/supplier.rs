//! Who is told, and how: the webhook configuration of one supplier, impossible to build wrongly.

mod builder;
mod config_error;
mod endpoint;
mod header;
mod json;
pub(crate) mod lookup;
pub(crate) mod retry;
pub(crate) mod signing;

use std::num::NonZeroU32;

use crate::event::EventKind;
use crate::fulfilment::Subscription;
use crate::order::Privacy;
use crate::supplier::retry::RetryPolicy;
use crate::supplier::signing::SigningKey;
use crate::value::names::SupplierId;
use crate::value::secret::Secret;

pub use builder::SupplierBuilder;
pub use config_error::ConfigError;
pub use endpoint::{Endpoint, EndpointId};
pub use header::CustomHeader;
pub(crate) use json::suppliers_from_json;

/// The webhook configuration of one supplier.
///
/// ```
/// use orderhook::{Supplier, SupplierId};
///
/// let supplier = Supplier::builder(SupplierId::new("north-books")?)
///     .endpoint("https://hooks.north-books.example/orders")
///     .endpoint("https://backup.north-books.example/orders")
///     .bearer_token("tok_5f2a")
///     .custom_header("x-adapter-token", "91c0")
///     .build()?;
/// assert_eq!(supplier.endpoints().len(), 2);
///
/// let wrong = Supplier::builder(SupplierId::new("north-books")?).endpoint("http://north-books.example/").build();
/// assert_eq!(
///     wrong.unwrap_err().to_string(),
///     "supplier north-books: webhook_urls[0]: must begin with https://"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supplier {
    id: SupplierId,
    endpoints: Vec<Endpoint>,
    bearer_token: Option<Secret>,
    custom_headers: Vec<CustomHeader>,
    acceptance: Option<Acceptance>,
    privacy: Privacy,
    reference_pointer: Option<String>,
    signing_keys: Vec<SigningKey>,
    retry: Option<RetryPolicy>,
    max_concurrent: NonZeroU32,
    on_unknown: OnUnknown,
    activity: Activity,
    subscription: Subscription,
    stages_that_fail: FailedStages,
}

impl Supplier {
    /// How many notifications of one supplier are sent at the same time, unless it says otherwise: 8.
    pub const DEFAULT_MAX_CONCURRENT: NonZeroU32 = NonZeroU32::new(8).unwrap();

    /// A configuration with this id and nothing else; see [`SupplierBuilder::build`] for what is checked.
    pub fn builder(id: SupplierId) -> SupplierBuilder {
        SupplierBuilder::new(id)
    }

    /// Who it is.
    pub fn id(&self) -> &SupplierId {
        &self.id
    }

    /// Where it is told, in order; may be empty, and then telling it fails until somebody adds an endpoint.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// Sent as `Authorization: Bearer ..` (RFC 6750).
    pub fn bearer_token(&self) -> Option<&Secret> {
        self.bearer_token.as_ref()
    }

    /// Sent with every POST.
    pub fn custom_headers(&self) -> &[CustomHeader] {
        &self.custom_headers
    }

    /// When the supplier counts as told of an event of this kind: as configured, else [`Acceptance::Any`] for the stages of
    /// fulfilment and [`Acceptance::Every`] for everything else.
    pub fn acceptance(&self, kind: &EventKind) -> Acceptance {
        let of_kind = if kind.stage().is_some() { Acceptance::Any } else { Acceptance::Every };
        self.acceptance.unwrap_or(of_kind)
    }

    /// Which personal fields it may see.
    pub fn privacy(&self) -> &Privacy {
        &self.privacy
    }

    /// Where in the JSON of a 2xx reply its own reference stands (RFC 6901).
    pub fn reference_pointer(&self) -> Option<&str> {
        self.reference_pointer.as_deref()
    }

    /// What its events are signed with.
    pub fn signing_keys(&self) -> &[SigningKey] {
        &self.signing_keys
    }

    /// Its own schedule, if it has one.
    pub fn retry(&self) -> Option<&RetryPolicy> {
        self.retry.as_ref()
    }

    /// How many of its notifications are sent at the same time. Default 8.
    pub fn max_concurrent(&self) -> NonZeroU32 {
        self.max_concurrent
    }

    /// What follows when an event may have been received.
    pub fn on_unknown(&self) -> OnUnknown {
        self.on_unknown
    }

    /// Whether it is told at the moment.
    pub fn activity(&self) -> Activity {
        self.activity
    }

    /// Which stages of fulfilment it wants to be told.
    pub fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    /// What a stage that failed for good means for those after it.
    pub fn stages_that_fail(&self) -> FailedStages {
        self.stages_that_fail
    }
}

/// When a supplier with several endpoints counts as told; judged on the list as it is at that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Acceptance {
    /// When all listed endpoints have accepted. The default for `order.created`.
    Every,
    /// When at least one has; every endpoint is called once a round.
    Any,
    /// When at least one has; the next is called only if the one before did not accept (failover).
    First,
}

/// What follows when an event may have been received and no answer came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnUnknown {
    /// It is sent again, with the same id and bytes; the receiver deduplicates. The default.
    #[default]
    Resend,
    /// It is not sent to that endpoint again until a person says so.
    Hold,
}

/// What a stage of fulfilment that failed for good means for the later stages of its order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailedStages {
    /// They wait until somebody has repaired or withdrawn it. The default.
    #[default]
    Hold,
    /// They are told; the failure stays visible.
    Pass,
}

/// Whether a supplier is told at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Activity {
    /// It is. The default.
    #[default]
    Active,
    /// Not now: what is for it waits, and no try is spent.
    Paused,
}
