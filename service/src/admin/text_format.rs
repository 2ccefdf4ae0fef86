//! Prometheus' text format 0.0.4, out of OpenMetrics: the samples are the same, but for some the
//! lines that describe them name another metric.

pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn from_open_metrics(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help = None;
    for line in open_metrics.lines() {
        if let Some(described) = line.strip_prefix("# HELP ") {
            // Of a kind that the next line says.
            help = described.split_once(' ');
        } else if let Some((name, kind)) = described(line) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                kind => ("", kind),
            };
            if let Some((_, help)) = help.take() {
                text.push_str(&format!("# HELP {name}{suffix} {help}\n"));
            }
            text.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
        } else if !line.starts_with("# ") {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

fn described(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("# TYPE ")?.split_once(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_and_information_are_described_by_the_names_of_their_samples() {
        let open_metrics = "# HELP calls Calls.\n# TYPE calls counter\ncalls_total{a=\"# b\"} 1\n\
             # HELP build The build.\n# TYPE build info\nbuild_info{version=\"1\"} 1\n\
             # HELP wait_seconds Waits.\n# TYPE wait_seconds histogram\n# UNIT wait_seconds seconds\n\
             wait_seconds_sum 0.0\n# EOF\n";
        assert_eq!(
            from_open_metrics(open_metrics),
            "# HELP calls_total Calls.\n# TYPE calls_total counter\ncalls_total{a=\"# b\"} 1\n\
             # HELP build_info The build.\n# TYPE build_info gauge\nbuild_info{version=\"1\"} 1\n\
             # HELP wait_seconds Waits.\n# TYPE wait_seconds histogram\nwait_seconds_sum 0.0\n"
        );
    }
}
