//! `.env`: our lines set, all others left as they are.

use std::io;
use std::path::{Path, PathBuf};

use crate::diff;
use crate::error::Error;
use crate::files::write_atomically;

/// A file of `NAME=VALUE` lines.
#[derive(Debug, Clone)]
pub(crate) struct Dotenv {
    path: PathBuf,
    text: String,
}

/// A line that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LineChange {
    pub(crate) name: &'static str,
    pub(crate) old: Option<String>,
    pub(crate) new: String,
}

impl std::fmt::Display for LineChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A number has no place on a screen that is shared.
        if self.name == "FORWARD_TO_NUMBER" {
            return write!(f, "{}=…", self.name);
        }
        match &self.old {
            None => write!(f, "{}={}", self.name, self.new),
            Some(old) => f.write_str(&diff::field(self.name, old, &self.new)),
        }
    }
}

impl Dotenv {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file; one that doesn't exist is empty.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(Error::Read {
                    path: path.to_owned(),
                    error,
                });
            }
        };
        Ok(Self {
            path: path.to_owned(),
            text,
        })
    }

    /// The value of a variable; `None` where it is not set or empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.text
            .lines()
            .find_map(|line| value(line, name))
            .filter(|value| !value.is_empty())
    }

    /// What setting these values would change.
    pub(crate) fn changes(&self, values: &[(&'static str, String)]) -> Vec<LineChange> {
        values
            .iter()
            .filter(|(name, new)| self.get(name) != Some(new))
            .map(|(name, new)| LineChange {
                name,
                old: self.get(name).map(str::to_owned),
                new: new.clone(),
            })
            .collect()
    }

    /// Sets them, in place where there is a line already, and writes the file.
    pub(crate) fn set(&mut self, values: &[(&'static str, String)]) -> Result<(), Error> {
        let changes = self.changes(values);
        if changes.is_empty() {
            return Ok(());
        }
        let newline = if self.text.contains("\r\n") {
            "\r\n"
        } else {
            "\n"
        };
        for change in changes {
            let line = format!("{}={}", change.name, quoted(&change.new));
            let mut found = false;
            let mut text = String::with_capacity(self.text.len() + line.len());
            for existing in self.text.split_inclusive('\n') {
                let content = existing.trim_end_matches(['\r', '\n']);
                if value(content, change.name).is_none() {
                    text.push_str(existing);
                    continue;
                }
                let export = content.trim_start().starts_with("export ");
                found = true;
                text.push_str(if export { "export " } else { "" });
                text.push_str(&line);
                text.push_str(&existing[content.len()..]);
            }
            if !found {
                if !text.is_empty() && !text.ends_with('\n') {
                    text.push_str(newline);
                }
                text.push_str(&line);
                text.push_str(newline);
            }
            self.text = text;
        }
        write_atomically(&self.path, &self.text).map_err(|error| Error::Write {
            path: self.path.clone(),
            error,
        })
    }
}

/// The value of a line that sets `name`.
fn value<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let line = line.trim();
    let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
    let value = line
        .strip_prefix(name)?
        .trim_start()
        .strip_prefix('=')?
        .trim();
    let quoted = ['"', '\'']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    Some(match quoted {
        Some(inner) => inner,
        None => value.split(" #").next().unwrap_or(value).trim_end(),
    })
}

/// As a shell and compose read it, too: `#`, `$` and spaces need quotes.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "+-._:/@%[]".contains(c);
    match value.chars().all(plain) {
        true => value.to_owned(),
        false => format!("'{value}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(before: &str, values: &[(&'static str, String)]) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".env");
        std::fs::write(&path, before).unwrap();
        Dotenv::read(&path).unwrap().set(values).unwrap();
        std::fs::read_to_string(&path).unwrap()
    }

    fn values() -> Vec<(&'static str, String)> {
        vec![
            ("PUBLIC_URL", "https://overflow.example.com".into()),
            ("TWILIO_ACCOUNT_SID", "AC1".into()),
        ]
    }

    #[test]
    fn our_lines_are_set_where_they_stand_and_others_left_alone() {
        let before = "# mine\nTWILIO_AUTH_TOKEN=hush # secret\n\nexport PUBLIC_URL = 'old'\n#PUBLIC_URL=x\nPUBLIC_URL_OTHER=1\nLAST=a=b";
        assert_eq!(
            merged(before, &values()),
            "# mine\nTWILIO_AUTH_TOKEN=hush # secret\n\nexport PUBLIC_URL=https://overflow.example.com\n#PUBLIC_URL=x\nPUBLIC_URL_OTHER=1\nLAST=a=b\nTWILIO_ACCOUNT_SID=AC1\n"
        );
    }

    #[test]
    fn windows_line_ends_are_kept() {
        assert_eq!(
            merged("A=1\r\nPUBLIC_URL=old\r\n", &values()),
            "A=1\r\nPUBLIC_URL=https://overflow.example.com\r\nTWILIO_ACCOUNT_SID=AC1\r\n"
        );
    }

    #[test]
    fn values_that_are_right_already_are_no_change() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".env");
        let text = "PUBLIC_URL=\"https://overflow.example.com\"\nTWILIO_ACCOUNT_SID=AC1 # ours\n";
        std::fs::write(&path, text).unwrap();
        let mut dotenv = Dotenv::read(&path).unwrap();
        assert_eq!(dotenv.changes(&values()), []);
        dotenv.set(&values()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }

    #[cfg(unix)]
    #[test]
    fn a_new_file_is_for_its_owner_only_and_an_old_one_keeps_its_mode() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".env");
        let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        Dotenv::read(&path).unwrap().set(&values()).unwrap();
        assert_eq!(mode(), 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let other = [("PUBLIC_URL", "https://other.example.com".to_owned())];
        Dotenv::read(&path).unwrap().set(&other).unwrap();
        assert_eq!(mode(), 0o640);
    }
}
