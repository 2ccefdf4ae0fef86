//! `.env`, in the working directory or above it.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

const NAME: &str = ".env";

/// Puts the variables of the file into the environment; those set already win. None there is fine.
///
/// # Errors
/// What is wrong with the file. Never a line of it, for that may hold a secret.
pub(super) fn load() -> Result<(), String> {
    let Some((path, shown)) = find() else {
        return Ok(());
    };
    let bytes = std::fs::read(&path).map_err(|error| format!("{shown}: {error}"))?;
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let (bytes, good) = (error.as_bytes(), error.utf8_error().valid_up_to());
            let before = bytes.get(..good).unwrap_or_default();
            let number = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            let line = before.rsplit(|byte| *byte == b'\n').next();
            let line = String::from_utf8_lossy(line.unwrap_or_default());
            let variable = variable(&line).unwrap_or("its text");
            return Err(format!(
                "{shown}: line {number}: {variable} holds bytes that are not UTF-8: save the file as UTF-8"
            ));
        }
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let text = expand_known(text, |name| std::env::var_os(name).is_some());
    let told = contradictions(&text).into_iter().map(|(name, lines)| {
        format!("{shown}: lines {lines} set {name} to different values: keep one of them")
    });
    let told: Vec<_> = told.collect();
    if !told.is_empty() {
        return Err(told.join("\n"));
    }
    match dotenvy::from_read(text.as_bytes()) {
        Ok(()) => Ok(()),
        Err(dotenvy::Error::LineParse(..)) => {
            let line = first_bad_line(&text).map_or("?".to_owned(), |line| line.to_string());
            Err(format!(
                "{shown}: line {line} is not NAME=VALUE; quote a value that holds spaces"
            ))
        }
        Err(error) => Err(format!("{shown}: {error}")),
    }
}

/// The file, and how it is named to the operator.
fn find() -> Option<(PathBuf, String)> {
    let here = std::env::current_dir().ok()?;
    let path = here
        .ancestors()
        .map(|folder| folder.join(NAME))
        .find(|path| path.is_file())?;
    let shown = match path.parent() == Some(&here) {
        true => NAME.to_owned(),
        false => path.display().to_string(),
    };
    Some((path, shown))
}

fn first_bad_line(text: &str) -> Option<usize> {
    let bad = |line: &str| dotenvy::from_read_iter(line.as_bytes()).any(|item| item.is_err());
    text.lines().position(bad).map(|index| index + 1)
}

/// The variables that have several values, and the lines with them.
fn contradictions(text: &str) -> Vec<(String, String)> {
    let mut values = HashMap::new();
    let mut names = Vec::new();
    for (name, value) in dotenvy::from_read_iter(text.as_bytes()).flatten() {
        let known = values.entry(name.clone()).or_insert_with(|| value.clone());
        if *known != value && !names.contains(&name) {
            names.push(name);
        }
    }
    let told = names.into_iter().map(|name| {
        let lines = (1..).zip(text.lines());
        let lines = lines.filter(|(_, line)| variable(line) == Some(&name) && !is_left_out(line));
        let lines: Vec<_> = lines.map(|(number, _)| number.to_string()).collect();
        (name, lines.join(" and "))
    });
    told.collect()
}

/// Whether a line sets a variable to nothing, as an example waits to be filled in.
fn is_left_out(line: &str) -> bool {
    let value = line.split_once('=').map_or(line, |(_, value)| value);
    matches!(value.trim(), "" | "''" | "\"\"") || value.trim_start().starts_with('#')
}

/// The value that a line sets, as the services read it; `None` where it can't be read.
pub fn value(line: &str) -> Option<String> {
    let line = expand_known(line, |name| std::env::var_os(name).is_some());
    let (_, value) = dotenvy::from_read_iter(line.as_bytes()).next()?.ok()?;
    Some(value)
}

/// The variable that a line sets.
pub fn variable(line: &str) -> Option<&str> {
    let (name, _) = line.split_once('=')?;
    let name = name.trim();
    Some(name.strip_prefix("export ").map_or(name, str::trim))
}

/// The text without the variables that are left out, and with a `$` that begins no known variable's name made to stand for itself: dotenvy would
/// have it vanish, with what looks like a name behind it, out of a notice or a password.
fn expand_known(text: &str, is_set: impl Fn(&str) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut defined: HashSet<&str> = HashSet::new();
    // Quotes may go on in the next line.
    let mut quote = None;
    for line in text.split_inclusive('\n') {
        let begins_here = quote.is_none();
        let mut rest = line;
        if begins_here && line.trim_start().starts_with('#') {
            rest = "";
            out.push_str(line);
        } else if begins_here && variable(line).is_some() && is_left_out(line) {
            rest = "";
            out.push('\n');
        }
        let mut before = ' ';
        while let Some(c) = rest.chars().next() {
            let mut taken = c.len_utf8();
            match (c, quote) {
                ('\'' | '"', None) => quote = Some(c),
                ('\'' | '"', Some(open)) if open == c => quote = None,
                ('\\', None | Some('"')) => {
                    taken += rest[taken..].chars().next().map_or(0, char::len_utf8);
                }
                ('#', None) if before.is_whitespace() => taken = rest.len(),
                ('$', None | Some('"')) => {
                    let (name, length) = name(&rest[1..]);
                    if !name.is_empty() && (is_set(name) || defined.contains(name)) {
                        // In braces, for dotenvy ends a bare name at an underscore.
                        out.push_str(&format!("${{{name}}}"));
                        rest = &rest[1 + length..];
                        before = '}';
                        continue;
                    }
                    out.push('\\');
                }
                _ => {}
            }
            out.push_str(&rest[..taken]);
            rest = &rest[taken..];
            before = c;
        }
        if begins_here {
            defined.extend(variable(line));
        }
    }
    out
}

/// The name behind a `$`, and how much of the text it takes up.
fn name(text: &str) -> (&str, usize) {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if let Some((name, _)) = text.strip_prefix('{').and_then(|text| text.split_once('}')) {
        return (name, name.len() + 2);
    }
    let length = text.find(|c| !is_part(c)).unwrap_or(text.len());
    (&text[..length], length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let text = expand_known(text, |name| name == "PATH");
        dotenvy::from_read_iter(text.as_bytes())
            .map(|item| item.unwrap().1)
            .collect()
    }

    #[test]
    fn a_dollar_that_names_nothing_known_stands_for_itself() {
        let path = std::env::var("PATH").unwrap();
        let bin = format!("{path}/bin");
        for (text, wanted) in [
            ("A=it\\ costs\\ $5", "it costs $5"),
            ("A=\"press 1, it costs $5\"", "press 1, it costs $5"),
            ("A=\"$5 or ${NOWHERE} $$ $\"", "$5 or ${NOWHERE} $$ $"),
            ("A='$5 $PATH' # it's $5", "$5 $PATH"),
            ("A=amqp://u:pa$word@h # don't", "amqp://u:pa$word@h"),
            ("A=\\$PATH", "$PATH"),
            ("A=$PATH/bin", bin.as_str()),
            ("A=\"${PATH}/bin\"", bin.as_str()),
            ("A=x#$5", "x#$5"),
        ] {
            assert_eq!(read(text), [wanted], "{text}");
        }
    }

    #[test]
    fn what_is_left_out_doesnt_stand_in_the_way_of_what_follows() {
        let text = "A=\nB=\"\" \nC= # to be filled in\nA=1\nB=2\nC=3\nA=1\nD='\nA=\n'\n";
        assert_eq!(read(text), ["1", "2", "3", "1", "\nA=\n"]);
        assert_eq!(contradictions(&expand_known(text, |_| false)), []);
    }

    #[test]
    fn different_values_are_named_with_their_lines() {
        let text = "A=\nA=1\nB=1\n\nA=2\nC=1\nB=2\nC=1\nA=3\n";
        let found = contradictions(&expand_known(text, |_| false));
        let wanted = [("A", "2 and 5 and 9"), ("B", "3 and 7")];
        let wanted = wanted.map(|(name, lines)| (name.to_owned(), lines.to_owned()));
        assert_eq!(found, wanted);
    }

    #[test]
    fn a_variable_of_the_lines_above_is_known() {
        let text = "# it's $5\nexport A_HOST=example.com\nB=https://$A_HOST\nC='\n$5'\nD=$B/$D\n";
        let wanted = [
            "example.com",
            "https://example.com",
            "\n$5",
            "https://example.com/$D",
        ];
        assert_eq!(read(text), wanted);
    }
}
