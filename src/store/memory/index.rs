//! Indexes over rows that are never taken out again, in as few bytes as can be: a row's number under the hash of its name.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};

use crate::value::hashed::{FastMap, FastState};

/// Which row has a name. The names themselves stand in the rows: the caller says whether a row is the one.
#[derive(Debug, Default)]
pub(super) struct Index {
    random: FastState,
    rows: HashMap<u64, u64, BuildHasherDefault<AsItIs>>,
}

/// Where a name stands in an index, and which row has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    hash: u64,
    pub(super) row: Option<u64>,
}

impl Index {
    /// The place of the name: under its hash, or the next one that is free when another name has the same hash.
    pub(super) fn place(&self, name: &impl Hash, is_it: impl Fn(u64) -> bool) -> Place {
        let mut hash = self.random.hash_one(name);
        loop {
            match self.rows.get(&hash) {
                None => return Place { hash, row: None },
                Some(row) if is_it(*row) => {
                    return Place {
                        hash,
                        row: Some(*row),
                    };
                }
                Some(_) => hash = hash.wrapping_add(1),
            }
        }
    }

    /// Puts a row in a place, also of another row that had the name before.
    pub(super) fn put(&mut self, place: Place, row: u64) {
        self.rows.insert(place.hash, row);
    }
}

/// Takes a hash for what it is.
#[derive(Debug, Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |so_far, byte| {
            so_far.rotate_left(8) ^ u64::from(*byte)
        });
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// Values that occur many times, kept once each.
#[derive(Debug)]
pub(super) struct Shared<T> {
    numbers: FastMap<T, u64>,
    values: Vec<T>,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Shared {
            numbers: FastMap::default(),
            values: Vec::new(),
        }
    }
}

impl<T: Clone + Eq + Hash> Shared<T> {
    /// The number of a value.
    pub(super) fn number(&mut self, value: &T) -> u64 {
        if let Some(number) = self.numbers.get(value) {
            return *number;
        }
        let number = self.values.len() as u64;
        self.values.push(value.clone());
        self.numbers.insert(value.clone(), number);
        number
    }

    /// The value of a number.
    pub(super) fn value(&self, number: u64) -> Option<&T> {
        self.values.get(usize::try_from(number).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All names have one hash.
    struct Same;

    impl Hash for Same {
        fn hash<H: Hasher>(&self, state: &mut H) {
            state.write_u64(7);
        }
    }

    #[test]
    fn names_of_one_hash_are_told_apart() {
        let names = ["north", "south", "east"];
        let mut index = Index::default();
        let is = |name: &'static str| {
            move |row: u64| names.get(usize::try_from(row).unwrap()) == Some(&name)
        };
        for (row, name) in (0..).zip(names) {
            let place = index.place(&Same, is(name));
            assert_eq!(place.row, None);
            index.put(place, row);
        }
        for (row, name) in (0..).zip(names) {
            assert_eq!(index.place(&Same, is(name)).row, Some(row));
        }
        assert_eq!(index.place(&Same, is("west")).row, None);
    }
}
