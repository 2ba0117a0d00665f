//! Chance that comes out the same everywhere: one generator for each month and table, and hashes that
//! can be had again from a row's number alone.

use rand::distr::Distribution;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;
use rand_distr::weighted::WeightedAliasIndex;
use rand_pcg::Pcg64;

/// What chance is drawn for; each draws from its own stream, so that one never shifts another.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stream {
    Services = 1,
    Deployments,
    Incidents,
    Changes,
    Reviews,
    Revisions,
    Commits,
    Promotions,
}

/// The generator of one month and stream.
pub(super) fn chance(seed: u64, month: usize, stream: Stream) -> Pcg64 {
    let mut bytes = [0; 32];
    for (word, place) in bytes.chunks_exact_mut(8).zip(0..) {
        word.copy_from_slice(&hash(seed, stream, month as u64, place).to_le_bytes());
    }
    Pcg64::from_seed(bytes)
}

/// The SHA of a commit: 40 hexadecimal digits.
pub(super) fn sha(seed: u64, stream: Stream, number: u32) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(40);
    for (place, n_bytes) in [(0, 8), (1, 8), (2, 4)] {
        let word = hash(seed, stream, u64::from(number), place).to_le_bytes();
        for byte in &word[..n_bytes] {
            text.push(char::from(DIGITS[usize::from(byte >> 4)]));
            text.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
    text
}

/// Steele, Lea and Flood's SplitMix64 over four words.
fn hash(seed: u64, stream: Stream, number: u64, place: u64) -> u64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut state = seed;
    for word in [stream as u64, number, place] {
        state = state.wrapping_add(STEP).wrapping_add(word.wrapping_mul(STEP));
        state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        state ^= state >> 31;
    }
    state
}

/// Picks places in proportion to weights.
#[derive(Debug, Clone)]
pub(super) struct Pick(WeightedAliasIndex<f64>);

impl Pick {
    pub(super) fn new(weights: Vec<f64>) -> Self {
        Self(WeightedAliasIndex::new(weights).expect("weights are finite and not all zero"))
    }

    pub(super) fn place(&self, rng: &mut Pcg64) -> usize {
        self.0.sample(rng)
    }
}

/// Whether something of this probability happens.
pub(super) fn happens(rng: &mut Pcg64, probability: f64) -> bool {
    rng.random::<f64>() < probability
}

/// A log-normal number by its median and the standard deviation of its logarithm.
pub(super) fn log_normal(rng: &mut Pcg64, median: f64, sigma: f64) -> f64 {
    let normal: f64 = StandardNormal.sample(rng);
    median * (sigma * normal).exp()
}
