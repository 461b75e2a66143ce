//! What an order says besides its lines: the same in the paid order and in what each supplier gets of it.

use serde::Serialize;

use crate::value::fields::{self, FieldError, Fields, UnknownKeys};
use crate::value::money::{Currency, Money};
use crate::value::names::OrderCode;

use super::address::Address;
use super::content::Content;
use super::error::{OrderError, filled};
use super::line::not_negative;
use super::privacy::{Customer, Privacy};

/// The order of the fields is their order on the wire.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub(in crate::order) struct Head {
    pub(in crate::order) order_code: OrderCode,
    #[serde(flatten)]
    pub(in crate::order) customer: Customer,
    pub(in crate::order) channel: String,
    pub(in crate::order) currency: Currency,
    pub(in crate::order) shipping_charges: Money,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::order) address: Option<Address>,
}

impl Head {
    /// One with nothing but its code, to be filled.
    pub(in crate::order) fn new(order_code: OrderCode) -> Self {
        Head {
            order_code,
            customer: Customer::default(),
            channel: String::new(),
            currency: Currency::NONE,
            shipping_charges: Money::ZERO,
            address: None,
        }
    }

    pub(in crate::order) fn take(
        fields: &mut Fields,
        unknown: UnknownKeys,
    ) -> Result<Self, FieldError> {
        Ok(Head {
            order_code: fields.required("order_code", fields::parsed)?,
            customer: Customer::take(fields)?,
            channel: fields.required("channel", fields::text)?,
            currency: fields.required("currency", fields::parsed)?,
            shipping_charges: fields.required("shipping_charges", Money::read)?,
            address: fields.optional("address", |raw, place| Address::read(raw, place, unknown))?,
        })
    }

    pub(in crate::order) fn check(&self) -> Result<(), OrderError> {
        filled(&self.channel, "channel")?;
        not_negative(self.shipping_charges, "shipping_charges").map(drop)
    }

    /// The part that a supplier with these rules gets.
    pub(in crate::order) fn told(&self, privacy: Privacy) -> Self {
        let address = self.address.as_ref();
        Head {
            customer: self.customer.told(privacy),
            address: address.and_then(|address| self.customer.told_address(address, privacy)),
            ..self.clone()
        }
    }

    /// Before privacy, as bytes to be hashed.
    pub(in crate::order) fn describe(&self, content: &mut Content) {
        // Without `..`: a new field has to be decided about here.
        let Head {
            order_code,
            customer:
                Customer {
                    customer_name,
                    email,
                    mobile,
                },
            channel,
            currency,
            shipping_charges,
            address,
        } = self;
        content.record("order_code", order_code.as_str());
        content.optional("customer_name", customer_name.as_deref());
        content.optional("email", email.as_deref());
        content.optional("mobile", mobile.as_deref());
        content.record("channel", channel);
        content.record("currency", currency.as_str());
        content.record("shipping_charges", shipping_charges.normalized().as_str());
        if let Some(address) = address {
            address.describe(content);
        }
    }
}

/// What can be asked of everything that has a head, as methods of that type.
macro_rules! of_head {
    ($($through:ident)?) => {
        /// The marketplace's code of the order.
        #[must_use]
        pub fn order_code(&self) -> &OrderCode {
            &self.$($through.)?head.order_code
        }

        /// The name of the customer who placed the order.
        #[must_use]
        pub fn customer_name(&self) -> Option<&str> {
            self.$($through.)?head.customer.customer_name.as_deref()
        }

        /// The customer's e-mail address.
        #[must_use]
        pub fn email(&self) -> Option<&str> {
            self.$($through.)?head.customer.email.as_deref()
        }

        /// The customer's mobile number.
        #[must_use]
        pub fn mobile(&self) -> Option<&str> {
            self.$($through.)?head.customer.mobile.as_deref()
        }

        /// The sales channel's code.
        #[must_use]
        pub fn channel(&self) -> &str {
            &self.$($through.)?head.channel
        }

        /// The currency of all amounts.
        #[must_use]
        pub fn currency(&self) -> Currency {
            self.$($through.)?head.currency
        }

        /// What the customer paid for shipping, for the whole order.
        #[must_use]
        pub fn shipping_charges(&self) -> Money {
            self.$($through.)?head.shipping_charges
        }

        /// Where the order goes, if it goes anywhere.
        #[must_use]
        pub fn address(&self) -> Option<&Address> {
            self.$($through.)?head.address.as_ref()
        }
    };
}

pub(in crate::order) use of_head;
