//! What the corpus of real objects does not show.
