//! Who placed an order, as far as a supplier is to know.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::order::address::Address;
use crate::value::fields::{self, FieldError, Fields};

/// What a supplier is told of one personal field. Ordered by strictness.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
// Exhaustive on purpose: a further way to treat personal data must be looked at wherever it is decided.
pub enum Rule {
    /// The value as it is.
    #[default]
    Share,
    /// A form that does not tell the value, see [`Privacy`].
    Mask,
    /// The key is left out.
    Omit,
}

impl Rule {
    fn read(raw: &RawValue, place: &str) -> Result<Self, FieldError> {
        let words = [("share", Self::Share), ("mask", Self::Mask), ("omit", Self::Omit)];
        fields::one_of(&words)(raw, place)
    }

    fn apply(self, text: Option<&str>, mask: fn(&str) -> String) -> Option<String> {
        match self {
            Self::Share => text.map(str::to_owned),
            Self::Mask => text.map(mask),
            Self::Omit => None,
        }
    }
}

/// Which personal fields of an order a supplier is told. By default all are shared.
///
/// Masked are, each to its kind:
/// - the name, to the initial of each word: `A*** R***`;
/// - the e-mail address, to its first character and its domain: `a***@example.com`;
/// - the mobile number, to its last four characters: `*********0142`; one of up to four is hidden wholly;
/// - the address, to `city`, `state`, `postal_code` and `country`: `line1` becomes `***`, `line2` is left out, `name` and `phone`
///   are masked as above.
///
/// When the address repeats the customer's name or mobile number, the stricter of both rules holds for it there, so that
/// nothing that is withheld comes back through the address. `extra` is not covered.
///
/// ```
/// use orderhook::{Privacy, Rule};
///
/// let privacy = Privacy::new().with_email(Rule::Mask).with_mobile(Rule::Omit);
/// assert_eq!(privacy.email(), Rule::Mask);
/// assert_eq!(privacy.customer_name(), Rule::Share);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Privacy {
    customer_name: Rule,
    email: Rule,
    mobile: Rule,
    address: Rule,
}

impl Privacy {
    /// Everything is shared.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With this rule for the customer's name.
    #[must_use]
    pub fn with_customer_name(self, customer_name: Rule) -> Self {
        Self { customer_name, ..self }
    }

    /// With this rule for the customer's e-mail address.
    #[must_use]
    pub fn with_email(self, email: Rule) -> Self {
        Self { email, ..self }
    }

    /// With this rule for the customer's mobile number.
    #[must_use]
    pub fn with_mobile(self, mobile: Rule) -> Self {
        Self { mobile, ..self }
    }

    /// With this rule for the address.
    #[must_use]
    pub fn with_address(self, address: Rule) -> Self {
        Self { address, ..self }
    }

    /// The rule for the customer's name.
    #[must_use]
    pub fn customer_name(self) -> Rule {
        self.customer_name
    }

    /// The rule for the customer's e-mail address.
    #[must_use]
    pub fn email(self) -> Rule {
        self.email
    }

    /// The rule for the customer's mobile number.
    #[must_use]
    pub fn mobile(self) -> Rule {
        self.mobile
    }

    /// The rule for the address.
    #[must_use]
    pub fn address(self) -> Rule {
        self.address
    }

    /// `{"customer_name"?, "email"?, "mobile"?, "address"?}`, each `share`, `mask` or `omit`.
    pub(crate) fn read(raw: &RawValue, place: &str) -> Result<Self, FieldError> {
        let mut fields = Fields::of(raw, place)?;
        let mut rule =
            |name| -> Result<Rule, FieldError> { Ok(fields.optional(name, Rule::read)?.unwrap_or_default()) };
        let privacy = Self {
            customer_name: rule("customer_name")?,
            email: rule("email")?,
            mobile: rule("mobile")?,
            address: rule("address")?,
        };
        fields.finish()?;
        Ok(privacy)
    }
}

/// Who placed an order, or what a supplier is told of that.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
pub(in crate::order) struct Customer {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::order) customer_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::order) email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::order) mobile: Option<String>,
}

impl Customer {
    pub(in crate::order) fn take(fields: &mut Fields) -> Result<Self, FieldError> {
        Ok(Self {
            customer_name: fields.optional("customer_name", fields::text)?,
            email: fields.optional("email", fields::text)?,
            mobile: fields.optional("mobile", fields::text)?,
        })
    }

    /// The customer as a supplier with these rules may know them.
    pub(in crate::order) fn told(&self, privacy: Privacy) -> Self {
        let (name, mobile) = (self.customer_name.as_deref(), self.mobile.as_deref());
        Self {
            customer_name: privacy.customer_name.apply(name, masked_name),
            email: privacy.email.apply(self.email.as_deref(), masked_email),
            mobile: privacy.mobile.apply(mobile, masked_number),
        }
    }

    /// This customer's address as a supplier with these rules may know it.
    pub(in crate::order) fn told_address(&self, address: &Address, privacy: Privacy) -> Option<Address> {
        let rule = privacy.address;
        let name_rule = match (address.name(), &self.customer_name) {
            (Some(here), Some(there)) if same_name(here, there) => rule.max(privacy.customer_name),
            _ => rule,
        };
        let phone_rule = match (address.phone(), &self.mobile) {
            (Some(here), Some(there)) if same_number(here, there) => rule.max(privacy.mobile),
            _ => rule,
        };
        let (line1, line2) = match rule {
            Rule::Share => (address.line1.clone(), address.line2.clone()),
            Rule::Mask => ("***".to_owned(), None),
            Rule::Omit => return None,
        };
        Some(Address {
            name: name_rule.apply(address.name(), masked_name),
            line1,
            line2,
            phone: phone_rule.apply(address.phone(), masked_number),
            ..address.clone()
        })
    }
}

fn masked_name(name: &str) -> String {
    let initials = name.split_whitespace().filter_map(|word| word.chars().next());
    let words: Vec<_> = initials.map(|initial| format!("{initial}***")).collect();
    words.join(" ")
}

fn masked_email(email: &str) -> String {
    match email.rsplit_once('@') {
        Some((local, domain)) => {
            let initial: String = local.chars().take(1).collect();
            format!("{initial}***@{domain}")
        }
        None => "***".to_owned(),
    }
}

fn masked_number(number: &str) -> String {
    let length = number.chars().count();
    let hidden = if length <= 4 { length } else { length - 4 };
    let shown = number.chars().skip(hidden);
    std::iter::repeat_n('*', hidden).chain(shown).collect()
}

/// The same words, whatever their case and the space between them.
fn same_name(one: &str, other: &str) -> bool {
    let words = |name: &str| name.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    words(one) == words(other)
}

/// The same digits, or those of one with a country code or trunk prefix before them.
fn same_number(one: &str, other: &str) -> bool {
    /// Fewer digits than this are an extension or a service number, whose like ends many a number.
    const SUBSCRIBER_DIGITS: usize = 7;

    let digits = |number: &str| -> String { number.chars().filter(char::is_ascii_digit).collect() };
    let (one_digits, other_digits) = (digits(one), digits(other));
    let (short, long) =
        if one_digits.len() <= other_digits.len() { (one_digits, other_digits) } else { (other_digits, one_digits) };
    if short.is_empty() {
        return one.trim() == other.trim();
    }
    let short = short.trim_start_matches('0');
    short == long.trim_start_matches('0') || (short.len() >= SUBSCRIBER_DIGITS && long.ends_with(short))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn customer() -> Customer {
        Customer {
            customer_name: Some("Asha Rao".to_owned()),
            email: Some("asha@example.com".to_owned()),
            mobile: Some("+91 55500 00142".to_owned()),
        }
    }

    fn address() -> Address {
        let address = Address::new("12 Lake Road", "Pune", "411001", "IN").unwrap();
        let address = address.with_name("asha  RAO").with_line2("Flat 4");
        address.with_state("MH").with_phone("0555-0000142")
    }

    fn told(privacy: Privacy) -> Value {
        let address = customer().told_address(&address(), privacy);
        json!([customer().told(privacy), address])
    }

    #[test]
    fn by_default_everything_is_shared() {
        assert_eq!(told(Privacy::default()), json!([customer(), address()]));
    }

    #[test]
    fn what_is_omitted_is_gone() {
        let privacy = Privacy::new().with_email(Rule::Omit).with_address(Rule::Omit);
        let left = json!({"customer_name": "Asha Rao", "mobile": "+91 55500 00142"});
        assert_eq!(told(privacy), json!([left, null]));
    }

    #[test]
    fn a_mask_tells_the_form_and_not_the_value() {
        assert_eq!(masked_name("Asha  Rao"), "A*** R***");
        assert_eq!(masked_name("Ö"), "Ö***");
        assert_eq!(masked_name(" "), "");
        assert_eq!(masked_email("asha@example.com"), "a***@example.com");
        assert_eq!(masked_email("\"a@b\"@example.com"), "\"***@example.com");
        assert_eq!(masked_email("@example.com"), "***@example.com");
        assert_eq!(masked_email("asha"), "***");
        assert_eq!(masked_number("+91 55500 00142"), "***********0142");
        assert_eq!(masked_number("12345"), "*2345");
        assert_eq!(masked_number("1234"), "****");
        assert_eq!(masked_number(""), "");
    }

    #[test]
    fn a_masked_address_keeps_the_place_and_hides_the_door() {
        let address = told(Privacy::new().with_address(Rule::Mask))[1].take();
        assert_eq!(
            address,
            json!({
                "name": "a*** R***", "line1": "***", "city": "Pune", "state": "MH",
                "postal_code": "411001", "country": "IN", "phone": "********0142",
            })
        );
    }

    #[test]
    fn a_withheld_value_does_not_come_back_through_the_address() {
        for rule in [Rule::Mask, Rule::Omit] {
            let privacy = Privacy::new().with_email(Rule::Omit);
            let privacy = privacy.with_customer_name(rule).with_mobile(rule);
            let told = told(privacy).to_string();
            for withheld in ["Asha", "asha", "Rao", "RAO", "5550", "55500"] {
                assert!(!told.contains(withheld), "{withheld} in {told}");
            }
            assert!(told.contains("12 Lake Road"));
        }
        let masked = Privacy::new().with_address(Rule::Mask).with_mobile(Rule::Omit);
        let address = customer().told_address(&address(), masked).unwrap();
        assert_eq!((address.name(), address.phone()), (Some("a*** R***"), None));
    }

    #[test]
    fn another_name_and_number_in_the_address_follow_the_rule_of_the_address() {
        let mut other = customer();
        other.customer_name = Some("Ravi Rao".to_owned());
        other.mobile = Some("+91 55500 00143".to_owned());
        let privacy = Privacy::new().with_customer_name(Rule::Omit).with_mobile(Rule::Omit);
        let address = other.told_address(&address(), privacy).unwrap();
        assert_eq!((address.name(), address.phone()), (Some("asha  RAO"), Some("0555-0000142")));
    }

    #[test]
    fn numbers_are_the_same_by_their_digits_with_or_without_a_prefix() {
        for (one, other) in [
            ("5550000142", "+91 555-000 0142"),
            ("05550000142", "0091 5550000142"),
            ("112", "1-1-2"),
            ("none", " none"),
        ] {
            assert!(same_number(one, other) && same_number(other, one), "{one} {other}");
        }
        for (one, other) in [("5550000142", "5550000143"), ("142", "5550000142"), ("none", "x")] {
            assert!(!same_number(one, other) && !same_number(other, one), "{one} {other}");
        }
    }

    #[test]
    fn rules_are_read_by_their_words() {
        let read = |value: Value| {
            Privacy::read(&crate::value::json::raw(&value), "privacy").map_err(|error| error.to_string())
        };
        assert_eq!(read(json!({})), Ok(Privacy::new()));
        assert_eq!(
            read(json!({"email": "mask", "address": "omit", "mobile": "share"})),
            Ok(Privacy::new().with_email(Rule::Mask).with_address(Rule::Omit))
        );
        assert_eq!(read(json!({"email": "hide"})), Err("privacy.email: must be one of: share, mask, omit".to_owned()));
        assert_eq!(
            read(json!({"e-mail": "mask"})),
            Err("privacy.e-mail: is not a known key; known here: customer_name, email, mobile, address".to_owned())
        );
    }
}
