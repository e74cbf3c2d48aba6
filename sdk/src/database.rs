//! Floor 2: the databases behind the pools, beside the host's own use of them.
