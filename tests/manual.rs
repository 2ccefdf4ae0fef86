//! What the command line tells shells and readers about itself: completions and man pages.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::Write;
use std::process::{Command, Output, Stdio};

use tests::binary;

fn overflow(arguments: &[&str]) -> Output {
    Command::new(binary("overflow"))
        .args(arguments)
        .env_clear()
        // What is set where the pages are made is nobody else's concern.
        .env("QUEUE_URL", "amqp://user:hush@example.com")
        .output()
        .unwrap()
}

fn said(arguments: &[&str]) -> String {
    let output = overflow(arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The subcommands that `--help` lists, and theirs.
fn subcommands(of: &[&str]) -> Vec<String> {
    let help = said(&[of, &["--help"]].concat());
    let listed = help.split("Commands:\n").nth(1).unwrap_or_default();
    let names = listed.lines().take_while(|line| line.starts_with("  "));
    let names = names.filter_map(|line| line[2..].split(' ').next());
    let mut all = Vec::new();
    for name in names.filter(|name| !name.is_empty() && *name != "help") {
        let whole = [of, &[name]].concat();
        all.push(whole.join("-"));
        all.extend(subcommands(&whole));
    }
    all
}

#[test]
fn bash_takes_the_completions_and_every_shell_is_told_all_subcommands() {
    let mut bash = Command::new("bash");
    let mut bash = bash.arg("-n").stdin(Stdio::piped()).spawn().unwrap();
    let script = said(&["completions", "bash"]);
    bash.stdin
        .take()
        .unwrap()
        .write_all(script.as_bytes())
        .unwrap();
    assert!(bash.wait().unwrap().success());

    for shell in ["bash", "zsh", "fish"] {
        let script = said(&["completions", shell]);
        for name in ["dead-letters", "replay", "simulator", "public-url"] {
            assert!(script.contains(name), "{name} for {shell}");
        }
        assert!(!script.contains("hush"), "{shell}");
    }
    assert!(!overflow(&["completions", "cmd.exe"]).status.success());
}

#[test]
fn bash_completes_subcommands_and_flags() {
    let completed = |words: &str, last: usize| {
        let script = format!(
            "{}\nCOMP_WORDS=({words}); COMP_CWORD={last}; _overflow overflow \"${{COMP_WORDS[{last}]}}\" \
             \"${{COMP_WORDS[{last}-1]}}\"; echo \"${{COMPREPLY[*]}}\"",
            said(&["completions", "bash"])
        );
        let output = Command::new("bash").args(["-c", &script]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(completed("overflow dead", 1), "dead-letters\n");
    assert_eq!(completed("overflow run --public", 2), "--public-url\n");
}

#[test]
fn each_program_and_subcommand_has_a_man_page_that_names_its_variables() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    said(&["man", pages.to_str().unwrap()]);
    let page = |name: &str| {
        let text = std::fs::read_to_string(pages.join(format!("{name}.1")));
        let text = text.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!text.contains("hush"), "{name}");
        text
    };
    let names = subcommands(&[]);
    assert!(names.contains(&"dead-letters-replay".to_owned()));
    for name in &names {
        page(&format!("overflow-{name}"));
    }
    for name in ["overflow-run", "overflow-ingest", "overflow-redirector"] {
        let page = page(name);
        for variable in ["TWILIO_AUTH_TOKEN_FILE", "QUEUE_URL", "LOG_LEVEL"] {
            assert!(page.contains(variable), "{variable} in {name}");
        }
    }
    let written = std::fs::read_dir(&pages).unwrap().count();
    assert_eq!(written, names.len() + 3);

    let refused = overflow(&["man", "/proc/pages"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("/proc/pages"), "{said}");
}
