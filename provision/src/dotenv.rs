//! `.env`: our lines set, all others left as they are.

use std::path::{Path, PathBuf};

use service::settings::dotenv::{value, variable};

use crate::callback::shown;
use crate::diff;
use crate::error::Result;
use crate::files;

/// A file of `NAME=VALUE` lines.
#[derive(Debug, Clone)]
pub(crate) struct Dotenv {
    path: PathBuf,
    text: String,
}

/// A variable and the value that it is to have.
pub(crate) type Setting = (&'static str, String);

impl Dotenv {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file; one that doesn't exist is empty.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            text: files::read(path)?.unwrap_or_default(),
        })
    }

    /// The value of a variable; `None` where it is not set or empty.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let lines = self.text.lines();
        let mut values = lines
            .filter(|line| variable(line) == Some(name))
            .filter_map(value);
        values.find(|value| !value.is_empty())
    }

    /// What setting these values would change, as it is shown.
    pub(crate) fn changes(&self, settings: &[Setting]) -> Vec<String> {
        let change = |(name, new): &Setting| match self.get(name) {
            Some(old) if old == *new => None,
            // A number has no place on a screen that is shared.
            _ if *name == "FORWARD_TO_NUMBER" => Some(format!("{name}=…")),
            Some(old) => Some(diff::field(
                name,
                &as_shown(name, &old),
                &as_shown(name, new),
            )),
            None => Some(format!("{name}={}", as_shown(name, new))),
        };
        settings.iter().filter_map(change).collect()
    }

    /// Sets them, in place where there is a line already, and writes the file.
    pub(crate) fn set(mut self, settings: &[Setting]) -> Result<()> {
        let newline = match self.text.contains("\r\n") {
            true => "\r\n",
            false => "\n",
        };
        for (name, new) in settings {
            if self.get(name).as_ref() == Some(new) {
                continue;
            }
            let line = format!("{name}={}", quoted(new));
            let is_set = |existing: &str| variable(existing) == Some(name);
            if !self.text.lines().any(is_set) {
                if !self.text.is_empty() && !self.text.ends_with('\n') {
                    self.text.push_str(newline);
                }
                self.text.push_str(&format!("{line}{newline}"));
                continue;
            }
            let lines = self.text.split_inclusive('\n').map(|existing| {
                let content = existing.trim_end_matches(['\r', '\n']);
                if !is_set(content) {
                    return existing.to_owned();
                }
                let export = match content.trim_start().starts_with("export ") {
                    true => "export ",
                    false => "",
                };
                format!("{export}{line}{}", &existing[content.len()..])
            });
            self.text = lines.collect();
        }
        files::write_atomically(&self.path, &self.text)
    }
}

/// A value as it is, unless it is a URL that holds a password.
fn as_shown(name: &str, value: &str) -> String {
    match name.ends_with("_URL") && value.contains('@') {
        true => shown(value),
        false => value.to_owned(),
    }
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

    fn merged(before: &str, values: &[Setting]) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".env");
        std::fs::write(&path, before).unwrap();
        Dotenv::read(&path).unwrap().set(values).unwrap();
        std::fs::read_to_string(&path).unwrap()
    }

    fn values() -> Vec<Setting> {
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
        let dotenv = Dotenv::read(&path).unwrap();
        assert!(dotenv.changes(&values()).is_empty());
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
