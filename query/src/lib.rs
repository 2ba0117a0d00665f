//! How numbers are made: attribution, metrics, packs, statistics.
