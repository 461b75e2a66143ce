//! What a text must not show, found however the text spells it.

use std::collections::HashSet;

use crate::value::folded::{Folded, Letter, letters};
use crate::value::visible::Escaped;
use crate::wire::escapes::unescaped;

/// Stands where something was hidden.
const HIDDEN: &str = "***";

/// So many letters in a row that something hidden has as well are a part of it.
const RUN: usize = 8;

/// So many digits in a row that a hidden number has as well are a part of it, whatever prefix either has.
const DIGITS: usize = 7;

/// The fewest letters at the end of a text that count as the beginning of something hidden.
const TAIL: usize = 3;

/// How many escapes inside one another are seen through, as in JSON within JSON.
const LAYERS: usize = 4;

/// Texts that are hidden wherever they, or parts of them, stand in another text.
///
/// They are compared by their letters and digits alone, as people tell them apart ([`Folded`]), and through the escapes of
/// JSON, URLs and HTML.
#[derive(Default)]
pub(crate) struct Hidden {
    exact: Vec<Vec<char>>,
    runs: HashSet<[char; RUN]>,
    numbers: HashSet<[char; DIGITS]>,
    /// What is too short to have a run.
    words: HashSet<Vec<char>>,
    /// How each begins, as far as it is too short to be a run.
    beginnings: HashSet<Vec<char>>,
}

impl Hidden {
    /// Hides a secret, and if it is short, the words that equal it.
    pub(crate) fn secret(&mut self, text: &str) {
        let letters = alphanumeric(&Folded::of(text).0);
        // Signs count only here. A short word is hidden where it stands alone.
        if letters.is_empty() || text.len() >= RUN {
            self.exact.push(text.chars().collect());
        }
        self.add(&letters, 1);
    }

    /// Hides what is said of a person, and every number in it that could be one's telephone.
    pub(crate) fn personal(&mut self, text: &str) {
        let folded = Folded::of(text);
        self.add(&alphanumeric(&folded.0), 2);
        let digits: Vec<char> = folded.digits().map(|(digit, _)| digit).collect();
        let of_a_number = |digits: &[char]| <[char; DIGITS]>::try_from(digits).ok();
        self.numbers
            .extend(digits.windows(DIGITS).filter_map(of_a_number));
    }

    /// Hides a text and each of its words: a name, a line of an address.
    pub(crate) fn personal_words(&mut self, text: &str) {
        self.personal(text);
        for word in Folded::of(text).words() {
            // The number of a house alone says nothing, and stands in many a reply.
            let is_small_number = word.text.len() < 4 && word.text.parse::<u16>().is_ok();
            if !is_small_number {
                self.add(&word.text.chars().collect::<Vec<_>>(), 2);
            }
        }
    }

    fn add(&mut self, letters: &[char], least: usize) {
        if letters.len() < least {
            return;
        }
        let of_a_run = |run: &[char]| <[char; RUN]>::try_from(run).ok();
        self.runs.extend(letters.windows(RUN).filter_map(of_a_run));
        if letters.len() < RUN {
            self.words.insert(letters.to_owned());
        }
        for length in TAIL..letters.len().min(RUN) {
            self.beginnings.insert(letters[..length].to_owned());
        }
    }

    /// The beginning of a text, of at most `limit` bytes, with `***` for what is hidden and escapes for what cannot be seen.
    /// What stands after it tells whether its end is the beginning of something hidden.
    pub(crate) fn hide(&self, text: &str, limit: usize) -> String {
        let hidden = self.places(text);
        let mut shown = String::new();
        let mut inside = false;
        for (start, c) in text.char_indices() {
            let end = start + c.len_utf8();
            let piece = match (hidden[start], inside) {
                (true, true) => continue,
                (true, false) => HIDDEN.to_owned(),
                (false, _) => Escaped(c.encode_utf8(&mut [0; 4])).to_string(),
            };
            inside = hidden[start];
            if (!inside && end > limit) || start >= limit || shown.len() + piece.len() > limit {
                break;
            }
            shown.push_str(&piece);
        }
        shown
    }

    /// Which bytes are hidden.
    fn places(&self, text: &str) -> Vec<bool> {
        let mut hidden = vec![false; text.len()];
        let mut layer: Vec<Letter> = letters(text).collect();
        for _ in 0..LAYERS {
            self.mark_exact(&layer, &mut hidden);
            self.mark(&folded(&layer), &mut hidden);
            let unescaped = unescaped(&layer);
            if unescaped.len() == layer.len() {
                break;
            }
            layer = unescaped;
        }
        hidden
    }

    fn mark_exact(&self, letters: &[Letter], hidden: &mut [bool]) {
        for secret in self.exact.iter().filter(|secret| !secret.is_empty()) {
            for window in letters.windows(secret.len()) {
                if window
                    .iter()
                    .map(|letter| letter.c)
                    .eq(secret.iter().copied())
                {
                    hidden[window[0].start..window[secret.len() - 1].end].fill(true);
                }
            }
        }
    }

    fn mark(&self, all: &[Letter], hidden: &mut [bool]) {
        let letters: Vec<Letter> = all
            .iter()
            .copied()
            .filter(|letter| letter.c.is_alphanumeric())
            .collect();
        let chars: Vec<char> = letters.iter().map(|letter| letter.c).collect();
        let mut hide = |from: usize, to: usize| {
            hidden[letters[from].start..letters[to - 1].end].fill(true);
        };
        for (at, run) in chars.windows(RUN).enumerate() {
            if <[char; RUN]>::try_from(run).is_ok_and(|run| self.runs.contains(&run)) {
                hide(at, at + RUN);
            }
        }
        for (at, run) in chars.windows(DIGITS).enumerate() {
            if <[char; DIGITS]>::try_from(run).is_ok_and(|run| self.numbers.contains(&run)) {
                hide(at, at + DIGITS);
            }
        }
        for length in 1..RUN {
            for (at, word) in chars.windows(length).enumerate() {
                let stands_alone = || {
                    is_edge(&letters, all, at) && is_edge(&letters, all, at + length)
                        || word.iter().any(|c| is_undivided(*c))
                };
                if self.words.contains(word) && stands_alone() {
                    hide(at, at + length);
                }
            }
        }
        for length in (TAIL..RUN.min(chars.len() + 1)).rev() {
            let from = chars.len() - length;
            if self.beginnings.contains(&chars[from..]) {
                hide(from, chars.len());
            }
        }
    }
}

/// What is compared of a layer. The end of a line divides words, and does not go with the letter before it.
fn folded(layer: &[Letter]) -> Vec<Letter> {
    let spaced = layer.iter().map(|letter| Letter {
        c: if letter.c.is_whitespace() {
            ' '
        } else {
            letter.c
        },
        ..*letter
    });
    Folded::of_letters(spaced).0
}

fn alphanumeric(letters: &[Letter]) -> Vec<char> {
    let chars = letters.iter().map(|letter| letter.c);
    chars.filter(|c| c.is_alphanumeric()).collect()
}

/// Whether a word may begin or end before the letter at this place: something else stands before it.
fn is_edge(letters: &[Letter], all: &[Letter], at: usize) -> bool {
    let (Some(before), Some(after)) = (
        at.checked_sub(1).and_then(|n| letters.get(n)),
        letters.get(at),
    ) else {
        return true;
    };
    // The two stand side by side in the text as it was folded, or are parts of one character.
    let next = all.partition_point(|letter| letter.start < before.end);
    before.start != after.start && all.get(next).is_none_or(|next| next.start != after.start)
}

/// Whether the script of a letter writes its words without spaces, or words so short that they are no accident.
fn is_undivided(c: char) -> bool {
    c > '\u{e00}'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(text: &str, secret: &str, personal: &str, name: &str) -> String {
        let mut hidden = Hidden::default();
        hidden.secret(secret);
        hidden.personal(personal);
        hidden.personal_words(name);
        hidden.hide(text, 4096)
    }

    #[test]
    fn a_secret_is_hidden_in_every_spelling() {
        let secret = "k+y/9 sécret&1=2";
        for spelled in [
            "k+y/9 sécret&1=2",
            "K+Y/9 SÉCRET&1=2",
            r"k+y\/9 s\u00e9cret&1=2",
            r"k+y\\/9 s\\u00e9cret\\u00261=2",
            "k%2By%2f9%20s%C3%A9cret%261%3D2",
            "k%2By%2f9%20s%E9cret%261%3D2",
            "k%252By%252f9%2520s%25C3%25A9cret%25261%253D2",
            "k+y/9 s&eacute;cret&amp;1=2",
            "k&#43;y/9 s&#xE9;cret&amp;1=2",
            "k\0+\0y\0/\09\0 \0s\0e\0c\0r\0e\0t\0&\x001\0=\x002",
            "k\u{200b}+y/9 se\u{301}cret&1=2",
        ] {
            let reply = format!("bad key: <{spelled}>, go away");
            let shown = hidden(&reply, secret, "", "");
            assert_eq!(shown, "bad key: <***>, go away", "{spelled}");
        }
    }

    #[test]
    fn a_part_of_a_secret_is_hidden_as_well() {
        let secret = "tok_5f2a91c07b3e";
        for (text, shown) in [
            ("token tok_5f2a9.. is unknown", "token ***.. is unknown"),
            ("ends with 2a91c07b3e.", "ends with ***."),
            ("the header was tok_5", "the header was ***"),
            ("took too long", "took too long"),
        ] {
            assert_eq!(hidden(text, secret, "", ""), shown);
        }
    }

    #[test]
    fn a_short_secret_is_hidden_where_it_stands_alone() {
        assert_eq!(
            hidden("tenant=4, 14 left", "4", "", ""),
            "tenant=***, 14 left"
        );
        assert_eq!(hidden("key ~- is wrong", "~-", "", ""), "key *** is wrong");
    }

    #[test]
    fn a_person_is_hidden_by_name_part_of_a_name_and_number() {
        for (text, shown) in [
            ("Dear Asha, no", "Dear ***, no"),
            ("ASHA-RAO: unknown", "***: unknown"),
            ("Rao, Asha", "***, ***"),
            ("asha\nrao\n", "***\\u{a}"),
            ("ashamed", "ashamed"),
        ] {
            assert_eq!(hidden(text, "", "", "Asha Rao"), shown);
        }
        assert_eq!(
            hidden("李 様, 山田太郎様", "", "", "山田 太郎"),
            "李 様, ***様"
        );
        for number in [
            "+91 55500 00142",
            "0091-55500-00142",
            "055500 00142",
            "(555)0000142",
        ] {
            let shown = hidden(&format!("{number} is no number"), "", "+915550000142", "");
            assert!(shown.ends_with("*** is no number"), "{shown}");
            assert!(!shown.contains("142"), "{shown}");
        }
    }

    #[test]
    fn what_is_shown_is_cut_after_it_was_hidden() {
        let mut hidden = Hidden::default();
        hidden.secret("s3cr3t-token");
        assert_eq!(hidden.hide("ab s3cr3t-token cd", 6), "ab ***");
        assert_eq!(hidden.hide("ab s3cr3t-token cd", 5), "ab ");
        assert_eq!(hidden.hide("äöü", 5), "äö");
        assert_eq!(hidden.hide("a\u{202e}b\n", 40), "a\\u{202e}b\\u{a}");
        assert_eq!(hidden.hide("a\u{202e}b\n", 9), "a\\u{202e}");
    }

    proptest::proptest! {
        /// Whatever a supplier answers: no panic, no more than was asked for, and nothing that is hidden.
        #[test]
        fn no_text_shows_a_secret_or_more_than_was_asked_for(
            before in "[ -~é\\\\%&\"]{0,40}",
            secret in "[a-zA-Z0-9_=+/.-]{8,40}",
            after in "\\PC{0,40}",
            coding in 0..4_usize,
            limit in 0..200_usize,
        ) {
            let coded = match coding {
                0 => secret.clone(),
                1 => secret.bytes().map(|byte| format!("%{byte:02x}")).collect(),
                2 => secret.chars().map(|c| format!("\\u{:04X}", u32::from(c))).collect(),
                _ => secret.chars().map(|c| format!("&#{};", u32::from(c))).collect(),
            };
            let mut hidden = Hidden::default();
            hidden.secret(&secret);
            let shown = hidden.hide(&format!("{before} {coded} {after}"), limit);
            proptest::prop_assert!(shown.len() <= limit);
            proptest::prop_assert!(!shown.contains(&coded), "{shown}");
            proptest::prop_assert!(!shown.contains(&secret), "{shown}");
        }
    }
}
