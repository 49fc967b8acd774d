//! Cron schedules of five fields, in the dialect of the incumbent's windows.
//!
//! Minute, hour, day of month, month, day of week; lists, ranges, steps, `*`, `?`, names of months and days, and
//! `@hourly` and its kind. When both day fields are restricted, either may match.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};

/// A schedule that never comes round within this time never will: leap days repeat within eight years.
const HORIZON_DAYS: i32 = 366 * 9;

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// A compiled schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    any_day: bool,
    any_weekday: bool,
}

/// Which way to look.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Forward,
    Backward,
}

impl Cron {
    /// Reads a schedule.
    ///
    /// # Errors
    /// What is wrong, for the user.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = match text.trim() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            text => text,
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(format!("expected 5 fields, found {}", fields.len()));
        };
        let is_any = |field: &str| field.starts_with(['*', '?']);
        Ok(Self {
            minutes: set(minute, 0, 59, &[])?,
            hours: set(hour, 0, 23, &[])?,
            days: set(day, 1, 31, &[])?,
            months: set(month, 1, 12, &MONTHS)?,
            weekdays: set(weekday, 0, 6, &DAYS)?,
            any_day: is_any(day),
            any_weekday: is_any(weekday),
        })
    }

    /// Returns the first time after `time`.
    pub(crate) fn after(&self, time: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        self.find(time, zone, Way::Forward)
    }

    /// Returns the last time not after `time`.
    pub(crate) fn until(&self, time: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        self.find(time, zone, Way::Backward)
    }

    fn find(&self, time: Timestamp, zone: &TimeZone, way: Way) -> Option<Timestamp> {
        let local = zone.to_datetime(time);
        // Clocks that change make local times jump by some hours.
        let slack = 3.hours();
        let (edge, step): (DateTime, Span) = match way {
            Way::Forward => (local.checked_sub(slack).ok()?, 1.day()),
            Way::Backward => (local.checked_add(slack).ok()?, (-1).day()),
        };
        let mut date = edge.date();
        for _ in 0..HORIZON_DAYS {
            if self.is_day(date)
                && let Some(found) = self.on(date, edge, time, zone, way)
            {
                return Some(found);
            }
            date = date.checked_add(step).ok()?;
        }
        None
    }

    /// Finds the time on one day.
    fn on(
        &self,
        date: Date,
        edge: DateTime,
        time: Timestamp,
        zone: &TimeZone,
        way: Way,
    ) -> Option<Timestamp> {
        let (mut hours, minutes) = (members(self.hours, 23), members(self.minutes, 59));
        if way == Way::Backward {
            hours.reverse();
        }
        for hour in hours {
            let mut best = None;
            for minute in &minutes {
                let local = date.at(hour, *minute, 0, 0);
                let is_past = match way {
                    Way::Forward => local < edge,
                    Way::Backward => local > edge,
                };
                if is_past {
                    continue;
                }
                // A time that does not exist comes when the clocks have changed; of two, the first counts.
                let Ok(found) = zone.to_timestamp(local) else {
                    continue;
                };
                best = match way {
                    Way::Forward if found > time => best.into_iter().chain([found]).min(),
                    Way::Backward if found <= time => best.into_iter().chain([found]).max(),
                    _ => best,
                };
            }
            if best.is_some() {
                return best;
            }
        }
        None
    }

    fn is_day(&self, date: Date) -> bool {
        let has = |set: u64, number: i8| set & (1 << number) != 0;
        if !has(self.months, date.month()) {
            return false;
        }
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        if self.any_day || self.any_weekday {
            day && weekday
        } else {
            day || weekday
        }
    }
}

fn members(set: u64, last: i8) -> Vec<i8> {
    (0..=last).filter(|one| set & (1 << one) != 0).collect()
}

/// Reads one field as a set of numbers.
fn set(field: &str, first: u32, last: u32, names: &[&str]) -> Result<u64, String> {
    let mut found = 0;
    for part in field.split(',') {
        found |= range(part, first, last, names)?;
    }
    Ok(found)
}

fn range(part: &str, first: u32, last: u32, names: &[&str]) -> Result<u64, String> {
    let (body, step) = match part.split_once('/') {
        Some((body, step)) => (body, Some(step)),
        None => (part, None),
    };
    let number = |text: &str| -> Result<u32, String> {
        let lower = text.to_ascii_lowercase();
        if let Some(at) = names.iter().position(|name| *name == lower) {
            return Ok(first + at as u32);
        }
        match text.parse::<u32>() {
            Ok(number) if (first..=last).contains(&number) => Ok(number),
            _ => Err(format!("{text:?} is not between {first} and {last}")),
        }
    };
    let (from, mut to) = match body.split_once('-') {
        _ if body == "*" || body == "?" => (first, last),
        Some((from, to)) => (number(from)?, number(to)?),
        None => (number(body)?, number(body)?),
    };
    if from > to {
        return Err(format!("{body:?} ends before it begins"));
    }
    let step = match step {
        None => 1,
        Some(text) => {
            // A single number with a step goes on to the end.
            if !body.contains('-') {
                to = last;
            }
            match text.parse::<usize>() {
                Ok(step) if step > 0 => step,
                _ => return Err(format!("{text:?} is no step")),
            }
        }
    };
    Ok((from..=to)
        .step_by(step)
        .fold(0, |set, one| set | (1 << one)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(schedule: &str, time: &str) -> String {
        let found = Cron::parse(schedule)
            .unwrap()
            .after(time.parse().unwrap(), &TimeZone::UTC);
        found.map_or_else(|| "never".to_owned(), |time| time.to_string())
    }

    #[test]
    fn the_next_time_is_found() {
        let cases = [
            ("* * * * *", "2026-01-01T00:00:30Z", "2026-01-01T00:01:00Z"),
            ("0 0 * * *", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
            (
                "*/15 9-17 * * 1-5",
                "2026-01-02T17:50:00Z",
                "2026-01-05T09:00:00Z",
            ),
            (
                "5/20 * * * *",
                "2026-01-01T00:26:00Z",
                "2026-01-01T00:45:00Z",
            ),
            (
                "0 12 13 * FRI",
                "2026-01-01T13:00:00Z",
                "2026-01-02T12:00:00Z",
            ),
            (
                "0 0 ? * sun",
                "2026-01-01T00:00:00Z",
                "2026-01-04T00:00:00Z",
            ),
            (
                "30 4 1 JAN,jul *",
                "2026-01-01T04:30:00Z",
                "2026-07-01T04:30:00Z",
            ),
            ("0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("0 0 30 2 *", "2026-01-01T00:00:00Z", "never"),
            ("@weekly", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z"),
        ];
        for (schedule, time, wanted) in cases {
            assert_eq!(after(schedule, time), wanted, "{schedule} after {time}");
        }
    }

    #[test]
    fn forward_and_backward_agree() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        for schedule in ["*/7 * * * *", "30 2 * * *", "0 9 * * 1-5", "15 3 1,15 * *"] {
            let cron = Cron::parse(schedule).unwrap();
            let mut time: Timestamp = "2026-03-27T00:00:00Z".parse().unwrap();
            for _ in 0..500 {
                let next = cron.after(time, &zone).unwrap();
                assert!(next > time);
                assert_eq!(cron.until(next, &zone), Some(next), "{schedule}");
                assert!(
                    cron.until(next - 1.second(), &zone).unwrap() <= time,
                    "{schedule} {time}"
                );
                time = next;
            }
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in [
            "",
            "* * * *",
            "0 * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 7",
            "5-1 * * * *",
            "*/0 * * * *",
            "a * * * *",
            "1, * * * *",
            "99999999999 * * * *",
        ] {
            assert!(Cron::parse(text).is_err(), "{text:?}");
        }
    }
}
