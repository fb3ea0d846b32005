//! Expressions, in which every name and value is a placeholder: names of ours may be reserved words.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::{PARTITION_KEY, item};
use crate::store::table::{Change, Condition, Value};

/// The names and values of a request's expressions.
#[derive(Default)]
pub(super) struct Expression {
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Expression {
    /// The placeholder of a name.
    fn name(&mut self, name: &str) -> String {
        let placeholder = format!("#n{}", self.names.len());
        self.names.insert(placeholder.clone(), name.to_owned());
        placeholder
    }

    /// The placeholder of a value.
    fn value(&mut self, value: Value) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), item::value(value));
        placeholder
    }

    /// What makes a change; nothing for one that changes nothing.
    pub(super) fn update(&mut self, change: Change) -> Option<String> {
        let set = change.set.into_iter();
        let set: Vec<String> = set
            .map(|(name, value)| format!("{} = {}", self.name(&name), self.value(value)))
            .collect();
        let remove: Vec<String> = change.remove.iter().map(|name| self.name(name)).collect();
        let clause = |word: &str, parts: &[String]| (!parts.is_empty()).then(|| format!("{word} {}", parts.join(", ")));
        let clauses = [clause("SET", &set), clause("REMOVE", &remove)];
        let clauses: Vec<String> = clauses.into_iter().flatten().collect();
        (!clauses.is_empty()).then(|| clauses.join(" "))
    }

    /// What says whether a condition holds. A key attribute is there exactly if the item is.
    pub(super) fn condition(&mut self, on: Condition) -> String {
        let key = self.name(PARTITION_KEY);
        let wanted = match on {
            Condition::Absent => return format!("attribute_not_exists({key})"),
            Condition::Lacks(name) => {
                let lacking = self.name(name);
                return format!("attribute_exists({key}) AND attribute_not_exists({lacking})");
            }
            Condition::Has(wanted) => wanted.into_iter(),
        };
        let there = std::iter::once(format!("attribute_exists({key})"));
        let equal = wanted.map(|(name, value)| format!("{} = {}", self.name(name), self.value(value)));
        let parts: Vec<String> = there.chain(equal).collect();
        parts.join(" AND ")
    }

    /// The names; nothing if there are none, which DynamoDB does not take empty.
    pub(super) fn names(&self) -> Option<HashMap<String, String>> {
        (!self.names.is_empty()).then(|| self.names.clone())
    }

    /// The values; nothing if there are none.
    pub(super) fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_names_each_attribute_by_a_placeholder() {
        let mut expression = Expression::default();
        let change = Change::new().set("name", "x").set("size", 3).remove("status");
        let update = expression.update(change);
        assert_eq!(update.as_deref(), Some("SET #n0 = :v0, #n1 = :v1 REMOVE #n2"));
        let condition = expression.condition(Condition::is("size", 2));
        assert_eq!(condition, "attribute_exists(#n3) AND #n4 = :v2");
        assert_eq!(expression.names().unwrap()["#n2"], "status");
        assert_eq!(expression.values().unwrap()[":v2"], AttributeValue::N("2".to_owned()));
    }

    #[test]
    fn a_change_of_nothing_has_no_expression_and_no_values() {
        let mut expression = Expression::default();
        assert_eq!(expression.update(Change::new()), None);
        assert_eq!(expression.condition(Condition::Absent), "attribute_not_exists(#n0)");
        assert_eq!(expression.values(), None);
    }
}
