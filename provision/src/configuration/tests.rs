use serde_json::json;

use super::extend::{CannotExtend, DEFAULT_TIMEOUT};
use super::*;
use crate::record::ReplacedConfiguration;

const OWN: &str = r#"{"task_routing":{"filters":[{"targets":[{"queue":"WQa","timeout":20,"priority":"5","expression":"1==1"},{"timeout":30,"queue":"WQb"}],"filter_friendly_name":"VIP","expression":"vip == true"},{"filter_friendly_name":"Others","expression":"1==1","targets":[{"queue":"WQb"}]}],"default_filter":{"queue":"WQb"}},"x":1}"#;

fn by(target_timeout: Option<u32>, in_place: bool) -> Extension<'static> {
    Extension {
        placeholder: "WQp",
        target_timeout,
        in_place,
        filters: &[],
    }
}

fn extended(timeout: Option<u32>, in_place: bool) -> Configuration {
    let mut configuration = Configuration::parse(OWN).unwrap();
    configuration.extend(&by(timeout, in_place)).unwrap();
    configuration
}

/// What `current` was before it was extended from `previous` to `installed`.
fn retracted(
    current: &Configuration,
    installed: &Configuration,
    previous: &Configuration,
) -> Configuration {
    let recorded = ReplacedConfiguration {
        installed: installed.to_text(),
        previous: previous.to_text(),
        found: None,
        in_place: false,
        target_timeout: None,
    };
    Configuration::parse(&before_extension(&current.to_text(), &recorded).unwrap()).unwrap()
}

fn problems(configuration: &Configuration) -> Vec<Problem> {
    let findings = configuration.findings("WQp").into_iter();
    findings.map(|finding| finding.problem).collect()
}

#[test]
fn in_place_the_placeholder_is_added_and_nothing_else_touched() {
    let expected = OWN
        .replace(
            r#"{"timeout":30,"queue":"WQb"}]"#,
            r#"{"timeout":30,"queue":"WQb"},{"queue":"WQp"}]"#,
        )
        .replace(
            r#""targets":[{"queue":"WQb"}]"#,
            r#""targets":[{"queue":"WQb"},{"queue":"WQp"}]"#,
        );
    assert_eq!(extended(None, true).to_text(), expected);
}

#[test]
fn otherwise_a_copy_for_calls_goes_before_each_filter_that_can_be_left() {
    let vip = r#"{"targets":[{"queue":"WQa","timeout":20,"priority":"5","expression":"1==1"},{"timeout":30,"queue":"WQb"},{"queue":"WQp"}],"filter_friendly_name":"VIP (calls)","expression":"(vip == true) AND call_sid CONTAINS \"CA\""},"#;
    let expected = OWN.replacen(r#""filters":["#, &format!(r#""filters":[{vip}"#), 1);
    assert_eq!(extended(None, false).to_text(), expected);
    let others = &extended(Some(30), false);
    assert_eq!(
        others.filters()[2]["targets"],
        json!([{"queue": "WQb", "timeout": 30}, {"queue": "WQp"}])
    );
    assert_eq!(
        others.filters()[3],
        Configuration::parse(OWN).unwrap().filters()[1]
    );
    assert!(others.findings("WQp").is_empty());
    assert!(others.reaches("WQp"));
    assert!(others.filters_of_all_channels("WQp").is_empty());
}

#[test]
fn extending_twice_is_extending_once() {
    for (timeout, in_place) in [(None, true), (None, false), (Some(30), false)] {
        let once = extended(timeout, in_place);
        let mut again = once.clone();
        again.extend(&by(timeout, in_place)).unwrap();
        assert_eq!(again, once);
    }
}

#[test]
fn only_the_filters_that_are_named_are_extended() {
    let filters = ["Others".to_owned()];
    let named = Extension {
        filters: &filters,
        ..by(Some(20), false)
    };
    let mut configuration = Configuration::parse(OWN).unwrap();
    configuration.extend(&named).unwrap();
    assert_eq!(configuration.filters().len(), 3);
    assert_eq!(
        configuration.filters()[1]["filter_friendly_name"],
        "Others (calls)"
    );
    let filters = ["Nobody".to_owned()];
    let unknown = Extension {
        filters: &filters,
        ..named
    };
    let refused = configuration.extend(&unknown).unwrap_err().to_string();
    assert!(
        refused.contains("\"VIP\", \"Others (calls)\", \"Others\""),
        "{refused}"
    );
}

#[test]
fn retracting_is_extending_undone_and_leaves_what_was_there_before() {
    for (timeout, in_place) in [(None, true), (None, false)] {
        let configuration = extended(timeout, in_place);
        let before = Configuration::parse(OWN).unwrap();
        assert_eq!(retracted(&configuration, &configuration, &before), before);
        let mut edited = (configuration.clone(), before.clone());
        for configuration in [&mut edited.0, &mut edited.1] {
            configuration.0["x"] = json!(2);
        }
        assert_eq!(retracted(&edited.0, &configuration, &before), edited.1);
    }
    let others = r#""targets":[{"queue":"WQb"}]"#;
    let by_hand = OWN.replace(others, &others.replace("WQb", "WQp"));
    let before = Configuration::parse(&by_hand).unwrap();
    let mut configuration = before.clone();
    configuration.extend(&by(None, false)).unwrap();
    assert_ne!(configuration, before);
    assert_eq!(retracted(&configuration, &configuration, &before), before);
    let mut edited = (configuration.clone(), before.clone());
    for configuration in [&mut edited.0, &mut edited.1] {
        configuration.0["x"] = json!(2);
    }
    assert_eq!(retracted(&edited.0, &configuration, &before), edited.1);
}

#[test]
fn a_workflow_without_filters_gets_one_for_calls_and_loses_it_again() {
    let stock = r#"{"task_routing":{"filters":[],"default_filter":{"queue":"WQa"}}}"#;
    for (in_place, expression) in [(true, "1==1"), (false, "call_sid CONTAINS \"CA\"")] {
        let before = Configuration::parse(stock).unwrap();
        assert!(!before.reaches("WQp"));
        let mut configuration = before.clone();
        configuration.extend(&by(None, in_place)).unwrap();
        let filter = &configuration.filters()[0];
        assert_eq!(filter["expression"], expression);
        assert_eq!(
            filter["targets"],
            json!([{"queue": "WQa", "timeout": DEFAULT_TIMEOUT}, {"queue": "WQp"}])
        );
        assert_eq!(configuration.default_queue(), Some("WQa"));
        assert!(configuration.reaches("WQp"));
        assert_eq!(configuration.unextended(&by(None, in_place)), Some(before));
    }
}

#[test]
fn a_filter_whose_last_target_can_be_skipped_is_left_unless_it_is_named() {
    let skippable = r#"{"task_routing":{"filters":[{"filter_friendly_name":"Sales","expression":"1==1","targets":[{"queue":"WQa","skip_if":"workers.available == 0"}]},{"filter_friendly_name":"All","expression":"1==1","targets":[{"queue":"WQb","timeout":30}]}]}}"#;
    for in_place in [true, false] {
        let mut configuration = Configuration::parse(skippable).unwrap();
        let left = configuration.extend(&by(None, in_place)).unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].problem, Problem::EndsSkippable);
        assert!(configuration.reaches("WQp"));
        let filters = ["Sales".to_owned()];
        let named = Extension {
            filters: &filters,
            ..by(None, in_place)
        };
        let mut configuration = Configuration::parse(skippable).unwrap();
        assert_eq!(configuration.extend(&named).unwrap(), []);
        assert!(problems(&configuration).contains(&Problem::MayStay));
    }
}

#[test]
fn calls_meant_for_one_agent_are_left_to_them_unless_their_filter_is_named() {
    let worker = json!([{"queue": "WQa", "known_worker_sid": "task.worker"}]);
    let anybody = json!([{"queue": "WQa", "timeout": 20}]);
    for (expression, targets) in [("to == 'agent'", worker), ("transferMeta != null", anybody)] {
        let filter = json!({"friendly_name": "One", "expression": expression, "targets": targets});
        let routing = json!({"filters": [filter], "default_filter": {"queue": "WQb"}});
        let before = Configuration(json!({ "task_routing": routing }));
        for in_place in [true, false] {
            let mut configuration = before.clone();
            let left = configuration.extend(&by(Some(20), in_place)).unwrap();
            assert!(!leads(&configuration.filters()[0], "WQp"), "{expression}");
            assert_eq!(configuration.filters()[0], before.filters()[0]);
            assert_eq!(left[0].problem, Problem::OneAgent);
            let named = Extension {
                filters: &["One".to_owned()],
                ..by(Some(20), in_place)
            };
            let mut configuration = before.clone();
            assert_eq!(configuration.extend(&named).unwrap(), []);
            assert!(leads(&configuration.filters()[0], "WQp"), "{expression}");
        }
    }
}

#[test]
fn calls_that_no_filter_takes_get_a_filter_where_there_is_no_default() {
    let vip = r#"{"task_routing":{"filters":[{"filter_friendly_name":"VIP","expression":"vip == true","targets":[{"queue":"WQa","timeout":20}]}]}}"#;
    let before = Configuration::parse(vip).unwrap();
    let mut configuration = before.clone();
    configuration.extend(&by(None, false)).unwrap();
    let last = &configuration.filters()[2];
    assert_eq!(last["expression"], "call_sid CONTAINS \"CA\"");
    assert_eq!(last["targets"], json!([{"queue": "WQp"}]));
    assert_eq!(configuration.default_queue(), None);
    let once = configuration.clone();
    configuration.extend(&by(None, false)).unwrap();
    assert_eq!(configuration, once);
    let mut configuration = before.clone();
    configuration.extend(&by(None, true)).unwrap();
    assert_eq!(configuration.default_queue(), Some("WQp"));
    assert_eq!(
        configuration.filters_of_all_channels("WQp"),
        ["\"VIP\"", "(default)"]
    );
}

/// Whoever skipped it would be redirected at once.
#[test]
fn calls_that_skip_the_last_filter_get_no_other_where_there_is_no_default() {
    for expression in ["1==1", "vip == true"] {
        let skips = json!([{ "queue": "WQa", "skip_if": "workers.available == 0" }]);
        let filter = json!({ "expression": expression, "targets": skips });
        let before = Configuration(json!({ "task_routing": { "filters": [filter] } }));
        for in_place in [true, false] {
            let mut configuration = before.clone();
            let left = configuration.extend(&by(None, in_place)).unwrap();
            assert_eq!(left[0].problem, Problem::EndsSkippable);
            assert_eq!(configuration, before);
            assert!(!configuration.reaches("WQp"));
        }
    }
}

/// Who names a filter means that one.
#[test]
fn a_default_is_not_extended_with_a_filter_that_is_named() {
    let filter = |name: &str| {
        let targets = json!([{ "queue": "WQa", "timeout": 20 }]);
        json!({ "friendly_name": name, "expression": "vip == true", "targets": targets })
    };
    let routing = json!({ "filters": [filter("One"), filter("Two")] });
    for in_place in [true, false] {
        let mut configuration = Configuration(json!({ "task_routing": routing }));
        let named = Extension {
            filters: &["One".to_owned()],
            ..by(None, in_place)
        };
        configuration.extend(&named).unwrap();
        assert_eq!(configuration.filters_to("WQp"), 1);
        assert_eq!(configuration.default_queue(), None);
    }
}

#[test]
fn each_way_of_missing_the_placeholder_is_found() {
    for (targets, expected) in [
        (json!([{"queue": "WQa"}]), Problem::Missing),
        (
            json!([{"queue": "WQp"}, {"queue": "WQa"}]),
            Problem::NotLast,
        ),
        (json!([{"queue": "WQp", "timeout": 5}]), Problem::TimesOut),
        (
            json!([{"queue": "WQp", "timeout": 5}, {"queue": "WQa"}]),
            Problem::GoesOn,
        ),
        (
            json!([{"queue": "WQa"}, {"queue": "WQp"}]),
            Problem::NeverReached,
        ),
        (
            json!([{"queue": "WQa", "skip_if": "workers.available == 0"}, {"queue": "WQp"}]),
            Problem::MayStay,
        ),
    ] {
        let filter = json!({ "targets": targets });
        let configuration = json!({"task_routing": {"filters": [filter]}});
        assert_eq!(problems(&Configuration(configuration)), [expected]);
    }
}

#[test]
fn a_call_reaches_the_placeholder_only_by_a_filter_that_it_gets_to() {
    let filter =
        |expression: &str, targets: Value| json!({ "expression": expression, "targets": targets });
    let stays = || json!([{ "queue": "WQa" }]);
    let leads = || json!([{ "queue": "WQa", "timeout": 20 }, { "queue": "WQp" }]);
    let skips = || json!([{ "queue": "WQa", "skip_if": "workers.available == 0" }]);
    for (filters, default, expected) in [
        (vec![filter("1==1", leads())], "WQa", true),
        (
            vec![filter("1==1", stays()), filter("1==1", leads())],
            "WQp",
            false,
        ),
        (
            vec![filter("1==1", skips()), filter("1==1", leads())],
            "WQa",
            true,
        ),
        (vec![filter("vip == true", stays())], "WQp", true),
        (vec![filter("vip == true", stays())], "WQa", false),
        (vec![filter("channelType == 'web'", leads())], "WQa", false),
        (vec![filter("1==2", leads())], "WQa", false),
        (vec![], "WQp", true),
        // Nobody can tell whether that channel carries calls: the filters behind it count.
        (
            vec![filter("channelType IN ['web', 'sms']", leads())],
            "WQa",
            false,
        ),
        (
            vec![filter("channelType IN ['web', 'own']", leads())],
            "WQa",
            false,
        ),
        (vec![filter("channelType == 'own'", leads())], "WQa", false),
        (vec![filter("channelType IN ['own']", leads())], "WQp", true),
        (
            vec![filter("channelType IN ['web', 'voice']", leads())],
            "WQa",
            true,
        ),
        (
            vec![
                filter("channelType IN ['own']", leads()),
                filter("1==1", stays()),
            ],
            "WQp",
            false,
        ),
        (
            vec![
                filter("channelType IN ['own']", stays()),
                filter("1==1", leads()),
            ],
            "WQa",
            true,
        ),
        (vec![filter("language == 'de'", leads())], "WQa", true),
    ] {
        let routing = json!({ "filters": filters, "default_filter": { "queue": default } });
        let configuration = Configuration(json!({ "task_routing": routing }));
        assert_eq!(
            configuration.reaches("WQp"),
            expected,
            "{}",
            configuration.to_text()
        );
    }
}

#[test]
fn what_is_no_configuration_is_refused() {
    for (text, error) in [
        ("", InvalidConfiguration::NotJson),
        ("[]", InvalidConfiguration::NoFilters),
        (r#"{"task_routing":{}}"#, InvalidConfiguration::NoFilters),
    ] {
        assert_eq!(Configuration::parse(text), Err(error));
    }
    let mut configuration = Configuration::parse(r#"{"task_routing":{"filters":[{}]}}"#).unwrap();
    assert_eq!(
        configuration.extend(&by(None, false)),
        Err(CannotExtend::NoTargets("1".into()))
    );
}
