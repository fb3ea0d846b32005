//! Which secrets a request is about: said in one way.

use crate::engine::control::{ControlError, Selector};
use crate::server::reply::Failure;

/// Refuses a selector unless exactly one of `secrets`, `policy` and `all` is given, as the command
/// line does. Together they would narrow each other, and whoever gives two may mean the wider one.
/// An empty list and `false` count as not given.
pub(super) fn given_in_one_way(selector: Selector) -> Result<Selector, Failure> {
    let ways = [
        ("secrets", !selector.secrets.is_empty()),
        ("policy", selector.policy.is_some()),
        ("all", selector.all),
    ];
    let given: Vec<_> = ways.iter().filter(|(_, given)| *given).map(|(way, _)| *way).collect();
    match given.as_slice() {
        [] => Err(ControlError::EmptySelector.into()),
        [_] => Ok(selector),
        _ => Err(Failure::bad_request(format!(
            "{} are given together, and exclude each other: give one of secrets, policy and all",
            given.join(" and ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use axum::response::IntoResponse;

    use super::given_in_one_way;
    use crate::engine::control::Selector;

    fn selector(secrets: &[&str], policy: Option<&str>, all: bool) -> Selector {
        Selector {
            secrets: secrets.iter().map(|&secret| secret.to_owned()).collect(),
            policy: policy.map(str::to_owned),
            all,
        }
    }

    #[test]
    fn one_way_of_selecting_is_taken_as_it_is() {
        for one in [
            selector(&["a", "b"], None, false),
            selector(&[], Some("orders"), false),
            selector(&[], None, true),
        ] {
            assert_eq!(given_in_one_way(one.clone()).unwrap(), one);
        }
    }

    #[test]
    fn no_way_or_several_are_a_bad_request() {
        for wrong in [
            selector(&[], None, false),
            selector(&["a"], None, true),
            selector(&["a"], Some("orders"), false),
            selector(&[], Some("orders"), true),
            selector(&["a"], Some(""), true),
        ] {
            let refused = given_in_one_way(wrong.clone()).unwrap_err().into_response();
            assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{wrong:?}");
        }
    }
}
