//! Foreign text for people: names, annotations and messages that anybody may
//! have written, made safe to stand in a line of a terminal or a CI log.

/// How many characters of a foreign text are shown.
const MAX_SHOWN: usize = 1000;

/// `text` in one line without anything that moves a cursor, starts a command in
/// a CI log or changes how the text around it is read; cut when it is long.
pub fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(MAX_SHOWN));
    for (count, c) in text.chars().enumerate() {
        if count == MAX_SHOWN {
            out.push('…');
            break;
        }
        match is_hidden(c) {
            true => out.extend(c.escape_unicode()),
            false => out.push(c),
        }
    }
    out
}

/// Characters that are not seen but act: controls, line and paragraph
/// separators, and those that turn the direction of text or join it.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts_on_a_terminal_or_a_log() {
        assert_eq!(shown("main@sha1:00 ünïcode"), "main@sha1:00 ünïcode");
        let hostile = "a\u{1b}[2K\r\n::error::x\u{202e}y\u{2028}";
        let safe = shown(hostile);
        assert!(!safe.chars().any(is_hidden), "{safe}");
        assert!(safe.starts_with("a\\u{1b}[2K\\u{d}\\u{a}::error::x"), "{safe}");
        assert_eq!(shown(&"x".repeat(5000)).chars().count(), MAX_SHOWN + 1);
    }
}
