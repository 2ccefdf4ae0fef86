//! The plans in the documentation can be used as they stand.

#![allow(clippy::unwrap_used)]

use service::Plans;
use twilio::PublicUrl;

const DOCUMENT: &str = include_str!("../../docs/plans.md");

#[test]
fn every_plan_of_the_documentation_can_be_used() {
    let public_url: PublicUrl = "https://overflow.example.com".parse().unwrap();
    let blocks: Vec<_> = DOCUMENT.split("```toml\n").skip(1).collect();
    assert!(blocks.len() >= 6);
    for block in blocks {
        let block = block.split("```").next().unwrap();
        let head = "[[plan]]\nname = \"recipe\"\ntime_zone = \"Europe/Berlin\"\nholidays = \"DE\"\n\
                    task_queue_sid = \"WQ0123456789abcdef0123456789abcdef\"\n";
        let text = match block.contains("[[plan]]") {
            true => block.to_owned(),
            false => format!("{head}{block}"),
        };
        Plans::read(&text, Some(&public_url)).unwrap_or_else(|wrong| panic!("{wrong}\n{text}"));
    }
}
