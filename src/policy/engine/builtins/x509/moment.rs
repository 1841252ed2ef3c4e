//! When a certificate begins and ends to hold.

use time::{Date, Month, PrimitiveDateTime, Time, UtcOffset};

use super::der::{Der, GENERALIZED_TIME, UTC_TIME};

/// A moment as it was written.
pub(super) struct Moment {
    time: PrimitiveDateTime,
    /// Seconds ahead of UTC.
    offset: i32,
}

impl Moment {
    pub(super) fn read(der: &mut Der<'_>) -> Option<Self> {
        let is_short = der.is_next(UTC_TIME);
        let content = der.take(if is_short { UTC_TIME } else { GENERALIZED_TIME })?;
        let (digits, zone) = split(std::str::from_utf8(content.0).ok()?)?;
        let mut pairs = digits.as_bytes().chunks(2).map(|pair| {
            pair.iter()
                .fold(0u8, |number, digit| number * 10 + digit.wrapping_sub(b'0'))
        });
        let mut next = || pairs.next();
        let year = match is_short {
            true => century(next()?),
            false => i32::from(next()?) * 100 + i32::from(next()?),
        };
        let date = Date::from_calendar_date(year, Month::try_from(next()?).ok()?, next()?).ok()?;
        let (hour, minute) = (next()?, next()?);
        // Only the short form may be without seconds.
        let second = match digits.len() {
            10 if is_short => 0,
            12 if is_short => next()?,
            14 if !is_short => next()?,
            _ => return None,
        };
        let time = Time::from_hms(hour, minute, second).ok()?;
        Some(Self {
            time: PrimitiveDateTime::new(date, time),
            offset: offset(zone)?,
        })
    }

    /// Nanoseconds since 1970.
    pub(super) fn nanoseconds(&self) -> i128 {
        let utc = self.time.assume_utc().unix_timestamp_nanos();
        utc - i128::from(self.offset) * 1_000_000_000
    }

    /// In RFC 3339, in the zone in which it was written.
    pub(super) fn text(&self) -> String {
        let (date, time) = (self.time.date(), self.time.time());
        let month = u8::from(date.month());
        let zone = match self.offset / 60 {
            0 => "Z".to_owned(),
            minutes => {
                let sign = if minutes < 0 { '-' } else { '+' };
                let minutes = minutes.abs();
                format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
        };
        format!(
            "{:04}-{month:02}-{:02}T{:02}:{:02}:{:02}{zone}",
            date.year(),
            date.day(),
            time.hour(),
            time.minute(),
            time.second()
        )
    }
}

/// The digits, and the zone behind them.
fn split(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    text.split_at_checked(end)
}

fn century(year: u8) -> i32 {
    i32::from(year) + if year < 50 { 2000 } else { 1900 }
}

/// Seconds ahead of UTC: `Z`, or hours and minutes that are not zero.
fn offset(zone: &str) -> Option<i32> {
    if zone == "Z" {
        return Some(0);
    }
    let (sign, digits) = match zone.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let is_four = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: i8 = is_four.then(|| digits.get(..2)?.parse().ok())??;
    let minutes: i8 = digits.get(2..)?.parse().ok()?;
    (number < 24 && minutes < 60).then_some(())?;
    let offset = UtcOffset::from_hms(sign * number, sign * minutes, 0).ok()?;
    (offset != UtcOffset::UTC).then_some(offset.whole_seconds())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_the_same_in_every_zone() {
        for (text, seconds) in [
            ("200102030405Z", 1_577_934_245),
            ("200102030405+0130", 1_577_934_245 - 5400),
            ("200102030405-0130", 1_577_934_245 + 5400),
        ] {
            let length = u8::try_from(text.len()).unwrap();
            let der = [&[UTC_TIME, length], text.as_bytes()].concat();
            let moment = Moment::read(&mut Der(&der)).unwrap();
            assert_eq!(moment.nanoseconds(), seconds * 1_000_000_000, "{text}");
        }
    }
}
