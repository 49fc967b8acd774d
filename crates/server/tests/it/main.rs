//! Routes over small in-memory services: what is asked, what is answered, and who may ask.

mod applications;
mod canary;
mod listing;
mod permissions;
mod sessions;
mod streams;
mod transport;
mod world;
