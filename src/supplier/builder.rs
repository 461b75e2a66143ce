//! The builder of a supplier, for code and for JSON alike.

use std::collections::HashSet;
use std::num::NonZeroU32;

use crate::order::Privacy;
use crate::supplier::retry::RetryPolicy;
use crate::supplier::signing::SigningKey;
use crate::value::names::SupplierId;
use crate::value::secret::Secret;

use super::config::Settings;
use super::{
    Acceptance, Activity, ConfigError, CustomHeader, Endpoint, OnUnknown, StreamRule, Subscription,
    Supplier,
};

/// The settings of a [`Supplier`]; [`build`](Self::build) checks them.
#[derive(Clone, Debug)]
pub struct SupplierBuilder {
    /// What is finished, but for what has to be parsed.
    settings: Settings,
    // As secrets: what has not been checked yet may have a token anywhere.
    endpoints: Vec<Secret>,
    custom_headers: Vec<(String, Secret)>,
}

impl SupplierBuilder {
    pub(super) fn new(id: SupplierId) -> Self {
        SupplierBuilder {
            settings: Settings::with_defaults(id),
            endpoints: Vec::new(),
            custom_headers: Vec::new(),
        }
    }

    /// Adds a URL at the end of the list of endpoints. Begins with `https://`.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<Secret>) -> Self {
        self.endpoints.push(url.into());
        self
    }

    /// Sets the bearer token, without the word `Bearer`.
    #[must_use]
    pub fn bearer_token(mut self, token: impl Into<Secret>) -> Self {
        self.settings.bearer_token = Some(token.into());
        self
    }

    /// Adds a header that is sent with every POST; at most 32. The name has 1 to 128 characters, the value 1 to 4096 visible
    /// ASCII ones.
    ///
    /// Reserved are `content-*`, `proxy-*`, `webhook-*`, `accept-encoding`, `connection`, `date`, `expect`, `host`,
    /// `keep-alive`, `te`, `traceparent`, `tracestate`, `trailer`, `transfer-encoding`, `upgrade` and `user-agent`; and
    /// `authorization` where there is a [`bearer_token`](Self::bearer_token).
    #[must_use]
    pub fn custom_header(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.custom_headers.push((name.into(), value.into()));
        self
    }

    /// Sets when the supplier counts as notified. Default [`Acceptance::Every`] for orders, [`Acceptance::Any`] for the
    /// stages of fulfilment.
    #[must_use]
    pub fn acceptance(mut self, acceptance: Acceptance) -> Self {
        self.settings.acceptance = Some(acceptance);
        self
    }

    /// Sets which personal fields the supplier may see. By default it sees all of them.
    #[must_use]
    pub fn privacy(mut self, privacy: Privacy) -> Self {
        self.settings.privacy = privacy;
        self
    }

    /// Sets where in the JSON of a 2xx reply the supplier's own reference stands (a JSON pointer, RFC 6901), as in
    /// `/data/order_id`. At most 64 KiB of the reply are read, for at most 2 s; a reference has at most 200 characters,
    /// all of them visible. Without a pointer, or where the reply has no such text or number, the order code is the
    /// reference.
    #[must_use]
    pub fn reference_pointer(mut self, pointer: impl Into<String>) -> Self {
        self.settings.reference_pointer = Some(pointer.into());
        self
    }

    /// Sets how many bytes are kept of each reply that was not 2xx, as
    /// [`Attempt::reply`](crate::notification::Attempt::reply). Default 0: nothing; at most
    /// [4096](Supplier::MAX_KEEP_REPLY).
    ///
    /// What a supplier answers may repeat what it was sent. Before it is stored, these become `***`, in plain text and in the
    /// escapes of JSON, URLs and HTML: the token, the values of headers, the query of the URL, and every text, and every
    /// number of seven digits or more, of the body but those under keys that name things, such as `order_code`, `sku` or
    /// `total`. Of such a text, eight letters or digits that stand side by side are recognised, and so is a single word of a
    /// name or an address. An echo in a code of another kind, such as base64 or a digest, is not. For the body of a reply
    /// there are 2 s, within the limit of the POST.
    #[must_use]
    pub fn keep_reply(mut self, bytes: usize) -> Self {
        self.settings.keep_reply = bytes;
        self
    }

    /// Adds a key that events are signed with. When several keys are valid, each event carries a signature by each.
    ///
    /// Once there is a key, nothing is sent unsigned. While none of the keys is valid, a notification waits for one
    /// that begins within the hour; when none does, it fails for [`config`](crate::notification::FailureReason::Config):
    /// repair the keys and [`resume`](crate::Dispatcher::resume) the supplier.
    #[must_use]
    pub fn signing_key(mut self, key: SigningKey) -> Self {
        self.settings.signing_keys.push(key);
        self
    }

    /// Sets the schedule of this supplier in place of the dispatcher's.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.settings.retry = Some(policy);
        self
    }

    /// Sets how many calls may be under way at this supplier at the same time. Default 8.
    ///
    /// Calls at endpoints that answer count, those of `notify`, `retry`, `resume` and the workers of one dispatcher
    /// together. Calls at [silent](crate::Worker#who-is-called-when) endpoints do not count, so that an endpoint that
    /// hangs does not use up the limit; but at one endpoint there are never more calls than this. Each process counts
    /// its own calls: across processes the limit holds for each of them.
    #[must_use]
    pub fn max_concurrent(mut self, number: NonZeroU32) -> Self {
        self.settings.max_concurrent = number;
        self
    }

    /// Sets what is done when an event may have been received and no answer came. Default [`OnUnknown::Resend`].
    #[must_use]
    pub fn on_unknown(mut self, on_unknown: OnUnknown) -> Self {
        self.settings.on_unknown = on_unknown;
        self
    }

    /// Sets whether notifications are sent to the supplier at the moment. Default [`Activity::Active`].
    #[must_use]
    pub fn activity(mut self, activity: Activity) -> Self {
        self.settings.activity = activity;
        self
    }

    /// Sets which stages of fulfilment are sent to the supplier. Default: those of [`Subscription::default`].
    #[must_use]
    pub fn subscription(mut self, subscription: Subscription) -> Self {
        self.settings.subscription = subscription;
        self
    }

    /// Sets what a stage of fulfilment that failed means for the later stages of its order. Default
    /// [`StreamRule::Hold`].
    #[must_use]
    pub fn stages_that_fail(mut self, rule: StreamRule) -> Self {
        self.settings.stages_that_fail = rule;
        self
    }

    /// Checks the settings and builds the supplier.
    ///
    /// # Errors
    /// [`ConfigError`] for the first setting that is wrong: a URL that is not https, has more than 2048 characters, white
    /// space, a user name, a fragment, port 0, no host or one that cannot be, or is listed twice; a token that is empty, has
    /// white space or more than 8192 characters; a header that is invalid, reserved or listed twice, or one too many; a JSON
    /// pointer that is invalid or has more than 512 characters; more than 4096 bytes of a reply; a signing key that ends
    /// before it begins.
    pub fn build(self) -> Result<Supplier, ConfigError> {
        let id = self.settings.id.clone();
        let wrong =
            |setting: String, problem: &str| ConfigError::new(Some(id.clone()), setting, problem);
        let endpoints = self
            .parsed_endpoints()
            .map_err(|(setting, problem)| wrong(setting, problem))?;
        let settings = &self.settings;
        if let Some(token) = &settings.bearer_token {
            check_token(token).map_err(|problem| wrong("bearer_token".into(), problem))?;
        }
        let custom_headers = self
            .checked_headers()
            .map_err(|(setting, problem)| wrong(setting, problem))?;
        if let Some(pointer) = &settings.reference_pointer {
            check_pointer(pointer).map_err(|problem| wrong("reference_pointer".into(), problem))?;
        }
        if settings.keep_reply > Supplier::MAX_KEEP_REPLY {
            return Err(wrong("keep_reply".into(), "must be at most 4096"));
        }
        let mut keys = settings.signing_keys.iter();
        if let Some(n) = keys.position(|key| !key.is_ever_valid()) {
            let setting = format!("signing_keys[{n}].until");
            return Err(wrong(setting, "must be later than from"));
        }
        Ok(Supplier::of(Settings {
            endpoints,
            custom_headers,
            ..self.settings
        }))
    }

    fn parsed_endpoints(&self) -> Result<Vec<Endpoint>, (String, &'static str)> {
        let mut endpoints: Vec<Endpoint> = Vec::with_capacity(self.endpoints.len());
        for (n, url) in self.endpoints.iter().enumerate() {
            let setting = || format!("webhook_urls[{n}]");
            let endpoint = Endpoint::parse(url.expose()).map_err(|problem| (setting(), problem))?;
            if endpoints.iter().any(|other| other.id() == endpoint.id()) {
                return Err((setting(), "is the same URL as one before it"));
            }
            endpoints.push(endpoint);
        }
        Ok(endpoints)
    }

    fn checked_headers(&self) -> Result<Vec<CustomHeader>, (String, &'static str)> {
        if self.custom_headers.len() > CustomHeader::MAX_COUNT {
            return Err(("custom_headers".into(), "must be at most 32"));
        }
        let mut names = HashSet::new();
        let mut headers = Vec::with_capacity(self.custom_headers.len());
        for (n, (name, value)) in self.custom_headers.iter().enumerate() {
            let at = |part| format!("custom_headers[{n}].{part}");
            let header = CustomHeader::parse(name, value.clone())
                .map_err(|(part, problem)| (at(part), problem))?;
            if header.name() == "authorization" && self.settings.bearer_token.is_some() {
                return Err((at("name"), "is set by bearer_token already"));
            }
            if !names.insert(header.name().to_owned()) {
                return Err((at("name"), "is the same header as one before it"));
            }
            headers.push(header);
        }
        Ok(headers)
    }
}

fn check_token(token: &Secret) -> Result<(), &'static str> {
    let text = token.expose();
    match text {
        "" => Err("must not be empty"),
        _ if text.len() > 8192 => Err("must have at most 8192 characters"),
        _ if text.bytes().all(|b| b.is_ascii_graphic()) => Ok(()),
        _ => Err(
            "must be the token alone: visible ASCII without white space, without the word Bearer",
        ),
    }
}

fn check_pointer(pointer: &str) -> Result<(), &'static str> {
    let escapes = pointer
        .split('~')
        .skip(1)
        .all(|after| after.starts_with(['0', '1']));
    match pointer.starts_with('/') && escapes && pointer.len() <= 512 {
        true => Ok(()),
        false => Err("must be a JSON pointer that begins with / (RFC 6901), as in /data/order_id"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder() -> SupplierBuilder {
        Supplier::builder(SupplierId::new("north-books").unwrap())
    }

    fn refusal(builder: SupplierBuilder) -> String {
        builder.build().unwrap_err().to_string()
    }

    #[test]
    fn the_same_url_twice_is_refused_in_any_spelling() {
        let twice = builder()
            .endpoint("https://a.example")
            .endpoint("https://A.example:443/");
        assert_eq!(
            refusal(twice),
            "supplier north-books: webhook_urls[1]: is the same URL as one before it"
        );
    }

    #[test]
    fn no_header_may_override_ours() {
        for name in [
            "Host",
            "content-type",
            "Webhook-Id",
            "PROXY-Authorization",
            "TE",
            "User-Agent",
        ] {
            assert!(
                refusal(builder().custom_header(name, "x"))
                    .contains("custom_headers[0].name: is reserved"),
                "{name}"
            );
        }
        let both = builder()
            .bearer_token("t")
            .custom_header("Authorization", "Basic eA==");
        assert!(refusal(both).contains("is set by bearer_token already"));
        assert!(
            builder()
                .custom_header("Authorization", "Basic eA==")
                .build()
                .is_ok()
        );
    }

    #[test]
    fn a_header_cannot_smuggle_another_one() {
        for (name, value) in [
            ("x\r\ny", "v"),
            ("x", "v\r\nhost: b"),
            ("x:", "v"),
            ("", "v"),
            ("x", ""),
            ("x", " v"),
        ] {
            assert!(
                builder().custom_header(name, value).build().is_err(),
                "{name:?} {value:?}"
            );
        }
    }

    #[test]
    fn a_token_pasted_with_its_scheme_is_refused_without_being_shown() {
        let text = refusal(builder().bearer_token("Bearer t0ps3cret"));
        assert!(
            text.starts_with("supplier north-books: bearer_token: must be the token alone"),
            "{text}"
        );
        assert!(!text.contains("t0ps3cret"));
        assert!(refusal(builder().bearer_token("")).ends_with("bearer_token: must not be empty"));
    }

    #[test]
    fn at_most_4096_bytes_of_a_reply_are_kept() {
        assert_eq!(builder().build().unwrap().keep_reply(), 0);
        assert_eq!(
            builder().keep_reply(4096).build().unwrap().keep_reply(),
            4096
        );
        assert_eq!(
            refusal(builder().keep_reply(4097)),
            "supplier north-books: keep_reply: must be at most 4096"
        );
    }

    #[test]
    fn a_pointer_must_be_one() {
        for pointer in ["", "data", "/a~2", "/a~"] {
            assert!(
                builder().reference_pointer(pointer).build().is_err(),
                "{pointer}"
            );
        }
        assert!(builder().reference_pointer("/a~1b/~0/0").build().is_ok());
    }
}
