//! One line of a script, taken apart.

/// A command with the effects that it must have.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) number: usize,
    pub(super) text: String,
    pub(super) expected: Vec<String>,
    plain: Vec<String>,
    named: Vec<(String, String)>,
}

impl Line {
    /// All lines of a script. What follows `->`, on the line or on lines of its own, belongs to
    /// the command before; `#` begins a remark.
    pub(super) fn all(script: &str) -> Vec<Line> {
        let mut lines: Vec<Line> = Vec::new();
        for (at, raw) in script.lines().enumerate() {
            let text = raw.split('#').next().unwrap_or_default().trim();
            if text.is_empty() {
                continue;
            }
            let mut parts = text.split("->");
            let command = parts.next().unwrap_or_default().trim();
            if !command.is_empty() {
                lines.push(Line::command(at + 1, command));
            }
            let line = lines.last_mut().expect("a script begins with a command");
            line.expected
                .extend(parts.map(|part| part.trim().to_owned()));
        }
        lines
    }

    fn command(number: usize, text: &str) -> Line {
        let (mut plain, mut named) = (Vec::new(), Vec::new());
        for word in text.split_whitespace() {
            match word.split_once('=') {
                Some((name, value)) => named.push((name.to_owned(), value.to_owned())),
                None => plain.push(word.to_owned()),
            }
        }
        Line {
            number,
            text: text.to_owned(),
            expected: Vec::new(),
            plain,
            named,
        }
    }

    pub(super) fn verb(&self) -> &str {
        self.word(0)
    }

    /// A word without `=`, the verb being word 0.
    pub(super) fn word(&self, at: usize) -> &str {
        self.plain
            .get(at)
            .unwrap_or_else(|| panic!("line {}: {}: word {at} is missing", self.number, self.text))
    }

    pub(super) fn has_word(&self, word: &str) -> bool {
        self.plain.iter().any(|other| other == word)
    }

    pub(super) fn words_from(&self, at: usize) -> &[String] {
        self.plain.get(at..).unwrap_or_default()
    }

    /// The value behind `name=`.
    pub(super) fn named(&self, name: &str) -> Option<&str> {
        self.named
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn named_or<'a>(&'a self, name: &str, otherwise: &'a str) -> &'a str {
        self.named(name).unwrap_or(otherwise)
    }

    /// All pairs of the line.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.named
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(super) fn number_or(&self, name: &str, otherwise: u64) -> u64 {
        self.named(name).map_or(otherwise, number)
    }
}

pub(super) fn number(text: &str) -> u64 {
    text.parse()
        .unwrap_or_else(|_| panic!("{text} is no number"))
}

/// A duration in ms: a number with `ms`, `s`, `m`, `h` or `d` behind it, perhaps `-` before it.
pub(super) fn duration_ms(text: &str) -> i64 {
    let unit_at = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (count, unit) = text.split_at(unit_at);
    let count: i64 = count
        .parse()
        .unwrap_or_else(|_| panic!("{text} is no duration"));
    count
        * match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => panic!("{text} has no unit"),
        }
}

/// A body: `x`, or `x*3000` for 3000 times x.
pub(super) fn body(text: &str) -> Vec<u8> {
    match text.split_once('*') {
        Some((one, times)) => one.repeat(number(times) as usize).into_bytes(),
        None => text.as_bytes().to_vec(),
    }
}
