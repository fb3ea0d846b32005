//! Each user has one secret: which secrets name which user.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Which secrets name which user, over the whole configuration.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Claims {
    /// The secrets of each user in order: nearly always a single one.
    by_user: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    by_secret: BTreeMap<Arc<str>, Arc<str>>,
}

impl Claims {
    /// Notes that a secret names a user, and no other any more. If the claim is a new one, gives the other secrets
    /// that name the same user, and those that name the one before: they must hear of it.
    pub fn claim(&mut self, secret_arn: impl Into<Arc<str>>, user_arn: &str) -> Vec<String> {
        // ElastiCache does not tell user ids apart by case.
        let (user, secret) = (user_arn.to_ascii_lowercase(), secret_arn.into());
        if self.by_secret.get(&secret).is_some_and(|named| **named == *user) {
            return Vec::new();
        }
        let mut told = self.release(&secret);
        let user: Arc<str> = user.into();
        self.by_secret.insert(secret.clone(), user.clone());
        let secrets = self.by_user.entry(user).or_default();
        told.extend(secrets.iter().map(ToString::to_string));
        secrets.reserve_exact(1);
        let at = secrets.partition_point(|other| *other < secret);
        secrets.insert(at, secret);
        told
    }

    /// Forgets a secret. Gives the others that name its user: they must hear of it.
    pub fn release(&mut self, secret_arn: &str) -> Vec<String> {
        let Some(user) = self.by_secret.remove(secret_arn) else {
            return Vec::new();
        };
        let Some(secrets) = self.by_user.get_mut(&user) else {
            return Vec::new();
        };
        secrets.retain(|secret| **secret != *secret_arn);
        let others = secrets.iter().map(ToString::to_string).collect();
        if secrets.is_empty() {
            self.by_user.remove(&user);
        }
        others
    }

    /// Whether it is known which user a secret names.
    pub fn knows(&self, secret_arn: &str) -> bool {
        self.by_secret.contains_key(secret_arn)
    }

    /// The user that a secret names, if that is known. In lower case.
    pub fn user_of(&self, secret_arn: &str) -> Option<&str> {
        self.by_secret.get(secret_arn).map(AsRef::as_ref)
    }

    /// Another secret that names the same user.
    pub fn rival(&self, secret_arn: &str, user_arn: &str) -> Option<&str> {
        let secrets = self.by_user.get(user_arn.to_ascii_lowercase().as_str())?;
        secrets.iter().map(AsRef::as_ref).find(|secret| *secret != secret_arn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: &str = "arn:aws:elasticache:us-east-1:123456789012:user:user1";

    #[test]
    fn user_ids_that_differ_in_case_only_are_one_user() {
        let mut claims = Claims::default();
        assert!(claims.claim("first", USER).is_empty());
        assert_eq!(claims.claim("second", &USER.replace("user1", "User1")), ["first"]);
        assert_eq!(claims.rival("first", USER), Some("second"));
        assert_eq!(claims.release("second"), ["first"]);
        assert_eq!(claims.rival("first", USER), None);
    }

    #[test]
    fn whoever_was_named_by_a_secret_hears_that_it_names_another_user_now() {
        let mut claims = Claims::default();
        claims.claim("first", USER);
        claims.claim("second", USER);
        claims.claim("third", &USER.replace("user1", "user2"));
        assert_eq!(
            claims.claim("second", &USER.replace("user1", "user2")),
            ["first", "third"]
        );
        assert!(claims.claim("second", &USER.replace("user1", "user2")).is_empty());
        assert!(claims.release("unknown").is_empty());
    }
}
