//! Who placed an order, as far as a supplier is to know.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::order::address::Address;
use crate::order::withheld::Withheld;
use crate::value::fields::{self, FieldError, Fields};
use crate::value::words::words;

/// How much of one personal field a supplier gets. Ordered by strictness.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
// Exhaustive on purpose: a further way to treat personal data must be looked at wherever it is decided.
pub enum Rule {
    /// The value as it is.
    #[default]
    Share,
    /// A form that hides the value, see [`Privacy`].
    Mask,
    /// The key is left out.
    Omit,
}

words! {
    Rule {
        Share => "share",
        Mask => "mask",
        Omit => "omit",
    }
}

impl Rule {
    fn read(raw: &RawValue, place: &str) -> Result<Self, FieldError> {
        fields::word(raw, place)
    }

    fn apply(self, text: Option<&str>, mask: fn(&str) -> String) -> Option<String> {
        match self {
            Self::Share => text.map(str::to_owned),
            Self::Mask => text.map(mask),
            Self::Omit => None,
        }
    }
}

/// The personal fields of an order that a supplier gets, each with a [`Rule`]. By default all are shared.
///
/// Masked are, each to its kind:
/// - the name, to the initial of each word: `A*** R***`; a word of one or two characters is hidden wholly;
/// - the e-mail address, to its first character and its domain: `a***@example.com`; before the `@` as with a word;
/// - the mobile number, to its last four characters: `*********0142`; one of fewer than eight digits is hidden wholly;
/// - the address, to `city`, `state`, `postal_code` and `country`: `line1` becomes `***`, `line2` is left out, `name`
///   and `phone` are masked as above.
///
/// The address does not give away what is withheld of the customer's name, e-mail address and mobile number. When its
/// `name` or `phone` repeats one of them, the stricter of the two rules holds for the whole field; from its other texts
/// the value is cut out (`c/o ***, 12 Lake Road`). Values are compared as people see them: accents, case, full-width
/// forms, the script of digits and the signs between words and digits do not matter, the words of a name may come in
/// any order, and a number may lack its country code. Not found are a name in another spelling or script, one of its
/// words alone outside of `name`, a value that is divided over two fields, and a number without its area code. `extra`
/// is not covered. Where that is not enough, mask or omit the address.
///
/// ```
/// use orderhook::order::{Privacy, Rule};
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
    /// The rules of a supplier that sees every field.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same rules with this one for the customer's name.
    #[must_use]
    pub fn with_customer_name(self, customer_name: Rule) -> Self {
        Self {
            customer_name,
            ..self
        }
    }

    /// The same rules with this one for the customer's e-mail address.
    #[must_use]
    pub fn with_email(self, email: Rule) -> Self {
        Self { email, ..self }
    }

    /// The same rules with this one for the customer's mobile number.
    #[must_use]
    pub fn with_mobile(self, mobile: Rule) -> Self {
        Self { mobile, ..self }
    }

    /// The same rules with this one for the address.
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
        let mut rule = |name| -> Result<Rule, FieldError> {
            Ok(fields.optional(name, Rule::read)?.unwrap_or_default())
        };
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

/// Who placed an order, or what a supplier gets of that.
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
    pub(in crate::order) fn told_address(
        &self,
        address: &Address,
        privacy: Privacy,
    ) -> Option<Address> {
        let rule = privacy.address;
        let withheld = self.withheld(privacy);
        let name_rule = match address.name() {
            Some(name) if withheld.is_name(name) => rule.max(privacy.customer_name),
            _ => rule,
        };
        let phone_rule = match address.phone() {
            Some(phone) if withheld.is_mobile(phone) => rule.max(privacy.mobile),
            _ => rule,
        };
        let (line1, line2) = match rule {
            Rule::Share => (
                withheld.cut(&address.line1),
                address.line2().map(|line2| withheld.cut(line2)),
            ),
            Rule::Mask => (HIDDEN.to_owned(), None),
            Rule::Omit => return None,
        };
        // What is shown of a field of the same kind is shown by its rule; what else stands there is cut out.
        let name = name_rule.apply(address.name(), masked_name);
        let phone = phone_rule.apply(address.phone(), masked_number);
        Some(Address {
            name: name.map(|name| {
                if name_rule == Rule::Share {
                    withheld.cut(&name)
                } else {
                    name
                }
            }),
            line1,
            line2,
            city: withheld.cut(&address.city),
            state: address.state().map(|state| withheld.cut(state)),
            postal_code: address.postal_code.clone(),
            country: address.country.clone(),
            phone: phone.map(|phone| {
                if phone_rule == Rule::Share {
                    withheld.cut(&phone)
                } else {
                    phone
                }
            }),
        })
    }

    /// What must not come back through the address.
    fn withheld(&self, privacy: Privacy) -> Withheld {
        let mut withheld = Withheld::default();
        if let Some(name) = self
            .customer_name
            .as_deref()
            .filter(|_| privacy.customer_name > Rule::Share)
        {
            withheld.name(name);
        }
        if let Some(email) = self
            .email
            .as_deref()
            .filter(|_| privacy.email > Rule::Share)
        {
            withheld.email(email);
        }
        if let Some(mobile) = self
            .mobile
            .as_deref()
            .filter(|_| privacy.mobile > Rule::Share)
        {
            withheld.mobile(mobile);
        }
        withheld
    }
}

/// Stands for what is hidden wholly.
const HIDDEN: &str = "***";

fn masked_name(name: &str) -> String {
    let words: Vec<_> = name.split_whitespace().map(masked_word).collect();
    words.join(" ")
}

/// The first character, but of a word that has hardly another one.
fn masked_word(word: &str) -> String {
    match word.chars().next().filter(|_| word.chars().count() > 2) {
        Some(initial) => format!("{initial}{HIDDEN}"),
        None => HIDDEN.to_owned(),
    }
}

fn masked_email(email: &str) -> String {
    match email.rsplit_once('@') {
        Some((local, domain)) => format!("{}@{domain}", masked_word(local)),
        None => HIDDEN.to_owned(),
    }
}

fn masked_number(number: &str) -> String {
    let length = number.chars().count();
    if number.chars().filter(|c| c.is_alphanumeric()).count() < 8 {
        return HIDDEN.to_owned();
    }
    let shown = number.chars().skip(length - 4);
    std::iter::repeat_n('*', length - 4).chain(shown).collect()
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
        let privacy = Privacy::new()
            .with_email(Rule::Omit)
            .with_address(Rule::Omit);
        let left = json!({"customer_name": "Asha Rao", "mobile": "+91 55500 00142"});
        assert_eq!(told(privacy), json!([left, null]));
    }

    #[test]
    fn a_mask_tells_the_form_and_not_the_value() {
        assert_eq!(masked_name("Asha  Rao"), "A*** R***");
        assert_eq!(masked_name("Ö Li"), "*** ***");
        assert_eq!(masked_name(" "), "");
        assert_eq!(masked_email("asha@example.com"), "a***@example.com");
        assert_eq!(masked_email("\"a@b\"@example.com"), "\"***@example.com");
        assert_eq!(masked_email("@example.com"), "***@example.com");
        assert_eq!(masked_email("al@example.com"), "***@example.com");
        assert_eq!(masked_email("asha"), "***");
        assert_eq!(masked_number("+91 55500 00142"), "***********0142");
        for short in ["555-0142", "12345", "1234", ""] {
            assert_eq!(masked_number(short), "***", "{short}");
        }
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
        let masked = Privacy::new()
            .with_address(Rule::Mask)
            .with_mobile(Rule::Omit);
        let address = customer().told_address(&address(), masked).unwrap();
        assert_eq!((address.name(), address.phone()), (Some("a*** R***"), None));
    }

    #[test]
    fn another_name_and_number_in_the_address_follow_the_rule_of_the_address() {
        let mut other = customer();
        other.customer_name = Some("Ravi Rao".to_owned());
        other.mobile = Some("+91 55500 00143".to_owned());
        let privacy = Privacy::new()
            .with_customer_name(Rule::Omit)
            .with_mobile(Rule::Omit);
        let address = other.told_address(&address(), privacy).unwrap();
        assert_eq!(
            (address.name(), address.phone()),
            (Some("asha  RAO"), Some("0555-0000142"))
        );
    }

    #[test]
    fn a_withheld_value_is_found_inside_the_longer_texts_of_an_address() {
        let address = Address::new("c/o Asha Rao, 12 Lake Road", "Pune", "411001", "IN").unwrap();
        let address = address
            .with_name("Ms. Asha Rao")
            .with_line2("ring 55500 00142, asha@EXAMPLE.com");
        let address = address.with_phone("0555-0000142 / 0555-0000999");
        for rule in [Rule::Mask, Rule::Omit] {
            let privacy = Privacy::new()
                .with_customer_name(rule)
                .with_mobile(rule)
                .with_email(rule);
            let told = customer().told_address(&address, privacy).unwrap();
            let text = serde_json::to_string(&told).unwrap();
            for withheld in ["Asha", "Rao", "5550", "55500", "EXAMPLE"] {
                assert!(!text.contains(withheld), "{withheld} in {text}");
            }
            assert_eq!(
                (told.line1(), told.line2()),
                ("c/o ***, 12 Lake Road", Some("ring ***, ***"))
            );
        }
        assert_eq!(
            customer().told_address(&address, Privacy::new()),
            Some(address)
        );
    }

    #[test]
    fn a_withheld_name_does_not_come_back_in_decomposed_unicode() {
        let customer = Customer {
            customer_name: Some("José Peña".to_owned()),
            ..Customer::default()
        };
        let address = address().with_name("Jose\u{301} Pen\u{303}a");
        let told = customer
            .told_address(&address, Privacy::new().with_customer_name(Rule::Omit))
            .unwrap();
        assert_eq!(told.name(), None);
    }

    #[test]
    fn rules_are_read_by_their_words() {
        let read = |value: Value| {
            Privacy::read(&crate::value::json::raw(&value), "privacy")
                .map_err(|error| error.to_string())
        };
        assert_eq!(read(json!({})), Ok(Privacy::new()));
        assert_eq!(
            read(json!({"email": "mask", "address": "omit", "mobile": "share"})),
            Ok(Privacy::new()
                .with_email(Rule::Mask)
                .with_address(Rule::Omit))
        );
        assert_eq!(
            read(json!({"email": "hide"})),
            Err("privacy.email: must be one of: share, mask, omit".to_owned())
        );
        assert_eq!(
            read(json!({"e-mail": "mask"})),
            Err("privacy.e-mail: is not a known key; known here: customer_name, email, mobile, address".to_owned())
        );
    }
}
