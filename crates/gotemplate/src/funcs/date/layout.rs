//! Go's layouts: a date written as the reference time.

use std::fmt::Write as _;

use super::{Time, days_from_civil};
use crate::quote;

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(super) const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    LongMonth,
    Month,
    NumMonth,
    ZeroMonth,
    LongWeekDay,
    WeekDay,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    UpperPm,
    LowerPm,
    ZoneName,
    /// Separator of hours and minutes, seconds too, `Z` for UTC, hours only.
    Zone {
        colon: bool,
        seconds: bool,
        z: bool,
        short: bool,
    },
    /// Digits; trailing zeroes dropped.
    Fraction {
        digits: usize,
        trim: bool,
    },
}

/// Layout elements, longer ones before those they start with.
const ELEMENTS: &[(&str, Part)] = &[
    ("January", Part::LongMonth),
    ("Jan", Part::Month),
    ("Monday", Part::LongWeekDay),
    ("Mon", Part::WeekDay),
    ("MST", Part::ZoneName),
    ("2006", Part::LongYear),
    ("002", Part::ZeroYearDay),
    ("__2", Part::UnderYearDay),
    ("01", Part::ZeroMonth),
    ("02", Part::ZeroDay),
    ("03", Part::ZeroHour12),
    ("04", Part::ZeroMinute),
    ("05", Part::ZeroSecond),
    ("06", Part::Year),
    ("15", Part::Hour),
    ("_2", Part::UnderDay),
    ("PM", Part::UpperPm),
    ("pm", Part::LowerPm),
    ("Z07:00:00", zone(true, true, true, false)),
    ("Z070000", zone(false, true, true, false)),
    ("Z07:00", zone(true, false, true, false)),
    ("Z0700", zone(false, false, true, false)),
    ("Z07", zone(false, false, true, true)),
    ("-07:00:00", zone(true, true, false, false)),
    ("-070000", zone(false, true, false, false)),
    ("-07:00", zone(true, false, false, false)),
    ("-0700", zone(false, false, false, false)),
    ("-07", zone(false, false, false, true)),
    ("1", Part::NumMonth),
    ("2", Part::Day),
    ("3", Part::Hour12),
    ("4", Part::Minute),
    ("5", Part::Second),
];

#[expect(
    clippy::fn_params_excessive_bools,
    reason = "one column each in the table above"
)]
const fn zone(colon: bool, seconds: bool, z: bool, short: bool) -> Part {
    Part::Zone {
        colon,
        seconds,
        z,
        short,
    }
}

/// Splits a layout into text before the next element, the element and the rest.
fn next(layout: &str) -> (&str, Option<(Part, &str)>, &str) {
    for (at, first) in layout.char_indices() {
        let tail = layout.get(at..).unwrap_or_default();
        let before = layout.get(..at).unwrap_or_default();
        // `_2006` is an underscore and a year.
        if tail.starts_with("_2006") {
            let (text, rest) = layout.split_at_checked(at + 1).unwrap_or((layout, ""));
            let (element, rest) = rest.split_at_checked(4).unwrap_or((rest, ""));
            return (text, Some((Part::LongYear, element)), rest);
        }
        if matches!(first, '.' | ',') {
            let digits = tail.get(1..).unwrap_or_default();
            let mark = digits.chars().next().filter(|c| matches!(c, '0' | '9'));
            if let Some(mark) = mark {
                let count = digits.chars().take_while(|c| *c == mark).count();
                let after = digits.get(count..).unwrap_or_default();
                if !after.starts_with(|c: char| c.is_ascii_digit()) {
                    let part = Part::Fraction {
                        digits: count,
                        trim: mark == '9',
                    };
                    let (element, rest) = tail.split_at_checked(count + 1).unwrap_or((tail, ""));
                    return (before, Some((part, element)), rest);
                }
            }
            continue;
        }
        let found = ELEMENTS.iter().find(|(text, part)| {
            tail.starts_with(text)
                && !(*part == Part::Month
                    && tail
                        .get(3..)
                        .is_some_and(|t| t.starts_with(|c: char| c.is_ascii_lowercase())))
        });
        if let Some((text, part)) = found {
            // `Janxyz` is no month, `Jan` and `January` are.
            let (element, rest) = tail.split_at_checked(text.len()).unwrap_or((tail, ""));
            return (before, Some((*part, element)), rest);
        }
    }
    (layout, None, "")
}

pub(super) fn format(time: &Time, layout: &str) -> String {
    let civil = time.civil();
    let mut out = String::with_capacity(layout.len() + 10);
    let mut rest = layout;
    loop {
        let (text, element, tail) = next(rest);
        out.push_str(text);
        let Some((part, element)) = element else {
            return out;
        };
        rest = tail;
        let hour12 = match civil.hour % 12 {
            0 => 12,
            hour => hour,
        };
        let name = |names: &[&'static str], index: u32| {
            names.get(index as usize).copied().unwrap_or_default()
        };
        let short = |name: &'static str| name.get(..3).unwrap_or(name);
        let written = match part {
            Part::LongMonth => write!(out, "{}", name(&MONTHS, civil.month - 1)),
            Part::Month => write!(out, "{}", short(name(&MONTHS, civil.month - 1))),
            Part::NumMonth => write!(out, "{}", civil.month),
            Part::ZeroMonth => write!(out, "{:02}", civil.month),
            Part::LongWeekDay => write!(out, "{}", name(&DAYS, civil.weekday)),
            Part::WeekDay => write!(out, "{}", short(name(&DAYS, civil.weekday))),
            Part::Day => write!(out, "{}", civil.day),
            Part::UnderDay => write!(out, "{:2}", civil.day),
            Part::ZeroDay => write!(out, "{:02}", civil.day),
            Part::UnderYearDay => write!(out, "{:3}", civil.year_day),
            Part::ZeroYearDay => write!(out, "{:03}", civil.year_day),
            Part::Hour => write!(out, "{:02}", civil.hour),
            Part::Hour12 => write!(out, "{hour12}"),
            Part::ZeroHour12 => write!(out, "{hour12:02}"),
            Part::Minute => write!(out, "{}", civil.minute),
            Part::ZeroMinute => write!(out, "{:02}", civil.minute),
            Part::Second => write!(out, "{}", civil.second),
            Part::ZeroSecond => write!(out, "{:02}", civil.second),
            Part::LongYear => write!(out, "{:04}", civil.year),
            Part::Year => write!(out, "{:02}", civil.year.rem_euclid(100)),
            Part::UpperPm => write!(out, "{}", if civil.hour >= 12 { "PM" } else { "AM" }),
            Part::LowerPm => write!(out, "{}", if civil.hour >= 12 { "pm" } else { "am" }),
            // A zone without a name is shown by its offset.
            Part::ZoneName if time.zone.is_empty() => {
                write_zone(&mut out, time.offset, false, false, false);
                Ok(())
            }
            Part::ZoneName => write!(out, "{}", time.zone),
            Part::Zone { z: true, .. } if time.offset == 0 => write!(out, "Z"),
            Part::Zone {
                colon,
                seconds,
                short,
                ..
            } => {
                write_zone(&mut out, time.offset, colon, seconds, short);
                Ok(())
            }
            Part::Fraction { digits, trim } => {
                let all = format!("{:09}", time.nanos);
                let mut shown = all.get(..digits.min(9)).unwrap_or(&all);
                if trim {
                    shown = shown.trim_end_matches('0');
                }
                if shown.is_empty() {
                    Ok(())
                } else {
                    let mark = element.chars().next().unwrap_or('.');
                    write!(out, "{mark}{shown}")
                }
            }
        };
        debug_assert!(written.is_ok());
    }
}

fn write_zone(out: &mut String, offset: i32, colon: bool, seconds: bool, short: bool) {
    let sign = if offset < 0 { '-' } else { '+' };
    let size = offset.unsigned_abs();
    let separator = if colon { ":" } else { "" };
    let _ = write!(out, "{sign}{:02}", size / 3600);
    if !short {
        let _ = write!(out, "{separator}{:02}", size / 60 % 60);
    }
    if seconds {
        let _ = write!(out, "{separator}{:02}", size % 60);
    }
}

/// What has been read so far.
struct Fields {
    year: i64,
    month: u32,
    day: u32,
    year_day: Option<u32>,
    hour: u32,
    minute: u32,
    second: u32,
    nanos: u32,
    pm: Option<bool>,
    offset: Option<i32>,
    zone: Option<String>,
}

/// Reads `text` by a layout; the error is Go's.
pub(super) fn parse(layout: &str, text: &str) -> Result<Time, String> {
    let mut fields = Fields {
        year: 0,
        month: 1,
        day: 1,
        year_day: None,
        hour: 0,
        minute: 0,
        second: 0,
        nanos: 0,
        pm: None,
        offset: None,
        zone: None,
    };
    let whole = |message: &str| format!("parsing time {}: {message}", quote::quote(text));
    let cannot = |value: &str, element: &str| {
        format!(
            "parsing time {} as {}: cannot parse {} as {}",
            quote::quote(text),
            quote::quote(layout),
            quote::quote(value),
            quote::quote(element)
        )
    };
    let (mut rest, mut value) = (layout, text);
    let mut after_second = false;
    loop {
        let (prefix, element, tail) = next(rest);
        value = skip(value, prefix).ok_or_else(|| cannot(value, prefix))?;
        let Some((part, element)) = element else {
            if !value.is_empty() {
                return Err(whole(&format!("extra text: {}", quote::quote(value))));
            }
            break;
        };
        rest = tail;
        let fraction = matches!(part, Part::Fraction { .. });
        // A fraction may follow the seconds even where the layout has none.
        if after_second && !fraction && value.starts_with(['.', ',']) {
            value = read_fraction(&mut fields, value);
        }
        let before = value;
        value = read(&mut fields, part, value).ok_or_else(|| cannot(before, element))?;
        after_second = matches!(part, Part::Second | Part::ZeroSecond);
        if after_second
            && value.starts_with(['.', ','])
            && !matches!(next(rest), ("", Some((Part::Fraction { .. }, _)), _))
        {
            value = read_fraction(&mut fields, value);
        }
    }
    finish(fields).map_err(|name| whole(&format!("{name} out of range")))
}

fn finish(mut fields: Fields) -> Result<Time, &'static str> {
    if let Some(pm) = fields.pm {
        fields.hour = fields.hour % 12 + if pm { 12 } else { 0 };
    }
    let leap = fields.year % 4 == 0 && (fields.year % 100 != 0 || fields.year % 400 == 0);
    let days = match fields.month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return Err(": month"),
    };
    if fields.day < 1 || fields.day > days {
        return Err(": day");
    }
    if fields.hour > 23 {
        return Err(": hour");
    }
    if fields.minute > 59 {
        return Err(": minute");
    }
    if fields.second > 59 {
        return Err(": second");
    }
    let days = match fields.year_day {
        Some(day) => days_from_civil(fields.year, 1, 1) + i64::from(day) - 1,
        None => days_from_civil(fields.year, fields.month, fields.day),
    };
    let offset = fields.offset.unwrap_or(0);
    let clock = fields.hour * 3600 + fields.minute * 60 + fields.second;
    Ok(Time {
        seconds: days * 86_400 + i64::from(clock) - i64::from(offset),
        nanos: fields.nanos,
        offset,
        zone: match (fields.zone, fields.offset) {
            (Some(zone), _) => zone,
            (None, Some(offset)) if offset != 0 => String::new(),
            _ => "UTC".to_owned(),
        },
    })
}

fn skip<'a>(value: &'a str, prefix: &str) -> Option<&'a str> {
    let mut value = value;
    let mut prefix = prefix;
    while let Some(first) = prefix.chars().next() {
        if first == ' ' {
            if !value.is_empty() && !value.starts_with(' ') {
                return None;
            }
            prefix = prefix.trim_start_matches(' ');
            value = value.trim_start_matches(' ');
            continue;
        }
        value = value.strip_prefix(first)?;
        prefix = prefix.get(first.len_utf8()..)?;
    }
    Some(value)
}

fn digits(value: &str, least: usize, most: usize) -> Option<(u32, &str)> {
    let count = value
        .bytes()
        .take(most)
        .take_while(u8::is_ascii_digit)
        .count();
    if count < least {
        return None;
    }
    let (head, tail) = value.split_at_checked(count)?;
    Some((head.parse().ok()?, tail))
}

fn named<'a>(value: &'a str, names: &[&str], length: Option<usize>) -> Option<(u32, &'a str)> {
    names.iter().enumerate().find_map(|(index, name)| {
        let name = name.get(..length.unwrap_or(name.len()))?;
        let head = value.get(..name.len())?;
        head.eq_ignore_ascii_case(name)
            .then(|| (index as u32, value.get(name.len()..).unwrap_or_default()))
    })
}

fn read_fraction<'a>(fields: &mut Fields, value: &'a str) -> &'a str {
    let body = value.get(1..).unwrap_or_default();
    let count = body.bytes().take_while(u8::is_ascii_digit).count();
    let mut nanos = body.get(..count.min(9)).unwrap_or_default().to_owned();
    while nanos.len() < 9 {
        nanos.push('0');
    }
    fields.nanos = nanos.parse().unwrap_or(0);
    body.get(count..).unwrap_or_default()
}

#[expect(
    clippy::too_many_lines,
    reason = "one arm for each element of a layout"
)]
fn read<'a>(fields: &mut Fields, part: Part, value: &'a str) -> Option<&'a str> {
    let tail = match part {
        Part::LongYear | Part::Year => {
            let width = if part == Part::LongYear { 4 } else { 2 };
            let (year, tail) = digits(value, width, width)?;
            fields.year = match (part, year) {
                (Part::Year, 0..=68) => i64::from(year) + 2000,
                (Part::Year, _) => i64::from(year) + 1900,
                _ => i64::from(year),
            };
            tail
        }
        Part::LongMonth | Part::Month => {
            let length = (part == Part::Month).then_some(3);
            let (month, tail) = named(value, &MONTHS, length)?;
            fields.month = month + 1;
            tail
        }
        Part::NumMonth | Part::ZeroMonth => {
            let least = if part == Part::ZeroMonth { 2 } else { 1 };
            let (month, tail) = digits(value, least, 2)?;
            fields.month = month;
            tail
        }
        Part::LongWeekDay => named(value, &DAYS, None)?.1,
        Part::WeekDay => named(value, &DAYS, Some(3))?.1,
        Part::Day | Part::UnderDay | Part::ZeroDay => {
            let value = if part == Part::UnderDay {
                value.strip_prefix(' ').unwrap_or(value)
            } else {
                value
            };
            let least = if part == Part::ZeroDay { 2 } else { 1 };
            let (day, tail) = digits(value, least, 2)?;
            fields.day = day;
            tail
        }
        Part::UnderYearDay | Part::ZeroYearDay => {
            let (day, tail) = digits(value.trim_start_matches(' '), 1, 3)?;
            fields.year_day = Some(day);
            tail
        }
        Part::Hour | Part::Hour12 | Part::ZeroHour12 => {
            let least = if part == Part::ZeroHour12 { 2 } else { 1 };
            let (hour, tail) = digits(value, least, 2)?;
            fields.hour = hour;
            tail
        }
        Part::Minute | Part::ZeroMinute => {
            let least = if part == Part::ZeroMinute { 2 } else { 1 };
            let (minute, tail) = digits(value, least, 2)?;
            fields.minute = minute;
            tail
        }
        Part::Second | Part::ZeroSecond => {
            let least = if part == Part::ZeroSecond { 2 } else { 1 };
            let (second, tail) = digits(value, least, 2)?;
            fields.second = second;
            tail
        }
        Part::UpperPm | Part::LowerPm => {
            let (index, tail) = named(value, &["AM", "PM"], None)?;
            fields.pm = Some(index == 1);
            tail
        }
        Part::ZoneName => {
            let length = value.bytes().take_while(u8::is_ascii_uppercase).count();
            let (name, tail) = value.split_at_checked(length)?;
            if !(3..=5).contains(&length) {
                return None;
            }
            fields.zone = Some(name.to_owned());
            tail
        }
        Part::Zone { z: true, .. } if value.starts_with('Z') => {
            fields.offset = Some(0);
            value.get(1..)?
        }
        Part::Zone {
            colon,
            seconds,
            short,
            ..
        } => read_offset(fields, value, colon, seconds, short)?,
        Part::Fraction { trim: true, .. } if value.starts_with(['.', ',']) => {
            read_fraction(fields, value)
        }
        Part::Fraction { trim: true, .. } => value,
        Part::Fraction { digits: count, .. } => {
            let body = value.strip_prefix(['.', ','])?;
            let (_, tail) = body.split_at_checked(count)?;
            read_fraction(fields, value.get(..=count)?);
            tail
        }
    };
    Some(tail)
}

fn read_offset<'a>(
    fields: &mut Fields,
    value: &'a str,
    colon: bool,
    seconds: bool,
    short: bool,
) -> Option<&'a str> {
    let sign = match value.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let separator = |value: &'a str| {
        if colon {
            value.strip_prefix(':')
        } else {
            Some(value)
        }
    };
    let (hours, mut tail) = digits(value.get(1..)?, 2, 2)?;
    let (mut minutes, mut rest_seconds) = (0, 0);
    if !short {
        (minutes, tail) = digits(separator(tail)?, 2, 2)?;
    }
    if seconds {
        (rest_seconds, tail) = digits(separator(tail)?, 2, 2)?;
    }
    fields.offset = Some(sign * (hours * 3600 + minutes * 60 + rest_seconds) as i32);
    Some(tail)
}
