//! The webhook configuration of one supplier.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::event::EventKind;
use crate::order::Privacy;
use crate::value::names::SupplierId;
use crate::value::secret::Secret;

use super::retry::RetryPolicy;
use super::signing::SigningKey;
use super::{
    Acceptance, Activity, CustomHeader, Endpoint, OnUnknown, StreamRule, Subscription,
    SupplierBuilder,
};

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
///
/// Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Supplier {
    settings: Arc<Settings>,
}

/// What the clones of a supplier share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) id: SupplierId,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) bearer_token: Option<Secret>,
    pub(super) custom_headers: Vec<CustomHeader>,
    pub(super) acceptance: Option<Acceptance>,
    pub(super) privacy: Privacy,
    pub(super) reference_pointer: Option<String>,
    pub(super) keep_reply: usize,
    pub(super) signing_keys: Vec<SigningKey>,
    pub(super) retry: Option<RetryPolicy>,
    pub(super) max_concurrent: NonZeroU32,
    pub(super) on_unknown: OnUnknown,
    pub(super) activity: Activity,
    pub(super) subscription: Subscription,
    pub(super) stages_that_fail: StreamRule,
}

impl Supplier {
    /// The default of [`max_concurrent`](SupplierBuilder::max_concurrent): 8.
    pub const DEFAULT_MAX_CONCURRENT: NonZeroU32 = NonZeroU32::new(8).unwrap();

    /// The most that [`keep_reply`](SupplierBuilder::keep_reply) may be: 4096 bytes.
    pub const MAX_KEEP_REPLY: usize = 4096;

    pub(super) fn of(settings: Settings) -> Self {
        Supplier {
            settings: Arc::new(settings),
        }
    }

    /// Begins a configuration with this id and nothing else.
    pub fn builder(id: SupplierId) -> SupplierBuilder {
        SupplierBuilder::new(id)
    }

    /// The supplier's id.
    pub fn id(&self) -> &SupplierId {
        &self.settings.id
    }

    /// The URLs that are called, in this order. While the list is empty, notifications of the supplier fail for
    /// [`no_endpoints`](crate::notification::FailureReason::NoEndpoints).
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.settings.endpoints
    }

    /// The token that is sent as `Authorization: Bearer ..` (RFC 6750).
    pub fn bearer_token(&self) -> Option<&Secret> {
        self.settings.bearer_token.as_ref()
    }

    /// The headers that are sent with every POST.
    pub fn custom_headers(&self) -> &[CustomHeader] {
        &self.settings.custom_headers
    }

    /// When the supplier counts as notified of an event of this kind: as configured, else [`Acceptance::Any`] for the
    /// stages of fulfilment and [`Acceptance::Every`] for everything else.
    pub fn acceptance(&self, kind: &EventKind) -> Acceptance {
        let of_kind = if kind.stage().is_some() {
            Acceptance::Any
        } else {
            Acceptance::Every
        };
        self.settings.acceptance.unwrap_or(of_kind)
    }

    /// The personal fields that the supplier may see.
    pub fn privacy(&self) -> &Privacy {
        &self.settings.privacy
    }

    /// Where in the JSON of a 2xx reply the supplier's own reference stands (RFC 6901).
    pub fn reference_pointer(&self) -> Option<&str> {
        self.settings.reference_pointer.as_deref()
    }

    /// How many bytes are kept of a reply that was not 2xx; see [`SupplierBuilder::keep_reply`].
    pub fn keep_reply(&self) -> usize {
        self.settings.keep_reply
    }

    /// The keys that its events are signed with.
    pub fn signing_keys(&self) -> &[SigningKey] {
        &self.settings.signing_keys
    }

    /// The schedule of this supplier; `None` for the dispatcher's.
    pub fn retry(&self) -> Option<&RetryPolicy> {
        self.settings.retry.as_ref()
    }

    /// How many calls may be under way at this supplier at the same time; see
    /// [`SupplierBuilder::max_concurrent`].
    pub fn max_concurrent(&self) -> NonZeroU32 {
        self.settings.max_concurrent
    }

    /// What is done when an event may have been received and no answer came.
    pub fn on_unknown(&self) -> OnUnknown {
        self.settings.on_unknown
    }

    /// Whether notifications are sent to the supplier at the moment.
    pub fn activity(&self) -> Activity {
        self.settings.activity
    }

    /// The stages of fulfilment that are sent to the supplier.
    pub fn subscription(&self) -> &Subscription {
        &self.settings.subscription
    }

    /// What a stage of fulfilment that failed means for the later stages of its order.
    pub fn stages_that_fail(&self) -> StreamRule {
        self.settings.stages_that_fail
    }
}

impl fmt::Debug for Supplier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Supplier").field(&self.settings).finish()
    }
}

impl Settings {
    /// Those of a supplier without endpoints, with the default of every setting.
    pub(super) fn with_defaults(id: SupplierId) -> Self {
        Settings {
            id,
            endpoints: Vec::new(),
            bearer_token: None,
            custom_headers: Vec::new(),
            acceptance: None,
            privacy: Privacy::default(),
            reference_pointer: None,
            keep_reply: 0,
            signing_keys: Vec::new(),
            retry: None,
            max_concurrent: Supplier::DEFAULT_MAX_CONCURRENT,
            on_unknown: OnUnknown::default(),
            activity: Activity::default(),
            subscription: Subscription::default(),
            stages_that_fail: StreamRule::default(),
        }
    }
}
