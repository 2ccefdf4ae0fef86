//! Secrets: from a variable, or from the file that another variable names.

use std::path::PathBuf;

use secrecy::SecretString;

use super::Problems;

impl Problems {
    /// Reads a secret from its variable or, under the variable's name with `_FILE`, from a file. So
    /// with a key of a file of plans.
    pub fn secret(
        &mut self,
        variable: &str,
        value: Option<String>,
        file: Option<PathBuf>,
        example: &str,
    ) -> Option<SecretString> {
        let value = value.filter(|value| !value.trim().is_empty());
        let file = file.filter(|file| !file.as_os_str().is_empty());
        let text = match (value, file) {
            (Some(_), Some(_)) => {
                self.add(
                    &of_file(variable),
                    format!("is set, and {} too: leave one out", name(variable)),
                    &file_example(variable),
                );
                return None;
            }
            (Some(value), None) => value,
            (None, Some(file)) => match std::fs::read_to_string(&file) {
                Ok(text) => text,
                Err(problem) => {
                    let path = file.display();
                    self.add(
                        &of_file(variable),
                        format!("cannot read {path}: {problem}"),
                        &file_example(variable),
                    );
                    return None;
                }
            },
            (None, None) => return None,
        };
        let text = text.trim();
        if text.is_empty() {
            self.add(variable, "is empty", example);
            return None;
        }
        if let Some(oddity) = wrapping(text) {
            self.add(variable, oddity, example);
            return None;
        }
        Some(SecretString::from(text.to_owned()))
    }
}

/// What a secret is wrapped in by mistake: other programs than we take it for part of it.
fn wrapping(text: &str) -> Option<&'static str> {
    let quoted = |quote| text.starts_with(quote) && text.ends_with(quote);
    match text {
        text if text.starts_with('\u{feff}') => {
            Some("starts with a byte order mark: save its file as UTF-8 without one")
        }
        _ if quoted('"') || quoted('\'') => {
            Some("has quotes around it: leave them out (docker's --env-file keeps them)")
        }
        _ => None,
    }
}

fn of_file(variable: &str) -> String {
    let is_key = variable.ends_with(|last: char| last.is_lowercase());
    format!("{variable}{}", if is_key { "_file" } else { "_FILE" })
}

fn file_example(variable: &str) -> String {
    format!("/run/secrets/{}", name(variable).to_lowercase())
}

/// Without the place of a key in a file of plans.
fn name(variable: &str) -> &str {
    variable.rsplit_once(": ").map_or(variable, |(_, key)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_may_come_from_a_file_but_not_twice() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, "hush\n").unwrap();
        let mut problems = Problems::default();
        let secret = problems.secret("TOKEN", None, Some(file.clone()), "…");
        assert_eq!(
            secrecy::ExposeSecret::expose_secret(&secret.unwrap()),
            "hush"
        );
        problems.secret("TOKEN", Some("x".into()), Some(file), "…");
        let missing = problems.secret("TOKEN", None, Some("/nowhere".into()), "…");
        assert!(missing.is_none());
        let error = problems.finish(Some(())).unwrap_err().to_string();
        assert_eq!(error.lines().count(), 2, "{error}");
    }
}
