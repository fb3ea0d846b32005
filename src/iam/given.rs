//! What a configuration does not say and only an operator knows.

use std::str::FromStr;

use super::purpose::Purpose;

/// What an operator says beside the configuration.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Given {
    /// What is to be run with the policies.
    pub purpose: Purpose,
    /// Only this place.
    pub place: Option<String>,
    /// The account of the credentials that it begins with, and so of places without a role.
    pub account: Option<String>,
    /// The role or user that it runs as.
    pub principal: Option<Principal>,
    /// The customer keys that the secrets are encrypted with.
    pub kms_keys: Vec<KmsKey>,
}

/// What does not go with the configuration.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum GivenError {
    /// There is no such place.
    #[error("there is no place `{0}`; the configuration has {1}")]
    NoPlace(String, String),
    /// A key lies where no place is.
    #[error("no place works in {0}, where the key {1} lies")]
    NoPlaceForKey(String, String),
    /// The accounts differ.
    #[error("place `{place}` is in account {named} by the ARNs of its secrets, and not in {given}")]
    OtherAccount {
        /// The place.
        place: String,
        /// The account that its secrets name.
        named: String,
        /// The account that was given.
        given: String,
    },
    /// Principal and account differ.
    #[error("{0} is not in account {1}: give one of the two")]
    PrincipalElsewhere(String, String),
}

/// A role or user, by ARN.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Principal {
    /// Its ARN.
    pub arn: String,
    /// Its account.
    pub account: String,
}

impl FromStr for Principal {
    type Err = String;

    fn from_str(arn: &str) -> Result<Self, String> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        match parts[..] {
            ["arn", partition, "iam", "", account, name]
                if partition.starts_with("aws")
                    && is_account(account)
                    && (name.starts_with("role/") || name.starts_with("user/")) =>
            {
                Ok(Self {
                    arn: arn.to_owned(),
                    account: account.to_owned(),
                })
            }
            _ => Err("write the ARN of a role or user, like arn:aws:iam::123456789012:role/rekeyd".to_owned()),
        }
    }
}

/// A customer key, by ARN.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct KmsKey {
    /// Its partition.
    pub partition: String,
    /// Its region.
    pub region: String,
    /// Its account.
    pub account: String,
    /// `key/` and its id.
    pub name: String,
}

impl FromStr for KmsKey {
    type Err = String;

    fn from_str(arn: &str) -> Result<Self, String> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        match parts[..] {
            ["arn", partition, "kms", region, account, name]
                if partition.starts_with("aws")
                    && !region.is_empty()
                    && is_account(account)
                    && name.strip_prefix("key/").is_some_and(|id| !id.is_empty()) =>
            {
                Ok(Self {
                    partition: partition.to_owned(),
                    region: region.to_owned(),
                    account: account.to_owned(),
                    name: name.to_owned(),
                })
            }
            _ => Err("write the key's own ARN, not an alias's: arn:aws:kms:REGION:ACCOUNT:key/ID".to_owned()),
        }
    }
}

/// Whether this is an account: twelve digits.
pub fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}
