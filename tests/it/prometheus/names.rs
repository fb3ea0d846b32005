//! The metrics and labels that an expression names: each is one that the daemon shows, with that label and that value.

use crate::support::exposition::Exposition;

/// What Prometheus adds itself.
const OF_THE_TARGET: [&str; 2] = ["job", "instance"];

/// A selector of an expression: a metric, and what its labels are compared with.
#[derive(PartialEq, Debug)]
struct Selector {
    metric: String,
    matchers: Vec<(String, String)>,
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

/// The words of an expression that begin with one of these, with their matchers.
fn selectors(expression: &str, prefixes: &[&str]) -> Vec<Selector> {
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(start) = rest.find(is_word) {
        let word: String = rest[start..].chars().take_while(|c| is_word(*c)).collect();
        rest = &rest[start + word.len()..];
        if !prefixes.iter().any(|prefix| word.starts_with(prefix)) {
            continue;
        }
        let inner = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        found.push(Selector {
            metric: word,
            matchers: inner.map(|(inner, _)| matchers(inner)).unwrap_or_default(),
        });
        // What is compared with is no metric, whatever it looks like.
        rest = inner.map_or(rest, |(_, after)| after);
    }
    found
}

fn matchers(inner: &str) -> Vec<(String, String)> {
    let mut parts = inner.split('"');
    let mut found = Vec::new();
    while let (Some(label), Some(value)) = (parts.next(), parts.next()) {
        let label = label.trim_matches(|c: char| !is_word(c));
        found.push((label.to_owned(), value.to_owned()));
    }
    found
}

/// The labels of `by (…)` and `without (…)`.
fn grouped(expression: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for word in ["by (", "without (", "on ("] {
        for after in expression.split(word).skip(1) {
            let labels = after.split(')').next().unwrap_or_default().split(',');
            found.extend(labels.map(str::trim));
        }
    }
    found
}

/// Asserts that all that an expression names is there, and gives the families that it is about.
pub fn assert_known(expression: &str, shown: &Exposition) -> Vec<String> {
    let selectors = selectors(expression, &["rekeyd_", "process_"]);
    let mut known_labels: Vec<&str> = OF_THE_TARGET.to_vec();
    let mut families = Vec::new();
    for Selector { metric, matchers } in &selectors {
        let of_histogram = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|suffix| metric.strip_suffix(suffix))
            .filter(|name| shown.get(*name).is_some_and(|family| family.kind == "histogram"));
        let name = of_histogram.unwrap_or(metric);
        let family = shown
            .get(name)
            .unwrap_or_else(|| panic!("{metric} is no metric of rekeyd: {expression}"));
        assert!(
            of_histogram.is_some() || family.kind != "histogram",
            "{metric} is a histogram, which has no series of that name: {expression}"
        );
        known_labels.extend(family.labels.keys().map(String::as_str));
        for (label, value) in matchers
            .iter()
            .filter(|(label, _)| !OF_THE_TARGET.contains(&label.as_str()))
        {
            let values = family.labels.get(label);
            let values = values.unwrap_or_else(|| panic!("{metric} has no label {label}: {expression}"));
            let compared = value.split('|').filter(|value| !value.starts_with('$'));
            if label != "policy" {
                compared.for_each(|value| {
                    assert!(
                        values.contains(value),
                        "{metric}: {label} is never {value:?}: {expression}"
                    );
                });
            }
        }
        families.push(name.to_owned());
    }
    for label in grouped(expression) {
        assert!(
            known_labels.contains(&label),
            "no metric here has a label {label}: {expression}"
        );
    }
    families
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::exposition::parse;

    fn shown() -> Exposition {
        parse("# HELP rekeyd_a_total A.\n# TYPE rekeyd_a_total counter\nrekeyd_a_total{outcome=\"ok\"} 1\n")
    }

    #[test]
    fn an_expression_is_taken_apart() {
        let found = selectors(
            "sum by (x) (rate(rekeyd_a_total{outcome!=\"ok\",job=~\"a|b\"}[5m])) > rekeyd_b",
            &["rekeyd_"],
        );
        let pairs = |selector: &Selector| selector.matchers.clone();
        assert_eq!(found[0].metric, "rekeyd_a_total");
        assert_eq!(
            pairs(&found[0]),
            [("outcome".into(), "ok".into()), ("job".into(), "a|b".into())]
        );
        assert_eq!((found[1].metric.as_str(), found[1].matchers.len()), ("rekeyd_b", 0));
        assert_eq!(grouped("sum by (x, y) (a) / sum without(z) (b)"), ["x", "y"]);
    }

    #[test]
    fn what_is_there_is_known() {
        let known = assert_known(
            "sum without (outcome) (rekeyd_a_total{outcome=\"ok\",job=\"j\"})",
            &shown(),
        );
        assert_eq!(known, ["rekeyd_a_total"]);
    }

    #[test]
    #[should_panic(expected = "no metric of rekeyd")]
    fn a_metric_that_is_gone_is_found() {
        assert_known("rekeyd_b_total > 0", &shown());
    }

    #[test]
    #[should_panic(expected = "never \"okay\"")]
    fn a_value_that_is_gone_is_found() {
        assert_known("rekeyd_a_total{outcome=\"okay\"} > 0", &shown());
    }

    #[test]
    #[should_panic(expected = "no metric here has a label step")]
    fn a_label_that_is_gone_is_found() {
        assert_known("sum by (step) (rekeyd_a_total)", &shown());
    }
}
