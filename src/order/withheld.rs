//! Finds what is withheld of a customer in the texts of an address, as people would see it there.

use crate::value::folded::Folded;

/// Stands where something was cut out of a text.
const CUT: &str = "***";

/// The most that is cut out of one text.
const MOST_CUTS: usize = 50;

/// The personal values of a customer that a supplier may not see.
#[derive(Default)]
pub(in crate::order) struct Withheld {
    /// The words of the name, sorted, and the name in one word.
    name: Option<(Vec<String>, String)>,
    email: Option<Vec<char>>,
    mobile: Option<Number>,
}

impl Withheld {
    pub(in crate::order) fn name(&mut self, name: &str) {
        let words: Vec<String> = Folded::of(name)
            .words()
            .into_iter()
            .map(|word| word.text)
            .collect();
        let whole = words.concat();
        let mut sorted = words;
        sorted.sort_unstable();
        self.name = (!sorted.is_empty()).then_some((sorted, whole));
    }

    pub(in crate::order) fn email(&mut self, email: &str) {
        let email: Vec<char> = Folded::of(email.trim())
            .0
            .into_iter()
            .map(|letter| letter.c)
            .collect();
        self.email = (!email.is_empty()).then_some(email);
    }

    pub(in crate::order) fn mobile(&mut self, mobile: &str) {
        self.mobile = Number::of(mobile);
    }

    /// Whether the text is the withheld name, a part of it, or has it inside.
    pub(in crate::order) fn is_name(&self, text: &str) -> bool {
        let Some((name, _)) = &self.name else {
            return false;
        };
        let folded = Folded::of(text);
        let words = folded.words();
        let is_part = !words.is_empty() && words.iter().all(|word| name.contains(&word.text));
        is_part || self.find_name(&folded).is_some()
    }

    /// Whether the text is the withheld mobile number, with or without a prefix, or has it inside.
    pub(in crate::order) fn is_mobile(&self, text: &str) -> bool {
        let Some(mobile) = &self.mobile else {
            return false;
        };
        let folded = Folded::of(text);
        mobile.is(&folded) || mobile.find(&folded).is_some()
    }

    /// The text without what is withheld.
    pub(in crate::order) fn cut(&self, text: &str) -> String {
        let mut text = text.to_owned();
        if self.name.is_none() && self.email.is_none() && self.mobile.is_none() {
            return text;
        }
        for _ in 0..MOST_CUTS {
            let folded = Folded::of(&text);
            let found = self
                .find_email(&folded)
                .or_else(|| self.mobile.as_ref()?.find(&folded));
            let Some((start, end)) = found.or_else(|| self.find_name(&folded)) else {
                return text;
            };
            text.replace_range(start..end, CUT);
        }
        // Each cut looks at the whole text: a text that is made of nothing else is given up.
        CUT.to_owned()
    }

    fn find_email(&self, text: &Folded) -> Option<(usize, usize)> {
        let email = self.email.as_ref()?;
        let at = text.0.windows(email.len()).position(|window| {
            window
                .iter()
                .map(|letter| letter.c)
                .eq(email.iter().copied())
        });
        at.map(|at| (text.0[at].start, text.0[at + email.len() - 1].end))
    }

    /// All words of the name side by side in any order, the name in one word, or, in scripts that do not divide words, inside
    /// a longer one.
    fn find_name(&self, text: &Folded) -> Option<(usize, usize)> {
        let (name, whole) = self.name.as_ref()?;
        let words = text.words();
        let side_by_side = words.windows(name.len()).find(|window| {
            let mut window: Vec<&str> = window.iter().map(|word| word.text.as_str()).collect();
            window.sort_unstable();
            window == *name
        });
        if let Some([first, .., last] | [first @ last]) = side_by_side {
            return Some((first.start, last.end));
        }
        if let Some(word) = words.iter().find(|word| word.text == *whole) {
            return Some((word.start, word.end));
        }
        let undivided: Vec<char> = whole.chars().collect();
        if undivided.len() < 2 || !undivided.iter().all(|c| is_undivided(*c)) {
            return None;
        }
        let at = text
            .0
            .windows(undivided.len())
            .position(|window| window.iter().map(|l| l.c).eq(undivided.iter().copied()));
        at.map(|at| (text.0[at].start, text.0[at + undivided.len() - 1].end))
    }
}

/// A telephone number by its digits.
struct Number {
    digits: Vec<char>,
    /// Whether a country code stands in front.
    international: bool,
    as_written: String,
}

impl Number {
    /// Fewer digits than this are an extension or a service number, whose like ends many a number.
    const SUBSCRIBER_DIGITS: usize = 7;
    /// A country code has at most so many digits.
    const COUNTRY_CODE: usize = 3;

    fn of(text: &str) -> Option<Self> {
        let folded = Folded::of(text);
        let all: String = folded.digits().map(|(digit, _)| digit).collect();
        let digits: Vec<char> = all.trim_start_matches('0').chars().collect();
        let plus = folded.0.iter().any(|letter| letter.c == '+');
        let international = plus || all.starts_with("00") || digits.len() > 10;
        let as_written = text.trim().to_owned();
        (!as_written.is_empty()).then_some(Number {
            digits,
            international,
            as_written,
        })
    }

    /// The same digits, or those of one with a country code or trunk prefix before them.
    fn is(&self, text: &Folded) -> bool {
        let all: String = text.digits().map(|(digit, _)| digit).collect();
        let other: Vec<char> = all.trim_start_matches('0').chars().collect();
        if self.digits.is_empty() || other.is_empty() {
            let shown: String = text.0.iter().map(|letter| letter.c).collect();
            let own: String = Folded::of(&self.as_written)
                .0
                .iter()
                .map(|letter| letter.c)
                .collect();
            return self.digits.is_empty() && shown.trim() == own.trim();
        }
        let (short, long) = if self.digits.len() <= other.len() {
            (&self.digits, &other)
        } else {
            (&other, &self.digits)
        };
        short == long || (short.len() >= Self::SUBSCRIBER_DIGITS && long.ends_with(short))
    }

    /// Where the number is in a longer text, whatever stands between its digits. A country code may be missing.
    fn find(&self, text: &Folded) -> Option<(usize, usize)> {
        if self.digits.len() < Self::SUBSCRIBER_DIGITS {
            return None;
        }
        let digits: Vec<_> = text.digits().collect();
        let may_miss = if self.international {
            Self::COUNTRY_CODE
        } else {
            0
        };
        let least = self
            .digits
            .len()
            .saturating_sub(may_miss)
            .max(Self::SUBSCRIBER_DIGITS);
        (least..=digits.len()).find_map(|end| {
            let pairs = digits[..end].iter().rev().zip(self.digits.iter().rev());
            let same = pairs.take_while(|((digit, _), own)| digit == *own).count();
            (same >= least).then(|| (digits[end - same].1.0, digits[end - 1].1.1))
        })
    }
}

/// Whether the script of a letter does not divide words: Chinese, Japanese, Korean, Thai, Lao, Khmer, Burmese.
fn is_undivided(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1100}'..='\u{11ff}' | '\u{1780}'..='\u{17ff}'
        | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn withheld(name: &str, email: &str, mobile: &str) -> Withheld {
        let mut withheld = Withheld::default();
        withheld.name(name);
        withheld.email(email);
        withheld.mobile(mobile);
        withheld
    }

    #[test]
    fn a_name_is_found_as_people_see_it() {
        for (name, text, cut) in [
            ("José Peña", "Jose\u{301} Pen\u{303}a", "***"),
            (
                "Asha Rao",
                "c/o Ms. ASHA-RAO, Flat 4",
                "c/o Ms. ***, Flat 4",
            ),
            ("Asha Rao", "Rao, Asha", "***"),
            ("Asha Rao", "AshaRao Villa", "*** Villa"),
            (
                "Asha Rao",
                "\u{ff21}\u{ff53}\u{ff48}\u{ff41} R\u{200b}ao",
                "***",
            ),
            ("Weiß", "bei WEISS", "bei ***"),
            ("राम कुमार", "राम कुमार के घर", "*** के घर"),
            ("山田太郎", "東京都山田太郎様方", "東京都***様方"),
            ("Asha Rao", "Asharaoji Street", "Asharaoji Street"),
            (
                "Asha Rao",
                "Rao Lane, opposite Asha Clinic",
                "Rao Lane, opposite Asha Clinic",
            ),
        ] {
            assert_eq!(withheld(name, "", "").cut(text), cut, "{name} in {text}");
        }
        let asha = withheld("Asha Rao", "", "");
        assert!(
            asha.is_name("rao")
                && asha.is_name("Dr. Asha Rao")
                && !asha.is_name("Ravi Rao")
                && !asha.is_name("")
        );
    }

    #[test]
    fn a_number_is_found_inside_longer_texts_and_in_the_digits_of_any_script() {
        for (mobile, text) in [
            ("+91 55500 00142", "55500 00142 / 0555-0000999"),
            ("+91 55500 00142", "call 0091-555-00001 42 first"),
            ("5550000142", "tel:5550000142"),
            ("5550000142", "٥٥٥٠٠٠٠١٤٢"),
            ("५५५०००११४२", "555-000 1142"),
            ("5550000142", "５５５００００１４２"),
        ] {
            let withheld = withheld("", "", mobile);
            assert!(withheld.is_mobile(text), "{mobile} in {text}");
            assert!(withheld.cut(text).contains(CUT), "{mobile} in {text}");
        }
        for (mobile, text) in [
            ("5550000142", "5550000143"),
            ("5550000142", "9990000142"),
            ("142", "12 Lake Road 142"),
        ] {
            assert_eq!(
                withheld("", "", mobile).cut(text),
                text,
                "{mobile} in {text}"
            );
        }
        assert_eq!(
            withheld("", "", "5550000142").cut("ring 555 000 0142, not 7"),
            "ring ***, not 7"
        );
    }

    #[test]
    fn numbers_are_the_same_by_their_digits_with_or_without_a_prefix() {
        let same = |one: &str, other: &str| withheld("", "", one).is_mobile(other);
        for (one, other) in [
            ("5550000142", "+91 555-000 0142"),
            ("05550000142", "0091 5550000142"),
            ("112", "1-1-2"),
            ("none", " none"),
        ] {
            assert!(same(one, other) && same(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("5550000142", "5550000143"),
            ("142", "5550000142"),
            ("none", "x"),
        ] {
            assert!(!same(one, other) && !same(other, one), "{one} {other}");
        }
    }

    #[test]
    fn an_e_mail_address_is_found_in_any_case() {
        let asha = withheld("", "asha@example.com", "");
        assert_eq!(
            asha.cut("mail ASHA@Example.com or ring"),
            "mail *** or ring"
        );
        assert_eq!(asha.cut("asha at example.com"), "asha at example.com");
    }

    #[test]
    fn a_text_that_repeats_a_name_without_end_is_hidden_wholly() {
        let asha = withheld("Asha Rao", "", "");
        assert_eq!(asha.cut(&"Asha Rao, ".repeat(20)).matches(CUT).count(), 20);
        assert_eq!(asha.cut(&"Asha Rao, ".repeat(200)), CUT);
    }

    #[test]
    fn nothing_is_withheld_of_who_has_nothing() {
        let nothing = withheld(" ", " ", " ");
        assert_eq!(nothing.cut("12 Lake Road"), "12 Lake Road");
        assert!(!nothing.is_name("") && !nothing.is_mobile(""));
    }
}
