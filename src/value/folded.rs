//! Texts as people tell them apart.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

use crate::value::visible::is_visible;

/// A text as people tell it from others: compatible forms, accents, case and the script of digits do not matter, and what
/// cannot be seen is not there. Every letter knows its place in the text.
pub(crate) struct Folded(pub(crate) Vec<Letter>);

/// A letter and where it stands, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Letter {
    pub(crate) c: char,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Letters and digits that stand together.
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Folded {
    pub(crate) fn of(text: &str) -> Self {
        Folded::of_letters(letters(text))
    }

    /// The same for letters that have their places already.
    pub(crate) fn of_letters(given: impl Iterator<Item = Letter>) -> Self {
        let mut letters: Vec<Letter> = Vec::with_capacity(given.size_hint().0);
        for Letter { c, start, end } in given {
            let before = letters.len();
            for part in std::iter::once(c).nfkd() {
                if canonical_combining_class(part) != 0 || !is_visible(part) {
                    continue;
                }
                let part = digit(part);
                letters.extend(
                    part.to_uppercase()
                        .flat_map(char::to_lowercase)
                        .map(|c| Letter { c, start, end }),
                );
            }
            if letters.len() == before {
                // An accent of its own, or nothing that can be seen: it goes with the letter before it.
                if let Some(letter) = letters.last_mut() {
                    letter.end = end;
                }
            }
        }
        Folded(letters)
    }

    /// Its letters and digits, without what stands between them.
    pub(crate) fn words(&self) -> Vec<Word> {
        let mut words: Vec<Word> = Vec::new();
        let mut inside = false;
        for Letter { c, start, end } in &self.0 {
            match words.last_mut().filter(|_| inside) {
                Some(word) if c.is_alphanumeric() => {
                    word.text.push(*c);
                    word.end = *end;
                }
                _ if c.is_alphanumeric() => words.push(Word {
                    text: c.to_string(),
                    start: *start,
                    end: *end,
                }),
                _ => {}
            }
            inside = c.is_alphanumeric();
        }
        words
    }

    pub(crate) fn digits(&self) -> impl Iterator<Item = (char, (usize, usize))> {
        self.0
            .iter()
            .filter(|letter| letter.c.is_ascii_digit())
            .map(|letter| (letter.c, (letter.start, letter.end)))
    }
}

/// The characters of a text with their places.
pub(crate) fn letters(text: &str) -> impl Iterator<Item = Letter> {
    text.char_indices().map(|(start, c)| Letter {
        c,
        start,
        end: start + c.len_utf8(),
    })
}

/// The zeros of the scripts that have decimal digits of their own; the nine others follow each.
const ZEROS: [u32; 58] = [
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6,
    0xe50, 0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50,
    0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0x104a0,
    0x10d30, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0,
    0x11730, 0x118e0, 0x11950, 0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0, 0x16b50, 0x1e140,
    0x1e2f0, 0x1e950,
];

/// A digit of any script as one of ours.
fn digit(c: char) -> char {
    let code = u32::from(c);
    let zero = ZEROS
        .iter()
        .find(|zero| (**zero..**zero + 10).contains(&code));
    zero.and_then(|zero| char::from_digit(code - zero, 10))
        .unwrap_or(c)
}
