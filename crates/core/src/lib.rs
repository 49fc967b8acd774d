//! Names, keys, revisions, secrets, error classes, time and the read-only file tree.
