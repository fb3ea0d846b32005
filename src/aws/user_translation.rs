//! What the SDK's answers about users mean in our words.

use aws_sdk_elasticache::types;

use super::AwsResult;
use super::elasticache::USERS;
use super::reply::incomplete;
use crate::rotation::observation::{Authentication, User, UserStatus};

/// A user. Whatever a rotation rests on must be said: a user whose access string is missing would
/// look switched off, one without groups as if no login could prove anything, and one without
/// PasswordCount as if its password might be replaced. In AWS's command reference a user in no
/// group has an empty `UserGroupIds`, and only a user without a password has no `PasswordCount`.
///
/// # Errors
/// The answer lacks one of these, its name, ARN or status.
pub fn user(user: types::User) -> AwsResult<User> {
    let id = user.user_id.unwrap_or_default();
    let missing = |what: &str| incomplete(USERS, &id, what);
    let authentication = user
        .authentication
        .ok_or_else(|| missing("the user has no authentication"))?;
    let kind = authentication
        .r#type()
        .ok_or_else(|| missing("the user has no authentication type"))?;
    let kind = authentication_type(kind.as_str());
    let password_count = match authentication.password_count {
        None if kind == Authentication::Password => return Err(missing("the user has no password count")),
        count => u32::try_from(count.unwrap_or(0)).map_err(|_| missing("the password count is negative"))?,
    };
    let access = user
        .access_string
        .ok_or_else(|| missing("the user has no access string"))?;
    let groups = user
        .user_group_ids
        .ok_or_else(|| missing("the user says nothing of its groups"))?;
    Ok(User {
        name: user.user_name.ok_or_else(|| missing("the user has no name"))?,
        // The text of an element that a reply breaks off in is read as empty.
        arn: user
            .arn
            .filter(|arn| !arn.is_empty())
            .ok_or_else(|| missing("the user has no ARN"))?,
        status: status(&user.status.ok_or_else(|| missing("the user has no status"))?),
        authentication: kind,
        password_count,
        on: switched_on(&access),
        groups: groups.into_iter().collect(),
        id,
    })
}

fn status(text: &str) -> UserStatus {
    match text.to_ascii_lowercase().as_str() {
        "active" => UserStatus::Active,
        // Terraform's provider waits for `creating` as it does for `modifying`.
        "modifying" | "creating" => UserStatus::Modifying,
        "deleting" => UserStatus::Deleting,
        _ => UserStatus::Other(text.to_owned()),
    }
}

/// The service model spells the types `password`, `no-password` and `iam`, its inputs
/// `no-password-required`; a sample in AWS's guide prints `no_password`.
fn authentication_type(text: &str) -> Authentication {
    match text.to_ascii_lowercase().replace('_', "-").as_str() {
        "password" => Authentication::Password,
        "no-password" | "no-password-required" => Authentication::NoPassword,
        "iam" => Authentication::Iam,
        _ => Authentication::Unknown,
    }
}

/// Whether an access string switches its user on. The engine applies its words in order, and a
/// user is off unless one of them is `on` (ElastiCache's RBAC guide).
fn switched_on(access_string: &str) -> bool {
    access_string
        .split_whitespace()
        .rev()
        .find(|word| ["on", "off"].iter().any(|switch| word.eq_ignore_ascii_case(switch)))
        .is_some_and(|word| word.eq_ignore_ascii_case("on"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bare_switch_of_an_access_string_counts() {
        let table = [
            ("on ~* +@all", true),
            ("off ~* +@all", false),
            ("on ~* off", false),
            ("off ~keys* -@all +get on", true),
            ("~on* +@all", false),
            ("", false),
        ];
        for (access, on) in table {
            assert_eq!(switched_on(access), on, "{access}");
        }
    }

    #[test]
    fn authentication_types_are_read_in_every_spelling() {
        for (text, kind) in [
            ("password", Authentication::Password),
            ("no-password", Authentication::NoPassword),
            ("no_password", Authentication::NoPassword),
            ("no-password-required", Authentication::NoPassword),
            ("IAM", Authentication::Iam),
            ("certificate", Authentication::Unknown),
        ] {
            assert_eq!(authentication_type(text), kind, "{text}");
        }
        assert_eq!(status("creating"), UserStatus::Modifying);
        assert_eq!(status("resting"), UserStatus::Other("resting".to_owned()));
    }
}
