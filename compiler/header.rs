//! The comments that are put in front: one block before each source, one before the whole list.

use std::fmt::Write;

use crate::configuration::{Configuration, Source};

/// Who compiled, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Name and version of the compiler, such as `bloqr-backend v1.2.3`.
    pub compiler: String,
    /// When the list was compiled, in milliseconds since 1970-01-01 00:00 UTC.
    pub last_modified_ms: u64,
}

/// The header of a list. No transformation ever sees it.
pub(crate) fn list_header(configuration: &Configuration, stamp: &Stamp) -> Vec<String> {
    let mut header = vec!["!".to_owned(), format!("! Title: {}", configuration.name)];
    let fields = [
        ("Description", &configuration.description),
        ("Version", &configuration.version),
        ("Homepage", &configuration.homepage),
        ("License", &configuration.license),
    ];
    for (name, text) in fields {
        if let Some(text) = text.as_deref().filter(|text| !text.is_empty()) {
            header.push(format!("! {name}: {text}"));
        }
    }
    header.push(format!("! Last modified: {}", iso_time(stamp.last_modified_ms)));
    header.push("!".to_owned());
    header.push(format!("! Compiled by {}", stamp.compiler));
    header.push("!".to_owned());
    header
}

/// The header of a source, which is part of the list like any other lines.
pub(crate) fn source_header(source: &Source) -> Vec<String> {
    let mut header = vec!["!".to_owned()];
    header.extend(source.name.as_ref().map(|name| format!("! Source name: {name}")));
    header.push(format!("! Source: {}", source.source));
    header.push("!".to_owned());
    header
}

/// `YYYY-MM-DDTHH:MM:SS.mmmZ`; beyond the year 9999 the year gets a sign and six digits, as in JavaScript.
fn iso_time(unix_ms: u64) -> String {
    const DAY_MS: u64 = 86_400_000;
    let (mut day, time_ms) = (unix_ms / DAY_MS, unix_ms % DAY_MS);
    // Counted from 0000-03-01, so that the leap day is the last of its year: 719,468 days before 1970.
    day += 719_468;
    // The calendar repeats every 400 years of 146,097 days.
    let (cycle, day) = (day / 146_097, day % 146_097);
    let year_of_cycle = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    // Five months from March on have 153 days, and so have the next five.
    let month_from_march = (5 * day + 2) / 153;
    let day = day - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = 400 * cycle + year_of_cycle + u64::from(month <= 2);
    let mut text = if year > 9_999 { format!("+{year:06}") } else { format!("{year:04}") };
    let (hour, minute, second) = (time_ms / 3_600_000, time_ms / 60_000 % 60, time_ms / 1_000 % 60);
    // Writing to a string cannot fail.
    let _ = write!(text, "-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", time_ms % 1_000);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_javascript_does() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z"),
            (1_709_251_199_007, "2024-02-29T23:59:59.007Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (1_795_316_400_123, "2026-11-22T03:00:00.123Z"),
            (253_402_300_800_000, "+010000-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(iso_time(ms), text);
        }
    }
}
