//! Many samples summarised on all cores; and, where it is asked for, all of them together as one more. What that
//! one needs is counted while the others are summarised, so that it costs one walk more and no copy.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::select::{Counts, Net, Sieve, Whole, is_meshed, no_counts, select};
use super::{Distribution, Extent, Wanted, summarise};

/// A sample in parts.
pub(super) type Sample<'a, T> = Vec<&'a [T]>;

/// Fewer values than these are not worth another thread.
const VALUES_A_THREAD: usize = 50_000;

/// A summary of each sample; `None` for an empty one.
pub(super) fn summarise_each<T: Whole>(samples: &[Sample<'_, T>]) -> Vec<Option<Distribution>> {
    let workers = Workers::for_samples(samples);
    let found = workers.each(samples.len(), Sieve::<T>::default, |sieve, sample| summarise(&samples[sample], sieve));
    in_order(samples.len(), found)
}

/// The same, and a summary of all samples as one.
pub(super) fn summarise_together<T: Whole>(
    samples: &[Sample<'_, T>],
) -> (Vec<Option<Distribution>>, Option<Distribution>) {
    let workers = Workers::for_samples(samples);
    let walked = workers.each(samples.len(), || (), |(), sample| Extent::of(&samples[sample]));
    let extents = in_order(samples.len(), walked);
    let Some(all) = extents.iter().flatten().copied().reduce(Extent::with) else {
        return (vec![None; samples.len()], None);
    };
    if !is_meshed(&all, all.min) {
        let parts: Sample<'_, T> = samples.iter().flatten().copied().collect();
        return (summarise_each(samples), summarise(&parts, &mut Sieve::default()));
    }

    let start = || (Sieve::<T>::default(), no_counts());
    let summarised = workers.each(samples.len(), start, |(sieve, counts), sample| {
        let extent = extents[sample]?;
        let wanted = Wanted::of(extent.n);
        let found = sieve.at_ranks(&samples[sample], &extent, all.min, &wanted.ranks, Some(counts));
        Some(wanted.distribution(&extent, &found))
    });
    let mut counts = no_counts();
    for ((_, of_worker), _) in &summarised {
        counts.iter_mut().zip(of_worker.iter()).for_each(|(all, n)| *all += n);
    }
    let total = total(&workers, samples, &all, &counts);
    (in_order(samples.len(), summarised), Some(total))
}

fn total<T: Whole>(workers: &Workers, samples: &[Sample<'_, T>], all: &Extent, counts: &Counts) -> Distribution {
    let wanted = Wanted::of(all.n);
    let net = Net::new(counts, &wanted.ranks);
    let kept = workers.each(samples.len(), Vec::new, |kept, sample| net.keep(&samples[sample], all.min, kept));
    let mut kept: Vec<T> = kept.into_iter().flat_map(|(kept, _)| kept).collect();
    select(&mut kept, 0, &net.moved);
    let found: Vec<T> = net.moved.iter().map(|&rank| kept[rank]).collect();
    wanted.distribution(all, &found)
}

/// What each worker made: its own state, and results with the number of their sample.
type Made<S, R> = Vec<(S, Vec<(usize, R)>)>;

fn in_order<S, R: Clone>(n: usize, made: Made<S, Option<R>>) -> Vec<Option<R>> {
    let mut ordered = vec![None; n];
    for (number, result) in made.into_iter().flat_map(|(_, results)| results) {
        ordered[number] = result;
    }
    ordered
}

/// Threads for the length of one call.
struct Workers(usize);

impl Workers {
    fn for_samples<T>(samples: &[Sample<'_, T>]) -> Self {
        let n_values: usize = samples.iter().flatten().map(|part| part.len()).sum();
        let n_cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self((n_values / VALUES_A_THREAD).clamp(1, n_cores).min(samples.len().max(1)))
    }

    /// Calls `work` for each of `n` samples; whoever is done takes the next.
    fn each<S: Send, R: Send>(
        &self,
        n: usize,
        start: impl Fn() -> S + Sync,
        work: impl Fn(&mut S, usize) -> R + Sync,
    ) -> Made<S, R> {
        let next = AtomicUsize::new(0);
        let run = || {
            let mut state = start();
            let mut made = Vec::new();
            loop {
                let sample = next.fetch_add(1, Ordering::Relaxed);
                if sample >= n {
                    return (state, made);
                }
                made.push((sample, work(&mut state, sample)));
            }
        };
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..self.0).map(|_| scope.spawn(run)).collect();
            let mut all = vec![run()];
            for other in others {
                match other.join() {
                    Ok(made) => all.push(made),
                    Err(panicked) => std::panic::resume_unwind(panicked),
                }
            }
            all
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn samples_together_are_what_they_are_alone(
            seeds in prop::collection::vec((0_usize..9_000, 1_i64..5_000_000, -3_000_i64..3), 0..30),
            wide in any::<bool>(),
        ) {
            let values: Vec<Vec<i64>> = seeds
                .iter()
                .map(|&(n, step, from)| (0..n as i64).map(|i| from + i * i % 7_919 * step % 90_000_017).collect())
                .collect();
            let values: Vec<Vec<i64>> = if wide {
                values.into_iter().map(|sample| sample.into_iter().map(|v| v.wrapping_mul(1 << 40)).collect()).collect()
            } else {
                values
            };
            let samples: Vec<Sample<'_, i64>> =
                values.iter().map(|sample| sample.chunks(1_000).collect()).collect();
            let alone: Vec<_> =
                samples.iter().map(|sample| summarise(sample, &mut Sieve::default())).collect();
            let parts: Vec<&[i64]> = values.iter().map(Vec::as_slice).collect();
            let (each, total) = summarise_together(&samples);
            prop_assert_eq!(&each, &alone);
            prop_assert_eq!(total, summarise(&parts, &mut Sieve::default()));
            prop_assert_eq!(summarise_each(&samples), alone);
        }
    }
}
