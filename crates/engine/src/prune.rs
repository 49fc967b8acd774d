//! Whether extra objects may be deleted: a budget for every prune, and the rule against emptying an
//! application by accident.

use std::fmt;

/// Application annotation that sets the budget.
pub const BUDGET_ANNOTATION: &str = "driftless.dev/prune-budget";

/// How much one sync may prune without somebody confirming it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Budget {
    /// More than half of the application's objects and more than ten need confirmation.
    #[default]
    Default,
    /// More than this number needs confirmation.
    Count(u64),
    /// More than this share of the application's objects needs confirmation.
    Percent(u8),
    /// No limit.
    Off,
}

/// Why a budget could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("prune budget {text:?} must be a number, a percentage up to 100% or \"off\"")]
pub struct ParseError {
    text: String,
}

impl Budget {
    /// Reads `N`, `N%` or `off`.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let trimmed = text.trim();
        let error = || ParseError { text: text.into() };
        if trimmed.eq_ignore_ascii_case("off") {
            return Ok(Self::Off);
        }
        match trimmed.strip_suffix('%') {
            Some(percent) => match percent.trim().parse() {
                Ok(percent) if percent <= 100 => Ok(Self::Percent(percent)),
                _ => Err(error()),
            },
            None => trimmed.parse().map(Self::Count).map_err(|_| error()),
        }
    }

    /// Judges a prune of `prunes` objects out of `managed`, all live objects the application manages (the
    /// prunes included).
    pub fn judge(self, prunes: u64, managed: u64) -> Verdict {
        // Above 100 % there is a miscount somewhere; the stricter reading is the safe one.
        let managed = managed.max(prunes);
        let share = |percent: u64| prunes * 100 > managed * percent;
        let exceeded = match self {
            Self::Default => prunes > 10 && share(50),
            Self::Count(limit) => prunes > limit,
            Self::Percent(limit) => share(u64::from(limit)),
            Self::Off => false,
        };
        if exceeded && prunes > 0 {
            Verdict::NeedsConfirmation(Excess {
                prunes,
                managed,
                budget: self,
            })
        } else {
            Verdict::Allowed
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("50% and 10"),
            Self::Count(limit) => write!(f, "{limit}"),
            Self::Percent(limit) => write!(f, "{limit}%"),
            Self::Off => f.write_str("off"),
        }
    }
}

/// What the budget says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The prune may go on.
    Allowed,
    /// Somebody must confirm it first.
    NeedsConfirmation(Excess),
}

/// A prune above its budget; `Display` is the message for users.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Excess {
    /// Objects to prune.
    pub prunes: u64,
    /// Live objects the application manages.
    pub managed: u64,
    /// The budget that was exceeded.
    pub budget: Budget,
}

impl Excess {
    /// Stable name of the reason.
    pub const REASON: &'static str = "PruneBudgetExceeded";
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "waiting for pruning confirmation: {} of {} objects would be deleted, more than the budget of {}",
            self.prunes, self.managed, self.budget
        )
    }
}

/// Says whether an automated sync would leave nothing of an application (`allowEmpty` guards against it):
/// there are live objects, none of them is desired.
pub fn would_wipe_out(desired: usize, managed: usize) -> bool {
    desired == 0 && managed > 0
}

/// Returns the message of the `SyncError` condition for a refused wipe-out.
pub fn wipe_out_message(revisions: &[String]) -> String {
    let revisions = match revisions {
        [one] => one.clone(),
        many => format!("[{}]", many.join(" ")),
    };
    format!("Skipping sync attempt to {revisions}: auto-sync will wipe out all resources")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stops(budget: Budget, prunes: u64, managed: u64) -> bool {
        budget.judge(prunes, managed) != Verdict::Allowed
    }

    #[test]
    fn the_default_needs_both_many_and_most() {
        assert!(!stops(Budget::Default, 10, 10));
        assert!(!stops(Budget::Default, 11, 22));
        assert!(stops(Budget::Default, 11, 21));
        assert!(stops(Budget::Default, 20, 0));
        assert!(!stops(Budget::Default, 0, 0));
    }

    #[test]
    fn overrides_count_shares_and_nothing() {
        assert!(stops(Budget::Count(2), 3, 100));
        assert!(!stops(Budget::Count(2), 2, 2));
        assert!(stops(Budget::Count(0), 1, 100));
        assert!(stops(Budget::Percent(10), 11, 100));
        assert!(!stops(Budget::Percent(10), 10, 100));
        assert!(!stops(Budget::Off, 1000, 1000));
    }

    #[test]
    fn texts_are_read_and_refused() {
        assert_eq!(Budget::parse(" 5 "), Ok(Budget::Count(5)));
        assert_eq!(Budget::parse("30%"), Ok(Budget::Percent(30)));
        assert_eq!(Budget::parse("Off"), Ok(Budget::Off));
        for text in ["", "-1", "101%", "half", "5 %%", "1.5"] {
            assert!(Budget::parse(text).is_err(), "{text}");
        }
        assert_eq!(
            Budget::parse("half").unwrap_err().to_string(),
            "prune budget \"half\" must be a number, a percentage up to 100% or \"off\""
        );
    }

    #[test]
    fn messages_are_stable() {
        let Verdict::NeedsConfirmation(excess) = Budget::Default.judge(12, 12) else {
            panic!("a prune of everything passed");
        };
        assert_eq!(
            excess.to_string(),
            "waiting for pruning confirmation: 12 of 12 objects would be deleted, more than the budget of 50% and 10"
        );
        assert!(would_wipe_out(0, 1) && !would_wipe_out(0, 0) && !would_wipe_out(1, 1));
        assert_eq!(
            wipe_out_message(&["abc".into()]),
            "Skipping sync attempt to abc: auto-sync will wipe out all resources"
        );
    }
}
