//! The webhook configuration of one supplier: whom to notify, and how. One that exists is valid.

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
    /// The default of [`max_concurrent`](SupplierBuilder::max_concurrent): 8.
    pub const DEFAULT_MAX_CONCURRENT: NonZeroU32 = NonZeroU32::new(8).unwrap();

    /// Begins a configuration with this id and nothing else.
    pub fn builder(id: SupplierId) -> SupplierBuilder {
        SupplierBuilder::new(id)
    }

    /// The supplier's id.
    pub fn id(&self) -> &SupplierId {
        &self.id
    }

    /// The URLs that are called, in this order. While the list is empty, notifications of the supplier fail for
    /// [`no_endpoints`](crate::FailureReason::NoEndpoints).
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// The token that is sent as `Authorization: Bearer ..` (RFC 6750).
    pub fn bearer_token(&self) -> Option<&Secret> {
        self.bearer_token.as_ref()
    }

    /// The headers that are sent with every POST.
    pub fn custom_headers(&self) -> &[CustomHeader] {
        &self.custom_headers
    }

    /// When the supplier counts as notified of an event of this kind: as configured, else [`Acceptance::Any`] for the
    /// stages of fulfilment and [`Acceptance::Every`] for everything else.
    pub fn acceptance(&self, kind: &EventKind) -> Acceptance {
        let of_kind = if kind.stage().is_some() {
            Acceptance::Any
        } else {
            Acceptance::Every
        };
        self.acceptance.unwrap_or(of_kind)
    }

    /// The personal fields that the supplier may see.
    pub fn privacy(&self) -> &Privacy {
        &self.privacy
    }

    /// Where in the JSON of a 2xx reply the supplier's own reference stands (RFC 6901).
    pub fn reference_pointer(&self) -> Option<&str> {
        self.reference_pointer.as_deref()
    }

    /// The keys that its events are signed with.
    pub fn signing_keys(&self) -> &[SigningKey] {
        &self.signing_keys
    }

    /// The schedule of this supplier; `None` for the dispatcher's.
    pub fn retry(&self) -> Option<&RetryPolicy> {
        self.retry.as_ref()
    }

    /// How many calls may be under way at this supplier at the same time; see
    /// [`SupplierBuilder::max_concurrent`].
    pub fn max_concurrent(&self) -> NonZeroU32 {
        self.max_concurrent
    }

    /// What is done when an event may have been received and no answer came.
    pub fn on_unknown(&self) -> OnUnknown {
        self.on_unknown
    }

    /// Whether notifications are sent to the supplier at the moment.
    pub fn activity(&self) -> Activity {
        self.activity
    }

    /// The stages of fulfilment that are sent to the supplier.
    pub fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    /// What a stage of fulfilment that failed means for the later stages of its order.
    pub fn stages_that_fail(&self) -> FailedStages {
        self.stages_that_fail
    }
}

/// When a supplier with several endpoints counts as notified; judged on the list of endpoints as it is at that moment.
///
/// An endpoint that is [silent](crate::Worker#who-is-called-when) is left out of a round, and costs no try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Acceptance {
    /// When all listed endpoints have accepted. The default for everything but the stages of fulfilment.
    Every,
    /// When at least one endpoint has accepted. Every endpoint that is not left out is called once a round. The default
    /// for the stages of fulfilment.
    Any,
    /// When at least one endpoint has accepted. The next one is called only if the one before did not accept, or is
    /// left out (failover).
    First,
}

/// What is done when an event may have been received and no answer came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnUnknown {
    /// It is sent again, with the same id and bytes; the receiver deduplicates. The default.
    #[default]
    Resend,
    /// It is not sent to that endpoint again until a person [retries](crate::Dispatcher::retry) it.
    Hold,
}

/// What a stage of fulfilment that failed means for the later stages of its order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailedStages {
    /// They wait until the failed one is notified or withdrawn. The default.
    #[default]
    Hold,
    /// They are sent; the failure stays visible.
    Pass,
}

/// Whether notifications are sent to a supplier at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Activity {
    /// They are sent. The default.
    #[default]
    Active,
    /// They are put off, without a try; a worker looks every 5 s whether the supplier is active again.
    Paused,
}
