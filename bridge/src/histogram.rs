//! Log buckets of latencies.
