//! Floor 2: cached resources, one policy a namespace.
