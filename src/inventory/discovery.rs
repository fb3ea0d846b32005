//! Which secrets a policy has.

use std::collections::BTreeSet;

use super::together::each;
use crate::aws::{AwsError, ListedSecret, SecretsReader};
use crate::policy::Selection;

/// What a look for a policy's secrets found, and where it failed.
#[derive(Default, Debug)]
pub struct Discovery {
    /// The secrets that were found, those marked for deletion included if they were named.
    pub found: BTreeSet<ListedSecret>,
    /// What was looked for without an answer: a name or ARN as the policy says it, or
    /// [`Discovery::SELECTION`]. While this is not empty, a secret that is absent from `found` may
    /// still be the policy's.
    pub failed: Vec<(String, AwsError)>,
}

impl Discovery {
    /// Stands in [`Discovery::failed`] for the whole of `select`.
    pub const SELECTION: &'static str = "select";
}

/// Finds the secrets that a policy names and those that it selects. One that cannot be read does
/// not hide the others.
pub async fn discover(reader: &dyn SecretsReader, selection: &Selection) -> Discovery {
    let mut discovery = Discovery::default();
    let named = each(
        &selection.secrets,
        |name| async move { (name, reader.secret(name).await) },
    )
    .await;
    for (name, result) in named {
        match result {
            Ok(secret) => {
                discovery.found.insert(ListedSecret {
                    arn: secret.arn,
                    name: secret.name,
                });
            }
            Err(error) => discovery.failed.push((name.clone(), error)),
        }
    }
    // A policy that selects nothing must not list the whole account.
    if selection.selects() {
        match reader.select(selection).await {
            Ok(selected) => discovery.found.extend(selected),
            Err(error) => discovery.failed.push((Discovery::SELECTION.to_owned(), error)),
        }
    }
    discovery
}

#[cfg(test)]
mod tests {
    use super::super::fakes::{Secrets, failure};
    use super::*;
    use crate::aws::ErrorClass;

    fn names(discovery: &Discovery) -> Vec<&str> {
        discovery.found.iter().map(|secret| secret.name.as_str()).collect()
    }

    fn selection(secrets: &[&str], prefix: Option<&str>) -> Selection {
        Selection {
            secrets: secrets.iter().map(|name| (*name).to_owned()).collect(),
            name_prefix: prefix.map(str::to_owned),
            ..Selection::default()
        }
    }

    #[tokio::test]
    async fn named_and_selected_secrets_are_found_once_each() {
        let reader = Secrets::of(&["a", "p/b", "p/c"]);
        let discovery = discover(&reader, &selection(&["p/b", "a", "arn:p/b"], Some("p/"))).await;
        assert_eq!(names(&discovery), ["a", "p/b", "p/c"]);
        assert!(discovery.failed.is_empty());
    }

    #[tokio::test]
    async fn without_a_selection_nothing_is_listed() {
        let mut reader = Secrets::of(&["a", "b"]);
        reader.selecting = Some(failure(ErrorClass::Denied));
        let discovery = discover(&reader, &selection(&["a"], None)).await;
        assert_eq!(names(&discovery), ["a"]);
        assert!(discovery.failed.is_empty());
    }

    #[tokio::test]
    async fn a_secret_that_cannot_be_read_is_a_failure_and_hides_no_other() {
        let reader = Secrets::of(&["a", "b"]);
        let discovery = discover(&reader, &selection(&["a", "lost", "b"], None)).await;
        assert_eq!(names(&discovery), ["a", "b"]);
        let [(name, error)] = &discovery.failed[..] else {
            panic!("{:?}", discovery.failed);
        };
        assert_eq!((name.as_str(), error.class), ("lost", ErrorClass::NotFound));
    }

    #[tokio::test]
    async fn a_listing_that_fails_is_a_failure_and_no_empty_list() {
        let mut reader = Secrets::of(&["a", "p/b"]);
        reader.selecting = Some(failure(ErrorClass::Throttled));
        let discovery = discover(&reader, &selection(&["a"], Some("p/"))).await;
        assert_eq!(names(&discovery), ["a"]);
        assert_eq!(discovery.failed.len(), 1);
        assert_eq!(discovery.failed[0].0, Discovery::SELECTION);
    }
}
