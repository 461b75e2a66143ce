//! Randomness that spreads what would otherwise come together.

/// 0.0 to 1.0, good enough to spread retries: the standard library seeds its hash keys from the system.
#[cfg(not(test))]
pub(crate) fn random() -> f64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    fraction(RandomState::new().build_hasher().finish())
}

/// 0.0 to 1.0, the same in every run of a test that has set [`SEED`].
#[cfg(test)]
pub(crate) fn random() -> f64 {
    SEED.with(|seed| {
        let next = seed.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        seed.set(next);
        let mixed = (next ^ (next >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        fraction(mixed ^ (mixed >> 27))
    })
}

#[cfg(test)]
thread_local! {
    /// What the randomness of this thread goes on from.
    pub(crate) static SEED: std::cell::Cell<u64> = const { std::cell::Cell::new(1) };
}

fn fraction(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}
