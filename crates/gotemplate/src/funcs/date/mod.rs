//! Times and durations with Go's layouts.

mod layout;

use std::any::Any;
use std::fmt::Write as _;
use std::rc::Rc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Answer, arg, func, text};
use crate::error::Fault;
use crate::exec::Exec;
use crate::object::Object;
use crate::registry::{Func, Ty};
use crate::value::Value;

const TIME: Ty = Ty::Named("time.Time");
pub(super) const FUNCS: &[Func] = &[
    func("now", &[], |_, _| Ok(Time::now().into_value())),
    func("date", &[Ty::Str, Ty::Any], |_, args| {
        in_zone(text(args, 0), arg(args, 1), "Local")
    }),
    func("dateInZone", &[Ty::Str, Ty::Any, Ty::Str], |_, args| {
        in_zone(text(args, 0), arg(args, 1), text(args, 2))
    }),
    func("date_in_zone", &[Ty::Str, Ty::Any, Ty::Str], |_, args| {
        in_zone(text(args, 0), arg(args, 1), text(args, 2))
    }),
    func("htmlDate", &[Ty::Any], |_, args| {
        in_zone("2006-01-02", arg(args, 0), "Local")
    }),
    func("htmlDateInZone", &[Ty::Any, Ty::Str], |_, args| {
        in_zone("2006-01-02", arg(args, 0), text(args, 1))
    }),
    func("dateModify", &[Ty::Str, TIME], |_, args| {
        modify(args, Strict::No)
    }),
    func("date_modify", &[Ty::Str, TIME], |_, args| {
        modify(args, Strict::No)
    }),
    func("mustDateModify", &[Ty::Str, TIME], |_, args| {
        modify(args, Strict::Yes)
    }),
    func("must_date_modify", &[Ty::Str, TIME], |_, args| {
        modify(args, Strict::Yes)
    }),
    func("toDate", &[Ty::Str, Ty::Str], |_, args| {
        let time = layout::parse(text(args, 0), text(args, 1)).unwrap_or_else(|_| Time::zero());
        Ok(time.into_value())
    }),
    func("mustToDate", &[Ty::Str, Ty::Str], |_, args| {
        let time = layout::parse(text(args, 0), text(args, 1)).map_err(Fault::new)?;
        Ok(time.into_value())
    }),
    func("unixEpoch", &[TIME], |_, args| {
        Ok(time_of(arg(args, 0))
            .unwrap_or_else(Time::zero)
            .seconds
            .to_string()
            .into())
    }),
    func("ago", &[Ty::Any], |_, args| {
        let time = time_of(arg(args, 0)).unwrap_or_else(Time::now);
        let since = Time::now().since(&time);
        let second = 1_000_000_000;
        Ok(Duration(round(since, second)).text().into())
    }),
    func("duration", &[Ty::Any], |_, args| {
        let seconds = match arg(args, 0) {
            Value::Str(text) => text.parse().unwrap_or(0),
            Value::Int64(seconds) => *seconds,
            _ => 0i64,
        };
        Ok(Duration(seconds.wrapping_mul(1_000_000_000)).text().into())
    }),
    func("durationRound", &[Ty::Any], duration_round),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Strict {
    No,
    Yes,
}

/// Go's `time.Time`: an instant and how it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Time {
    /// Seconds since 1970 in UTC.
    pub seconds: i64,
    /// Nanoseconds of the second.
    pub nanos: u32,
    /// Offset of the zone in seconds.
    pub offset: i32,
    /// Name of the zone.
    pub zone: String,
}

/// The first instant that Go knows: year 1.
const ZERO: i64 = -62_135_596_800;

impl Time {
    #[expect(
        clippy::disallowed_methods,
        reason = "the function now; not called in seeded renders that must repeat"
    )]
    fn now() -> Self {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Self::at(now.as_secs() as i64, now.subsec_nanos())
    }

    /// Returns the time some seconds from now.
    pub(crate) fn from_now(seconds: i64) -> Self {
        let mut time = Self::now();
        time.seconds = time.seconds.saturating_add(seconds);
        time
    }

    /// Returns the instant at which clocks of a zone show a date and a time of day.
    pub fn of_civil(
        (year, month, day): (i64, u32, u32),
        (hour, minute, second, nanos): (u32, u32, u32, u32),
        offset: i32,
        zone: &str,
    ) -> Self {
        let clock = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
        Self {
            seconds: days_from_civil(year, month, day) * 86_400 + clock - i64::from(offset),
            nanos,
            offset,
            zone: zone.to_owned(),
        }
    }

    fn zero() -> Self {
        Self::at(ZERO, 0)
    }

    fn at(seconds: i64, nanos: u32) -> Self {
        Self {
            seconds,
            nanos,
            offset: 0,
            zone: "UTC".to_owned(),
        }
    }

    /// Returns the time as templates see it.
    pub fn into_value(self) -> Value {
        Value::Object(Rc::new(self))
    }

    fn since(&self, earlier: &Self) -> i64 {
        let seconds = self.seconds.saturating_sub(earlier.seconds);
        let nanos = i64::from(self.nanos) - i64::from(earlier.nanos);
        seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
    }

    fn add(&self, nanos: i64) -> Self {
        let total =
            i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanos) + i128::from(nanos);
        let mut time = self.clone();
        time.seconds = total.div_euclid(1_000_000_000) as i64;
        time.nanos = total.rem_euclid(1_000_000_000) as u32;
        time
    }

    fn in_zone(&self, name: &str) -> Self {
        let mut time = self.clone();
        (time.offset, time.zone) = match name {
            "" | "UTC" | "Local" => (0, "UTC".to_owned()),
            _ => {
                let zone = TimeZone::get(name).ok();
                let instant = Timestamp::from_second(self.seconds).ok();
                match zone.zip(instant) {
                    Some((zone, instant)) => {
                        let info = zone.to_offset_info(instant);
                        (info.offset().seconds(), info.abbreviation().to_owned())
                    }
                    None => (0, "UTC".to_owned()),
                }
            }
        };
        time
    }

    fn civil(&self) -> Civil {
        Civil::of(self.seconds.saturating_add(i64::from(self.offset)))
    }

    /// Formats the time with a Go layout.
    pub fn format(&self, layout: &str) -> String {
        layout::format(self, layout)
    }
}

/// A date and time of day.
struct Civil {
    year: i64,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    /// Sunday is 0.
    weekday: u32,
    year_day: u32,
}

impl Civil {
    fn of(seconds: i64) -> Self {
        let days = seconds.div_euclid(86_400);
        let rest = seconds.rem_euclid(86_400) as u32;
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_index = (5 * day_of_year + 2) / 153;
        let day = (day_of_year - (153 * month_index + 2) / 5 + 1) as u32;
        let month = if month_index < 10 {
            month_index + 3
        } else {
            month_index - 9
        } as u32;
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let first = days_from_civil(year, 1, 1);
        Self {
            year,
            month,
            day,
            hour: rest / 3600,
            minute: rest / 60 % 60,
            second: rest % 60,
            weekday: (days + 4).rem_euclid(7) as u32,
            year_day: (days - first + 1) as u32,
        }
    }
}

/// Days since 1970 of a date.
fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month = i64::from(if month > 2 { month - 3 } else { month + 9 });
    let day_of_year = (153 * month + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

impl Object for Time {
    fn type_name(&self) -> &'static str {
        "time.Time"
    }

    fn call(&self, name: &str, args: &[Value]) -> Option<Answer> {
        let civil = self.civil();
        let number = |number: i64| Ok(Value::Int(number));
        Some(match name {
            "Format" => Ok(self.format(text(args, 0)).into()),
            "Unix" => Ok(Value::Int64(self.seconds)),
            "UnixMilli" => Ok(Value::Int64(
                self.seconds * 1000 + i64::from(self.nanos) / 1_000_000,
            )),
            "UnixMicro" => Ok(Value::Int64(
                self.seconds.saturating_mul(1_000_000) + i64::from(self.nanos) / 1000,
            )),
            "UnixNano" => Ok(Value::Int64(
                self.seconds.saturating_mul(1_000_000_000) + i64::from(self.nanos),
            )),
            "Year" => number(civil.year),
            "Month" => Ok(Value::str(
                layout::MONTHS
                    .get(civil.month as usize - 1)
                    .copied()
                    .unwrap_or_default(),
            )),
            "Day" => number(i64::from(civil.day)),
            "Hour" => number(i64::from(civil.hour)),
            "Minute" => number(i64::from(civil.minute)),
            "Second" => number(i64::from(civil.second)),
            "Nanosecond" => number(i64::from(self.nanos)),
            "YearDay" => number(i64::from(civil.year_day)),
            "Weekday" => Ok(Value::str(
                layout::DAYS
                    .get(civil.weekday as usize)
                    .copied()
                    .unwrap_or_default(),
            )),
            "UTC" => Ok(self.in_zone("UTC").into_value()),
            "Local" => Ok(self.in_zone("Local").into_value()),
            "IsZero" => Ok(Value::Bool(self.seconds == ZERO && self.nanos == 0)),
            "String" => Ok(self.display().into()),
            "AddDate" => {
                let part = |index| super::int(args, index);
                let months = i64::from(civil.month) - 1 + part(1);
                let year = civil.year + part(0) + months.div_euclid(12);
                let first = days_from_civil(year, months.rem_euclid(12) as u32 + 1, 1);
                let days = first + i64::from(civil.day) - 1 + part(2);
                let clock = (self.seconds + i64::from(self.offset)).rem_euclid(86_400);
                let mut time = self.clone();
                time.seconds = days.saturating_mul(86_400) + clock - i64::from(self.offset);
                Ok(time.into_value())
            }
            "Add" => match duration_of(arg(args, 0)) {
                Some(nanos) => Ok(self.add(nanos).into_value()),
                None => Err(Fault::new("expected a duration")),
            },
            "Sub" | "Before" | "After" | "Equal" => match time_of(arg(args, 0)) {
                Some(other) => {
                    let since = self.since(&other);
                    Ok(match name {
                        "Sub" => Value::Object(Rc::new(Duration(since))),
                        "Before" => Value::Bool(since < 0),
                        "After" => Value::Bool(since > 0),
                        _ => Value::Bool(since == 0),
                    })
                }
                None => Err(Fault::new("expected a time")),
            },
            _ => return None,
        })
    }

    fn display(&self) -> String {
        self.format("2006-01-02 15:04:05.999999999 -0700 MST")
    }

    fn to_plain(&self) -> Value {
        self.format("2006-01-02T15:04:05.999999999Z07:00").into()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Go's `time.Duration`, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duration(pub i64);

impl Duration {
    /// Returns Go's text, such as `1h2m3.5s`.
    pub fn text(self) -> String {
        let nanos = self.0.unsigned_abs();
        if nanos == 0 {
            return "0s".to_owned();
        }
        let mut out = String::new();
        if self.0 < 0 {
            out.push('-');
        }
        let fraction = |value: u64, unit: u64| {
            let (whole, rest) = (value / unit, value % unit);
            if rest == 0 {
                return whole.to_string();
            }
            let width = unit.to_string().len() - 1;
            let digits = format!("{rest:0width$}");
            format!("{whole}.{}", digits.trim_end_matches('0'))
        };
        if nanos < 1_000_000_000 {
            let (unit, name) = match nanos {
                0..=999 => (1, "ns"),
                1000..=999_999 => (1000, "µs"),
                _ => (1_000_000, "ms"),
            };
            let _ = write!(out, "{}{name}", fraction(nanos, unit));
            return out;
        }
        let minutes = nanos / 60_000_000_000;
        if minutes >= 60 {
            let _ = write!(out, "{}h", minutes / 60);
        }
        if minutes > 0 {
            let _ = write!(out, "{}m", minutes % 60);
        }
        let _ = write!(out, "{}s", fraction(nanos % 60_000_000_000, 1_000_000_000));
        out
    }

    /// Reads Go's text.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Some(Self(0));
        }
        if rest.is_empty() {
            return None;
        }
        let mut total = 0f64;
        let mut exact = 0i128;
        while !rest.is_empty() {
            let length = rest
                .find(|c: char| !(c.is_ascii_digit() || c == '.'))
                .unwrap_or(rest.len());
            let (number, tail) = rest.split_at_checked(length)?;
            let unit_length = tail
                .find(|c: char| c.is_ascii_digit() || c == '.')
                .unwrap_or(tail.len());
            let (unit, next) = tail.split_at_checked(unit_length)?;
            let scale: i64 = match unit {
                "ns" => 1,
                "us" | "µs" | "μs" => 1000,
                "ms" => 1_000_000,
                "s" => 1_000_000_000,
                "m" => 60_000_000_000,
                "h" => 3_600_000_000_000,
                _ => return None,
            };
            let (whole, part) = number.split_once('.').unwrap_or((number, ""));
            if whole.is_empty() && part.is_empty() {
                return None;
            }
            let whole: i128 = if whole.is_empty() {
                0
            } else {
                whole.parse().ok()?
            };
            exact = exact.checked_add(whole.checked_mul(i128::from(scale))?)?;
            if !part.is_empty() {
                total += format!("0.{part}").parse::<f64>().ok()? * scale as f64;
            }
            rest = next;
        }
        let nanos = exact.checked_add(total as i128)?;
        let nanos = i64::try_from(if negative { -nanos } else { nanos }).ok()?;
        Some(Self(nanos))
    }
}

impl Object for Duration {
    fn type_name(&self) -> &'static str {
        "time.Duration"
    }

    fn kind_name(&self) -> &'static str {
        "int64"
    }

    fn call(&self, name: &str, args: &[Value]) -> Option<Answer> {
        let float = |unit: f64| Ok(Value::Float(self.0 as f64 / unit));
        Some(match name {
            "Seconds" => float(1e9),
            "Minutes" => float(60e9),
            "Hours" => float(3600e9),
            "Milliseconds" => Ok(Value::Int64(self.0 / 1_000_000)),
            "Microseconds" => Ok(Value::Int64(self.0 / 1000)),
            "Nanoseconds" => Ok(Value::Int64(self.0)),
            "String" => Ok(self.text().into()),
            "Round" => match duration_of(arg(args, 0)) {
                Some(unit) => Ok(Value::Object(Rc::new(Self(round(self.0, unit))))),
                None => Err(Fault::new("expected a duration")),
            },
            _ => return None,
        })
    }

    fn display(&self) -> String {
        self.text()
    }

    fn is_true(&self) -> bool {
        self.0 != 0
    }

    fn to_plain(&self) -> Value {
        Value::Int64(self.0)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Rounds to the nearest multiple, half away from zero.
pub fn round(value: i64, unit: i64) -> i64 {
    if unit <= 0 {
        return value;
    }
    let rest = value % unit;
    let down = value - rest;
    if rest.unsigned_abs().saturating_mul(2) >= unit.unsigned_abs() {
        down.saturating_add(if value < 0 { -unit } else { unit })
    } else {
        down
    }
}

fn duration_of(value: &Value) -> Option<i64> {
    match value {
        Value::Object(object) => object.as_any().downcast_ref::<Duration>().map(|d| d.0),
        Value::Int(nanos) | Value::Int64(nanos) => Some(*nanos),
        _ => None,
    }
}

fn time_of(value: &Value) -> Option<Time> {
    match value {
        Value::Object(object) => object.as_any().downcast_ref::<Time>().cloned(),
        Value::Int(seconds) | Value::Int64(seconds) => Some(Time::at(*seconds, 0)),
        _ => None,
    }
}

fn in_zone(layout: &str, date: &Value, zone: &str) -> Answer {
    let time = time_of(date).unwrap_or_else(Time::now);
    Ok(time.in_zone(zone).format(layout).into())
}

fn modify(args: &[Value], strict: Strict) -> Answer {
    let time = time_of(arg(args, 1)).unwrap_or_else(Time::zero);
    match Duration::parse(text(args, 0)) {
        Some(duration) => Ok(time.add(duration.0).into_value()),
        None if strict == Strict::No => Ok(time.into_value()),
        None => Err(Fault::new(format!(
            "time: invalid duration {}",
            crate::quote::quote(text(args, 0))
        ))),
    }
}

const SECOND: u64 = 1_000_000_000;

fn duration_round(_: &mut Exec<'_>, args: &[Value]) -> Answer {
    let nanos = match arg(args, 0) {
        Value::Str(text) => Duration::parse(text).map_or(0, |duration| duration.0),
        Value::Int64(nanos) => *nanos,
        Value::Object(object) => match object.as_any().downcast_ref::<Time>() {
            Some(time) => Time::now().since(time),
            None => 0,
        },
        _ => 0,
    };
    let size = nanos.unsigned_abs();
    let units = [
        (SECOND * 3600 * 24 * 365, "y"),
        (SECOND * 3600 * 24 * 30, "mo"),
        (SECOND * 3600 * 24, "d"),
        (SECOND * 3600, "h"),
        (SECOND * 60, "m"),
        (SECOND, "s"),
    ];
    let text = units.iter().find(|(unit, _)| size > *unit).map_or_else(
        || "0s".to_owned(),
        |(unit, name)| format!("{}{name}", size / unit),
    );
    Ok(text.into())
}
