//! Whether a reply has in it what the reference expects.

use serde_json::Value;

/// Lists that are sets: AWS documents no order for them.
const SETS: [&str; 6] = ["UserIds", "UserGroupIds", "Users", "UserGroups", "Versions", "Tags"];

/// Says where a reply differs. Keys that are not expected are passed over; one that is expected to be null has to
/// be absent. Numbers may come as text, and an empty list as nothing, since XML has neither.
pub fn difference(expected: &Value, got: &Value) -> Option<String> {
    at("", expected, got)
}

fn at(path: &str, expected: &Value, got: &Value) -> Option<String> {
    let key = path.rsplit('.').next().unwrap_or_default();
    let same = match (expected, got) {
        (Value::Object(map), _) => {
            if key == "VersionIdsToStages" && map.len() != got.as_object().map_or(0, serde_json::Map::len) {
                return Some(format!("{path}: expected {expected}, got {got}"));
            }
            return map
                .iter()
                .find_map(|(key, value)| at(&format!("{path}.{key}"), value, &got[key]));
        }
        (Value::Array(list), _) => {
            let (mut list, mut got_list) = (list.clone(), got.as_array().cloned().unwrap_or_default());
            if SETS.contains(&key) {
                list.sort_by_key(identity);
                got_list.sort_by_key(identity);
            }
            if list.len() != got_list.len() {
                return Some(format!("{path}: expected {expected}, got {got}"));
            }
            let mut pairs = list.iter().zip(&got_list).enumerate();
            return pairs.find_map(|(n, (expected, got))| at(&format!("{path}[{n}]"), expected, got));
        }
        (Value::String(text), Value::String(got)) if key == "AccessString" => got.split(' ').next() == Some(text),
        (Value::Number(number), _) => {
            let got = got.as_f64().or_else(|| got.as_str().and_then(|text| text.parse().ok()));
            got.is_some_and(|got| (got - number.as_f64().unwrap_or(f64::NAN)).abs() < 0.001)
        }
        _ => expected == got,
    };
    (!same).then(|| format!("{path}: expected {expected}, got {got}"))
}

/// What tells the members of a set apart.
fn identity(member: &Value) -> String {
    let id = ["UserId", "UserGroupId", "VersionId", "Key"]
        .into_iter()
        .find_map(|key| member[key].as_str());
    id.or(member.as_str()).unwrap_or_default().to_owned()
}
