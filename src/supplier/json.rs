//! The JSON form of a configuration; ends in the builder, so that there is one set of rules.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::event::Stage;
use crate::order::Privacy;
use crate::supplier::retry::RetryPolicy;
use crate::supplier::signing::SigningKey;
use crate::value::fields::{self, FieldError, Fields};
use crate::value::json;
use crate::value::names::SupplierId;
use crate::value::secret::Secret;
use crate::value::time::OffsetTimestamp;

use super::{Activity, ConfigError, Stages, Subscription, Supplier, SupplierBuilder};

/// The suppliers of a document `{"suppliers": [..]}`. One that is wrong makes the whole document wrong.
pub(crate) fn suppliers_from_json(
    bytes: &[u8],
) -> Result<BTreeMap<SupplierId, Supplier>, ConfigError> {
    let document = |error: FieldError| {
        ConfigError::new(None, place_or(error.place, "suppliers file"), error.problem)
    };
    let raw = json::document(bytes).map_err(document)?;
    let mut fields = Fields::of(raw, "").map_err(document)?;
    let list = fields.required(
        "suppliers",
        fields::list(|raw, place| Ok((raw.to_owned(), place.to_owned()))),
    );
    let list = list.map_err(document)?;
    fields.finish().map_err(document)?;

    let mut suppliers = BTreeMap::new();
    for (raw, place) in list {
        let supplier = supplier(&raw, &place)?;
        let id = supplier.id().clone();
        if suppliers.insert(id.clone(), supplier).is_some() {
            return Err(ConfigError::new(
                Some(id),
                format!("{place}.id"),
                "is the id of a supplier before it",
            ));
        }
    }
    Ok(suppliers)
}

impl<'de> Deserialize<'de> for Supplier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // An error of the configuration is shown whole: with the supplier's name in front.
        let read = json::deserialize(deserializer, |raw, place| Ok(supplier(raw, place)))?;
        read.map_err(serde::de::Error::custom)
    }
}

fn supplier(raw: &RawValue, place: &str) -> Result<Supplier, ConfigError> {
    // Until the id is known the place in the document says which supplier it is.
    let nameless = |error: FieldError| {
        ConfigError::new(None, place_or(error.place, "supplier"), error.problem)
    };
    let id = Fields::of(raw, place)
        .and_then(|mut fields| fields.required("id", fields::parsed::<SupplierId>));
    let id = id.map_err(nameless)?;
    let named = |error: FieldError| {
        ConfigError::new(
            Some(id.clone()),
            place_or(error.place, "supplier"),
            error.problem,
        )
    };
    // From here on the supplier's name is enough of a place.
    let builder = settings(Fields::of(raw, "").map_err(named)?, id.clone()).map_err(named)?;
    builder.build()
}

fn place_or(place: String, whole: &str) -> String {
    if place.is_empty() {
        whole.to_owned()
    } else {
        place
    }
}

fn settings(mut fields: Fields, id: SupplierId) -> Result<SupplierBuilder, FieldError> {
    fields.required("id", fields::text)?;
    let mut builder = Supplier::builder(id);
    for url in fields
        .optional("webhook_urls", fields::list(secret))?
        .unwrap_or_default()
    {
        builder = builder.endpoint(url);
    }
    if let Some(token) = fields.optional("bearer_token", secret)? {
        builder = builder.bearer_token(token);
    }
    for (name, value) in fields
        .optional("custom_headers", fields::list(header))?
        .unwrap_or_default()
    {
        builder = builder.custom_header(name, value);
    }
    if let Some(acceptance) = fields.optional("acceptance", fields::word)? {
        builder = builder.acceptance(acceptance);
    }
    if let Some(privacy) = fields.optional("privacy", Privacy::read)? {
        builder = builder.privacy(privacy);
    }
    if let Some(pointer) = fields.optional("reference_pointer", fields::text)? {
        builder = builder.reference_pointer(pointer);
    }
    if let Some(bytes) = fields.optional("keep_reply", fields::whole(0..=4096))? {
        builder = builder.keep_reply(usize::try_from(bytes).unwrap_or(Supplier::MAX_KEEP_REPLY));
    }
    for key in fields
        .optional("signing_keys", fields::list(signing_key))?
        .unwrap_or_default()
    {
        builder = builder.signing_key(key);
    }
    if let Some(policy) = fields.optional("retry", retry)? {
        builder = builder.retry(policy);
    }
    if let Some(number) = fields.optional("max_concurrent", fields::whole(1..=10_000))? {
        let number = u32::try_from(number).ok().and_then(NonZeroU32::new);
        builder = builder.max_concurrent(number.unwrap_or(Supplier::DEFAULT_MAX_CONCURRENT));
    }
    if let Some(on_unknown) = fields.optional("on_unknown", fields::word)? {
        builder = builder.on_unknown(on_unknown);
    }
    if fields.optional("paused", fields::boolean)? == Some(true) {
        builder = builder.activity(Activity::Paused);
    }
    let stages = fields.optional("stages", fields::list(fields::word::<Stage>))?;
    let stages = stages.map_or_else(Stages::default, |stages| stages.into_iter().collect());
    let rejections = fields
        .optional("rejections", fields::word)?
        .unwrap_or_default();
    builder = builder.subscription(Subscription::new(stages, rejections));
    if let Some(rule) = fields.optional("stages_that_fail", fields::word)? {
        builder = builder.stages_that_fail(rule);
    }
    fields.finish()?;
    Ok(builder)
}

fn secret(raw: &RawValue, place: &str) -> Result<Secret, FieldError> {
    fields::text(raw, place).map(Secret::new)
}

fn header(raw: &RawValue, place: &str) -> Result<(String, Secret), FieldError> {
    let mut fields = Fields::of(raw, place)?;
    let header = (
        fields.required("name", fields::text)?,
        fields.required("value", secret)?,
    );
    fields.finish()?;
    Ok(header)
}

fn signing_key(raw: &RawValue, place: &str) -> Result<SigningKey, FieldError> {
    let mut fields = Fields::of(raw, place)?;
    let mut key = fields.required("key", |raw, place| {
        let text = secret(raw, place)?;
        SigningKey::new(text.expose()).map_err(|error| FieldError::new(place, error.to_string()))
    })?;
    if let Some(from) = fields.optional("from", fields::parsed::<OffsetTimestamp>)? {
        key = key.valid_from(from.timestamp());
    }
    if let Some(until) = fields.optional("until", fields::parsed::<OffsetTimestamp>)? {
        key = key.valid_until(until.timestamp());
    }
    fields.finish()?;
    Ok(key)
}

fn retry(raw: &RawValue, place: &str) -> Result<RetryPolicy, FieldError> {
    const YEAR_S: u64 = 366 * 86_400;
    let mut fields = Fields::of(raw, place)?;
    let mut policy = RetryPolicy::DEFAULT;
    if let Some(ms) = fields.optional("first_delay_ms", fields::whole(1..=YEAR_S * 1000))? {
        policy = policy.with_first_delay(Duration::from_millis(ms));
    }
    if let Some(ms) = fields.optional("max_delay_ms", |raw, place| {
        let ms = fields::whole(1..=YEAR_S * 1000)(raw, place)?;
        match Duration::from_millis(ms) < policy.first_delay() {
            true => Err(FieldError::new(
                place,
                "must not be less than first_delay_ms (5000 unless given)",
            )),
            false => Ok(ms),
        }
    })? {
        policy = policy.with_max_delay(Duration::from_millis(ms));
    }
    if let Some(s) = fields.optional("give_up_after_s", fields::whole(0..=YEAR_S))? {
        policy = policy.with_give_up_after(Duration::from_secs(s));
    }
    fields.finish()?;
    Ok(policy)
}
