//! What a plain scalar means.
//!
//! The rules are those of `sigs.k8s.io/yaml` (its `goyaml.v2/resolve.go`), with
//! which kubectl and the Kubernetes API machinery read manifests, not those of
//! YAML 1.2: `yes`, `on` and also the single letters `y` and `n` are booleans
//! there, `0644` is octal, `_` may separate digits, and base 60 is a string.

/// What a scalar resolves to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    /// `null`, `~` or nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer of any size.
    Int,
    /// A number with a fraction or an exponent.
    Float,
    /// Anything else.
    Str,
    /// `.nan` and `.inf`, which JSON, and so Kubernetes, cannot carry.
    NotJson,
}

/// Resolves a plain, untagged scalar.
pub fn resolve(text: &str) -> Scalar {
    let Some(first) = text.bytes().next() else { return Scalar::Null };
    match first {
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => word(text),
        b'.' => match text {
            ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" => Scalar::NotJson,
            _ if is_decimal(text) && is_finite(text) => Scalar::Float,
            _ => Scalar::Str,
        },
        b'0'..=b'9' | b'+' | b'-' => number(text),
        _ => Scalar::Str,
    }
}

fn word(text: &str) -> Scalar {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Scalar::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Scalar::Bool(false)
        }
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        _ => Scalar::Str,
    }
}

fn number(text: &str) -> Scalar {
    if matches!(text, "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf" | "-.INF") {
        return Scalar::NotJson;
    }
    // Most texts that start with a digit are versions, dates or durations.
    let numeric = |b: u8| {
        b.is_ascii_hexdigit() || matches!(b, b'.' | b'+' | b'-' | b'_' | b'x' | b'X' | b'o' | b'O')
    };
    if !text.bytes().all(numeric) {
        return Scalar::Str;
    }
    let plain = without_underscores(text);
    if is_integer(&plain) {
        Scalar::Int
    } else if is_decimal(&plain) && is_finite(&plain) {
        Scalar::Float
    } else {
        Scalar::Str
    }
}

fn without_underscores(text: &str) -> std::borrow::Cow<'_, str> {
    match text.contains('_') {
        true => text.replace('_', "").into(),
        false => text.into(),
    }
}

/// The base and the digits of what `strconv.ParseInt(text, 0, 64)` takes.
fn digits(text: &str) -> (bool, u32, &str) {
    let (negative, rest) = match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..).unwrap_or_default()),
        Some(b'+') => (false, text.get(1..).unwrap_or_default()),
        _ => (false, text),
    };
    let prefixed = |lower: &str, upper: &str| rest.strip_prefix(lower).or(rest.strip_prefix(upper));
    if let Some(hex) = prefixed("0x", "0X") {
        (negative, 16, hex)
    } else if let Some(octal) = prefixed("0o", "0O") {
        (negative, 8, octal)
    } else if let Some(binary) = prefixed("0b", "0B") {
        (negative, 2, binary)
    } else if rest.len() > 1 && rest.starts_with('0') {
        (negative, 8, rest.get(1..).unwrap_or_default())
    } else {
        (negative, 10, rest)
    }
}

fn is_integer(text: &str) -> bool {
    let (_, radix, digits) = digits(text);
    !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix))
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_decimal(text: &str) -> bool {
    let rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (rest, None),
    };
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let mantissa_ok = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && all_digits(fraction),
        Some((whole, fraction)) => all_digits(whole) && all_digits(fraction),
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    mantissa_ok
        && exponent.is_none_or(|exponent| {
            let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
            !digits.is_empty() && all_digits(digits)
        })
}

/// Go's parser refuses what overflows, and the text is then a string.
fn is_finite(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(f64::is_finite)
}

/// The value of an integer or float as the JSON that Kubernetes keeps it in.
pub fn value(text: &str) -> Option<f64> {
    let plain = without_underscores(text);
    if !is_integer(&plain) {
        return plain.parse().ok().filter(|value: &f64| value.is_finite());
    }
    let (negative, radix, digits) = digits(&plain);
    let magnitude = u128::from_str_radix(digits, radix).ok()? as f64;
    Some(if negative { -magnitude } else { magnitude })
}

/// A number as a Go template prints it (`%v` of a `float64`), which is how Helm
/// sees a number among the values of a HelmRelease: they travel as JSON.
pub fn as_helm_prints(text: &str) -> Option<String> {
    let value = value(text)?;
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e')?;
    let exponent: i32 = exponent.parse().ok()?;
    if (-4..6).contains(&exponent) {
        return Some(format!("{value}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    Some(format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs()))
}

/// An integer key as `strconv.Itoa` writes it, since the keys of JSON are text.
pub fn integer_key(text: &str) -> String {
    let plain = without_underscores(text);
    let (negative, radix, digits) = digits(&plain);
    match u128::from_str_radix(digits, radix) {
        Ok(0) => "0".into(),
        Ok(magnitude) => format!("{}{magnitude}", if negative { "-" } else { "" }),
        Err(_) => plain.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of `goyaml.v2/resolve.go`, case by case.
    #[test]
    fn resolves_as_kubernetes_does() {
        let (int, float, string) = (Scalar::Int, Scalar::Float, Scalar::Str);
        for (text, wanted) in [
            ("", Scalar::Null),
            ("~", Scalar::Null),
            ("Null", Scalar::Null),
            ("nULL", string),
            ("y", Scalar::Bool(true)),
            ("N", Scalar::Bool(false)),
            ("yes", Scalar::Bool(true)),
            ("On", Scalar::Bool(true)),
            ("OFF", Scalar::Bool(false)),
            ("oN", string),
            ("true", Scalar::Bool(true)),
            ("0", int),
            ("-0", int),
            ("+12", int),
            ("0644", int),
            ("0o17", int),
            ("0x1F", int),
            ("-0x1f", int),
            ("0b101", int),
            ("1_000", int),
            ("18446744073709551616", int),
            ("08", float),
            ("1.", float),
            ("1.10", float),
            (".5", float),
            ("-.5", float),
            ("1e3", float),
            ("1E-3", float),
            ("6.5.0", string),
            ("1.2.3-rc.1", string),
            ("12:30:45", string),
            ("2001-12-14", string),
            ("1e999", string),
            ("0x", string),
            ("0b2", string),
            ("_1", string),
            ("10m", string),
            ("-", string),
            ("+", string),
            (".", string),
            ("-a", string),
            (".nan", Scalar::NotJson),
            ("-.Inf", Scalar::NotJson),
            ("infinity", string),
            ("1e", string),
        ] {
            assert_eq!(resolve(text), wanted, "{text:?}");
        }
    }

    /// Recorded with `fmt.Println(float64(…))` of Go 1.26.
    #[test]
    fn numbers_print_as_in_go() {
        for (text, wanted) in [
            ("1.10", "1.1"),
            ("7", "7"),
            ("0", "0"),
            ("123456", "123456"),
            ("1000000", "1e+06"),
            ("20240101", "2.0240101e+07"),
            ("123456789012", "1.23456789012e+11"),
            ("1e21", "1e+21"),
            ("0.00001", "1e-05"),
            ("0.5", "0.5"),
            ("-3", "-3"),
            ("123456.789", "123456.789"),
            ("1234567.5", "1.2345675e+06"),
            ("0644", "420"),
            ("1_000", "1000"),
        ] {
            assert_eq!(as_helm_prints(text).as_deref(), Some(wanted), "{text}");
        }
    }

    #[test]
    fn integer_keys_are_decimal() {
        assert_eq!(integer_key("0x1F"), "31");
        assert_eq!(integer_key("-010"), "-8");
        assert_eq!(integer_key("-0"), "0");
        assert_eq!(integer_key("80"), "80");
    }
}
