//! Damaged input: seeds in which bytes, words and whole values are changed.

/// What parsers stumble over.
const WORDS: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-0",
    "1",
    "1e400",
    "-1e-400",
    "0.10",
    "14.309999999999999",
    "18446744073709551616",
    "79228162514264337593543950336",
    "0e99999999999999999999",
    "\"\"",
    "\" \"",
    "\"0\"",
    "{}",
    "[]",
    "[[[[]]]]",
    "{\"a\":{\"a\":{}}}",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "\"\u{202e}\"",
    "\"1900-01-01 00:00:00\"",
    "\"0000-00-00\"",
    "\"9999-12-31T23:59:60+23:59\"",
    "\"-0001-01-01T00:00:00Z\"",
    "\"https://[::ffff:127.0.0.1]:65536/\"",
    "\"https://a.example/\\u0000\"",
    "\"reject\"",
    "\"reassign\"",
    "\"split\"",
    "\"digitization_completed\"",
    "\"pickup\"",
    "\"A\"",
    ",",
    ":",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    "\u{feff}",
    "\u{0}",
    " ",
    "\r\n",
];

pub(crate) struct Changes<'a> {
    seeds: &'a [Vec<u8>],
    state: u64,
}

impl<'a> Changes<'a> {
    pub(crate) fn new(seed: u64, seeds: &'a [Vec<u8>]) -> Self {
        Changes { seeds, state: seed }
    }

    /// The next input: a seed with one to six changes.
    pub(crate) fn next(&mut self) -> Vec<u8> {
        let mut input = self.pick(self.seeds).clone();
        for _ in 0..=self.below(6) {
            self.change(&mut input);
        }
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        match self.below(10) {
            0 if !input.is_empty() => {
                let at = self.below(input.len());
                input[at] ^= 1 << self.below(8);
            }
            1 => {
                let (from, to) = self.range(input.len());
                input.drain(from..to.min(from + 8));
            }
            2 => {
                let at = self.below(input.len() + 1);
                let byte = self.below(256) as u8;
                input.insert(at, byte);
            }
            3 => {
                let at = self.below(input.len() + 1);
                let word = self.pick(WORDS);
                input.splice(at..at, word.bytes());
            }
            4 if self.below(4) == 0 => input.truncate(self.below(input.len() + 1)),
            5 => {
                // A part of another seed, or of the same.
                let other = self.pick(self.seeds).clone();
                let (from, to) = self.range(other.len());
                let at = self.below(input.len() + 1);
                input.splice(at..at, other[from..to.min(from + 64)].iter().copied());
            }
            // What stays JSON gets further.
            6 => {
                if let Some((from, to)) = self.value(input) {
                    let word = self.pick(WORDS);
                    input.splice(from..to, word.bytes());
                }
            }
            7 => {
                // A value of another place.
                if let (Some((from, to)), Some((start, end))) =
                    (self.value(input), self.value(input))
                {
                    let value = input[start..end].to_vec();
                    input.splice(from..to, value);
                }
            }
            8 => {
                // A member twice.
                if let Some((from, to)) = self.member(input) {
                    let mut member = input[from..to].to_vec();
                    member.push(b',');
                    input.splice(from..from, member);
                }
            }
            _ => {
                // Another key.
                if let Some((from, _)) = self.member(input) {
                    input.splice(from + 1..from + 1, *b"x");
                }
            }
        }
    }

    /// Where a value begins and ends, as far as can be told without reading all of it.
    fn value(&mut self, input: &[u8]) -> Option<(usize, usize)> {
        let colons: Vec<usize> = (0..input.len()).filter(|at| input[*at] == b':').collect();
        let mut from = self.maybe(&colons)? + 1;
        while input.get(from).is_some_and(u8::is_ascii_whitespace) {
            from += 1;
        }
        let mut reader = serde_json::Deserializer::from_slice(&input[from..])
            .into_iter::<serde::de::IgnoredAny>();
        reader.next()?.ok()?;
        Some((from, from + reader.byte_offset()))
    }

    /// The same for a key with its value.
    fn member(&mut self, input: &[u8]) -> Option<(usize, usize)> {
        let (from, to) = self.value(input)?;
        let colon = input[..from].iter().rposition(|byte| *byte == b':')?;
        let end = input[..colon].iter().rposition(|byte| *byte == b'"')?;
        let start = input[..end].iter().rposition(|byte| *byte == b'"')?;
        Some((start, to))
    }

    fn range(&mut self, length: usize) -> (usize, usize) {
        let from = self.below(length + 1);
        (from, from + self.below(length - from + 1))
    }

    fn pick<'b, T>(&mut self, among: &'b [T]) -> &'b T {
        &among[self.below(among.len())]
    }

    fn maybe(&mut self, among: &[usize]) -> Option<usize> {
        if among.is_empty() {
            None
        } else {
            Some(*self.pick(among))
        }
    }

    /// SplitMix64.
    fn below(&mut self, limit: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }
}
