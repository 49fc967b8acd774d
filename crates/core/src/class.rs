//! What kind of failure an error is, so that each edge can react without knowing the error.

/// Who can do something about a failure, and when to try again (STYLE: error policy).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Class {
    /// The input is wrong; trying again changes nothing until somebody changes the input.
    User,
    /// The caller may not do this.
    Denied,
    /// Something named does not exist.
    Missing,
    /// Somebody else changed the same thing; try again at once, a bounded number of times.
    Conflict,
    /// A dependency does not answer; try again with backoff.
    Transient,
    /// Our bug.
    Internal,
}

/// The two questions every error that crosses a crate border answers.
pub trait Classify: std::error::Error {
    /// Returns who can act on the failure.
    fn class(&self) -> Class;
    /// Returns a stable PascalCase name, used for conditions, events and metric labels.
    fn reason(&self) -> &'static str;
}

/// Writes an error and its sources as `a: b: c`, skipping a source whose text the message
/// before it already ends with. For the edges only; inner code keeps the chain.
pub fn render_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let part = inner.to_string();
        if !text.ends_with(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        source = inner.source();
    }
    text
}
