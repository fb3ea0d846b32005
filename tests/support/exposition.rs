//! What `/metrics` shows, taken apart.

use std::collections::{BTreeMap, BTreeSet};

/// A family, and all of its series.
#[derive(Default, Debug)]
pub struct Family {
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    pub help: String,
    /// Each label with the values that it has.
    pub labels: BTreeMap<String, BTreeSet<String>>,
    /// How many series; of a histogram, each bucket is one, the sum and the count.
    pub series: usize,
}

/// Families by their names.
pub type Exposition = BTreeMap<String, Family>;

/// The labels of a series, as they stand between its braces.
fn labels(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((name, value)) = rest.split_once("=\"") {
        let end = value
            .char_indices()
            .scan(false, |escaped, (at, c)| {
                let ends = c == '"' && !*escaped;
                *escaped = c == '\\' && !*escaped;
                Some((at, ends))
            })
            .find_map(|(at, ends)| ends.then_some(at))
            .expect("a closing quote");
        found.push((name.trim_start_matches(',').to_owned(), value[..end].to_owned()));
        rest = &value[end + 1..];
    }
    found
}

/// The family that a series belongs to: of a histogram, without what its series end in.
fn family_of<'a>(series: &'a str, exposition: &Exposition) -> &'a str {
    let histogram = ["_bucket", "_sum", "_count"]
        .iter()
        .filter_map(|suffix| series.strip_suffix(suffix))
        .find(|name| exposition.get(*name).is_some_and(|family| family.kind == "histogram"));
    histogram.unwrap_or(series)
}

/// Takes an exposition apart.
pub fn parse(text: &str) -> Exposition {
    let mut exposition = Exposition::new();
    for line in text.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|line| line.split_once(' ')) {
            help.clone_into(&mut exposition.entry(name.to_owned()).or_default().help);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|line| line.split_once(' ')) {
            kind.clone_into(&mut exposition.entry(name.to_owned()).or_default().kind);
        } else if let Some((series, _)) = line.rsplit_once(' ') {
            let (name, inner) = series.split_once('{').unwrap_or((series, ""));
            let name = family_of(name, &exposition).to_owned();
            let family = exposition
                .get_mut(&name)
                .unwrap_or_else(|| panic!("{line} has no TYPE"));
            family.series += 1;
            for (label, value) in labels(inner.trim_end_matches('}')) {
                family.labels.entry(label).or_default().insert(value);
            }
        }
    }
    exposition
}

/// How many series a text holds.
pub fn series(text: &str) -> usize {
    text.lines().filter(|line| !line.starts_with('#')).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_is_one_family_and_a_quoted_value_may_hold_anything() {
        let text = "# HELP a_seconds Took.\n# TYPE a_seconds histogram\na_seconds_bucket{step=\"x,y=\\\"}\",le=\"+Inf\"} 2\n\
                    a_seconds_sum{step=\"z\"} 1\na_seconds_count{step=\"z\"} 2\n# HELP b B.\n# TYPE b gauge\nb 1\n";
        let found = parse(text);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["a_seconds", "b"]);
        assert_eq!((found["a_seconds"].series, found["b"].series), (3, 1));
        assert!(found["a_seconds"].labels["step"].contains("x,y=\\\"}"));
        assert_eq!(series(text), 4);
    }
}
