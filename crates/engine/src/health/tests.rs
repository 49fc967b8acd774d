//! One table per kind: what is seen, and what it means.
