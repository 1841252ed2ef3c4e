//! `until`: when an exception ends.

use time::format_description::well_known::Rfc3339;
use time::{Date, Month, OffsetDateTime, Time};

/// The end of an exception: a date, through that day in UTC, or a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Until {
    /// As the author wrote it.
    pub text: String,
    /// Nanoseconds since 1970; from then on the exception is none.
    end_ns: i128,
}

impl Until {
    /// Reads `2027-01-31` or `2027-01-31T12:00:00Z`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let end = match date(text) {
            Some(date) => date.next_day()?.with_time(Time::MIDNIGHT).assume_utc(),
            None => OffsetDateTime::parse(text, &Rfc3339).ok()?,
        };
        Some(Until {
            text: text.to_owned(),
            end_ns: end.unix_timestamp_nanos(),
        })
    }

    /// Whether the exception has ended at this time, in nanoseconds since 1970.
    pub fn is_over(&self, now_ns: i64) -> bool {
        i128::from(now_ns) >= self.end_ns
    }
}

fn date(text: &str) -> Option<Date> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = |part: &str, wanted: usize| part.len() == wanted && part.bytes().all(|b| b.is_ascii_digit());
    if parts.next().is_some() || !digits(year, 4) || !digits(month, 2) || !digits(day, 2) {
        return None;
    }
    let month = Month::try_from(month.parse::<u8>().ok()?).ok()?;
    Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ns(text: &str) -> i64 {
        let at = OffsetDateTime::parse(text, &Rfc3339).unwrap();
        i64::try_from(at.unix_timestamp_nanos()).unwrap()
    }

    #[test]
    fn a_date_lasts_through_its_day_in_utc() {
        let until = Until::parse("2027-02-28").unwrap();
        assert!(!until.is_over(ns("2027-02-28T23:59:59.999999999Z")));
        assert!(until.is_over(ns("2027-03-01T00:00:00Z")));
    }

    #[test]
    fn a_moment_is_exact_in_any_zone() {
        let until = Until::parse("2027-01-31T12:00:00+02:00").unwrap();
        assert!(!until.is_over(ns("2027-01-31T09:59:59Z")));
        assert!(until.is_over(ns("2027-01-31T10:00:00Z")));
    }

    #[test]
    fn anything_else_is_no_end() {
        for text in [
            "",
            "tomorrow",
            "2027-2-3",
            "2027-02-30",
            "27-02-03",
            "2027-01-31T12:00:00",
            "2027-01-31 12:00",
            "+027-01-01",
        ] {
            assert_eq!(Until::parse(text), None, "{text}");
        }
    }
}
