//! The escapes in which a text may repeat another one: those of JSON, of URLs and of HTML.

use crate::value::folded::Letter;

/// Bytes as a text: what is not UTF-8 is read as Latin-1.
pub(super) fn read(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().copied().map(char::from));
    }
    text
}

/// The letters that one layer of escapes stands for: those of JSON, of URLs and of HTML. Each has the place of its escape.
pub(super) fn unescaped(letters: &[Letter]) -> Vec<Letter> {
    let mut found = Vec::with_capacity(letters.len());
    let mut rest = letters;
    while let Some((first, after)) = rest.split_first() {
        let read = match first.c {
            '\\' => backslash(rest),
            '%' => percent(rest),
            '&' => entity(rest),
            _ => None,
        };
        rest = match read {
            Some((chars, length)) => {
                let (start, end) = (first.start, rest[length - 1].end);
                found.extend(chars.chars().map(|c| Letter { c, start, end }));
                &rest[length..]
            }
            None => {
                found.push(*first);
                after
            }
        };
    }
    found
}

/// What the escape at the beginning stands for, and how many letters long it is.
type Escape = (String, usize);

fn backslash(letters: &[Letter]) -> Option<Escape> {
    let short = |text: &str| Some((text.to_owned(), 2));
    match letters.get(1)?.c {
        'u' => {
            let first = hex(letters, 2, 4)?;
            if let Some(c) = char::from_u32(first) {
                return Some((c.to_string(), 6));
            }
            let is_next = letters.get(6)?.c == '\\' && letters.get(7)?.c == 'u';
            let pair = [first, hex(letters, 8, 4).filter(|_| is_next)?];
            let pair = pair.map(|unit| u16::try_from(unit).unwrap_or_default());
            Some((String::from_utf16(&pair).ok()?, 12))
        }
        'x' => Some((char::from_u32(hex(letters, 2, 2)?)?.to_string(), 4)),
        'n' | 't' | 'r' | 'b' | 'f' => short(" "),
        c @ ('"' | '\'' | '\\' | '/') => short(&c.to_string()),
        _ => None,
    }
}

/// One character of a URL: up to four bytes.
fn percent(letters: &[Letter]) -> Option<Escape> {
    let byte = |n: usize| {
        let is_escape = letters.get(n * 3)?.c == '%';
        u8::try_from(hex(letters, n * 3 + 1, 2).filter(|_| is_escape)?).ok()
    };
    let bytes: Vec<u8> = (0..4).map_while(byte).collect();
    let first = read(&bytes).chars().next()?;
    let is_coded = bytes.starts_with(first.encode_utf8(&mut [0; 4]).as_bytes());
    let length = if is_coded { first.len_utf8() } else { 1 };
    Some((first.to_string(), length * 3))
}

fn entity(letters: &[Letter]) -> Option<Escape> {
    let name: String = letters
        .iter()
        .skip(1)
        .take(12)
        .map(|letter| letter.c)
        .take_while(|c| *c != ';')
        .collect();
    let length = name.chars().count() + 2;
    if letters.get(length - 1)?.c != ';' {
        return None;
    }
    let text = match (name.strip_prefix('#'), name.as_str()) {
        (Some(code), _) => {
            let code = match code.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => code.parse().ok()?,
            };
            char::from_u32(code)?.to_string()
        }
        (None, "amp") => "&".to_owned(),
        (None, "quot" | "apos" | "lt" | "gt" | "nbsp") => " ".to_owned(),
        (None, "szlig") => "ss".to_owned(),
        // A letter with an accent, which makes no difference here.
        (None, _) => {
            let (letter, accent) = name.split_at_checked(1)?;
            let known = [
                "acute", "grave", "circ", "uml", "tilde", "cedil", "ring", "caron", "slash",
            ];
            known.contains(&accent).then(|| letter.to_owned())?
        }
    };
    Some((text, length))
}

fn hex(letters: &[Letter], from: usize, length: usize) -> Option<u32> {
    let digits = letters.get(from..from + length)?;
    digits
        .iter()
        .try_fold(0, |sum, letter| Some(sum * 16 + letter.c.to_digit(16)?))
}
