//! Which sort keys a query reads. DynamoDB takes one condition on the sort key, so a prefix and a place to begin after
//! become one range.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;

use super::{PARTITION_KEY, SORT_KEY};
use crate::store::table::Query;

/// A range of a partition.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Range<'a> {
    query: &'a Query,
    keys: Keys,
}

/// A condition on the sort key.
#[derive(PartialEq, Eq, Debug)]
enum Keys {
    All,
    Begin(String),
    After(String),
    Before(String),
    /// Both included.
    Between(String, String),
}

impl<'a> Range<'a> {
    /// The range of a query; nothing if no key can be in it. Keys are ordered by their UTF-8 bytes, as here.
    pub(super) fn of(query: &'a Query) -> Option<Self> {
        let prefix = &query.prefix;
        let all = || match prefix.is_empty() {
            true => Keys::All,
            false => Keys::Begin(prefix.clone()),
        };
        let keys = match (&query.after, query.descending) {
            // No key is empty, so each comes after that and none before it.
            (Some(after), false) if after.is_empty() => all(),
            (Some(after), true) if after.is_empty() => return None,
            (None, _) => all(),
            (Some(after), false) if prefix.is_empty() => Keys::After(after.clone()),
            (Some(after), true) if prefix.is_empty() => Keys::Before(after.clone()),
            (Some(after), false) if after.starts_with(prefix) => match behind(prefix) {
                Some(end) => Keys::Between(after.clone(), end),
                None => Keys::After(after.clone()),
            },
            (Some(after), true) if after.starts_with(prefix) => Keys::Between(prefix.clone(), after.clone()),
            // All that begin with the prefix lie on one side of it.
            (Some(after), descending) => match (after < prefix) == descending {
                true => return None,
                false => all(),
            },
        };
        Some(Self { query, keys })
    }

    /// Whether a sort key that was read is asked for: the ends of a range are not.
    pub(super) fn has(&self, sort: &str) -> bool {
        let beyond = match (&self.query.after, self.query.descending) {
            (None, _) => true,
            (Some(after), false) => sort > after.as_str(),
            (Some(after), true) => sort < after.as_str(),
        };
        beyond && sort.starts_with(&self.query.prefix)
    }

    /// Puts the range into a request.
    pub(super) fn apply(&self, request: QueryFluentBuilder) -> QueryFluentBuilder {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let (of_sort, values) = match &self.keys {
            Keys::All => ("", vec![]),
            Keys::Begin(prefix) => (" AND begins_with(#sk, :a)", vec![prefix]),
            Keys::After(key) => (" AND #sk > :a", vec![key]),
            Keys::Before(key) => (" AND #sk < :a", vec![key]),
            Keys::Between(from, to) => (" AND #sk BETWEEN :a AND :b", vec![from, to]),
        };
        let mut request = request
            .key_condition_expression(format!("#pk = :pk{of_sort}"))
            .expression_attribute_names("#pk", PARTITION_KEY)
            .expression_attribute_values(":pk", text(&self.query.partition));
        if !values.is_empty() {
            request = request.expression_attribute_names("#sk", SORT_KEY);
        }
        for (name, value) in [":a", ":b"].into_iter().zip(values) {
            request = request.expression_attribute_values(name, text(value));
        }
        request
    }
}

/// The first text behind all that begin with this; nothing if there is none.
fn behind(prefix: &str) -> Option<String> {
    let mut rest: Vec<char> = prefix.chars().collect();
    while let Some(last) = rest.pop() {
        // The code points between are those of surrogates, which text has not.
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'),
            last => char::from_u32(u32::from(last).saturating_add(1)),
        };
        if let Some(next) = next {
            rest.push(next);
            return Some(rest.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(prefix: &str, after: Option<&str>, descending: bool) -> Query {
        Query {
            prefix: prefix.to_owned(),
            after: after.map(str::to_owned),
            descending,
            ..Query::all("p")
        }
    }

    fn keys(prefix: &str, after: Option<&str>, descending: bool) -> Option<Keys> {
        Range::of(&query(prefix, after, descending)).map(|range| range.keys)
    }

    #[test]
    fn a_prefix_and_a_place_to_begin_after_are_one_range() {
        let text = str::to_owned;
        assert_eq!(keys("", None, false), Some(Keys::All));
        assert_eq!(keys("a#", None, true), Some(Keys::Begin(text("a#"))));
        assert_eq!(keys("", Some("k"), false), Some(Keys::After(text("k"))));
        assert_eq!(keys("", Some("k"), true), Some(Keys::Before(text("k"))));
        assert_eq!(
            keys("a#", Some("a#3"), false),
            Some(Keys::Between(text("a#3"), text("a$")))
        );
        assert_eq!(
            keys("a#", Some("a#3"), true),
            Some(Keys::Between(text("a#"), text("a#3")))
        );
    }

    #[test]
    fn a_place_to_begin_after_outside_of_the_prefix_leaves_all_or_nothing() {
        let all = Some(Keys::Begin("m".to_owned()));
        assert_eq!(keys("m", Some("a"), false), all);
        assert_eq!(keys("m", Some("z"), true), all);
        assert_eq!(keys("m", Some("z"), false), None);
        assert_eq!(keys("m", Some("a"), true), None);
    }

    #[test]
    fn what_lies_behind_a_prefix_is_the_next_text_that_does_not_begin_with_it() {
        assert_eq!(behind("a#").as_deref(), Some("a$"));
        assert_eq!(behind("a\u{d7ff}").as_deref(), Some("a\u{e000}"));
        assert_eq!(behind("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(behind("\u{10ffff}"), None);
    }

    #[test]
    fn the_ends_of_a_range_are_not_asked_for() {
        let query = query("a#", Some("a#3"), false);
        let range = Range::of(&query).unwrap();
        let read = ["a#3", "a#30", "a#4", "a$"];
        assert_eq!(read.map(|sort| range.has(sort)), [false, true, true, false]);
    }
}
