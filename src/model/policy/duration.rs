//! Durations as Go and Kubernetes write them: `720h`, `1h30m`, `90s`.

use jiff::SignedDuration;

/// Reads a duration of hours, minutes and seconds; `None` for anything else,
/// such as days, which are not always as long.
pub fn parse(text: &str) -> Option<SignedDuration> {
    let mut total = SignedDuration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let (digits, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let count: i64 = digits.parse().ok()?;
        let unit = after.chars().next()?;
        let seconds = match unit {
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        let part = SignedDuration::from_secs(count.checked_mul(seconds)?);
        total = total.checked_add(part)?;
        rest = after.get(1..)?;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn hours_minutes_and_seconds() {
        for (text, seconds) in
            [("720h", 2_592_000), ("1h30m", 5400), ("90s", 90), ("0s", 0), ("1h2m3s", 3723)]
        {
            assert_eq!(parse(text), Some(SignedDuration::from_secs(seconds)), "{text}");
        }
        let long = "9".repeat(30) + "h";
        for bad in ["", "h", "1", "1d", "1.5h", "-1h", "1h ", "1ms", "9223372036854775807h", &long]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
