//! Characters that people can see. Those that they cannot see may forge or hide what stands in a log or on a screen.

use std::fmt;

/// Whether a character is none of the control, formatting, direction, zero-width or line-separating characters.
pub(crate) fn is_visible(c: char) -> bool {
    let hidden = matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    );
    !hidden && !c.is_control()
}

/// Writes a text with each invisible character as its escape, as in `\u{202e}`.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.chars().all(is_visible) {
            return f.pad(self.0);
        }
        let escaped: String = self
            .0
            .chars()
            .map(|c| {
                if is_visible(c) {
                    c.to_string()
                } else {
                    c.escape_unicode().to_string()
                }
            })
            .collect();
        f.pad(&escaped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_escaped_and_everything_else_stays() {
        assert_eq!(
            Escaped("Ünïcode 12/ab \u{1f4da}").to_string(),
            "Ünïcode 12/ab \u{1f4da}"
        );
        assert_eq!(
            Escaped("a\u{202e}b\u{200d}c\n").to_string(),
            "a\\u{202e}b\\u{200d}c\\u{a}"
        );
        assert_eq!(format!("{:>4}", Escaped("ab")), "  ab");
    }
}
