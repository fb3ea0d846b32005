//! Users and groups, to be created and changed.
//!
//! `CreateUserInput`, its builder and its fluent request derive `Debug` and print the passwords: the one function
//! that builds them sends them and formats nothing.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_elasticache::Client;
use aws_sdk_elasticache::types::Tag;

use super::super::AwsResult;
use super::super::call::{Calls, Operation};
use super::super::elasticache::{USER_GROUPS, USERS, client, dated, operation};
use super::super::error::ErrorClass;
use super::super::reply::{answers, incomplete, only};
use super::super::user_translation::user;
use super::{GroupSettings, NewUser, UserSettings};
use crate::clock::Timestamp;

const CREATE_USER: Operation = operation("CreateUser");
const MODIFY_USER: Operation = operation("ModifyUser");
const MODIFY_GROUP: Operation = operation("ModifyUserGroup");
const LIST_TAGS: Operation = operation("ListTagsForResource");

/// ElastiCache.
pub(super) struct Users {
    client: Client,
    calls: Calls,
}

impl Users {
    pub(super) fn new(config: &SdkConfig, endpoint: Option<&str>, calls: Calls) -> Self {
        let client = client(config, endpoint);
        Self { client, calls }
    }

    pub(super) async fn user(&self, user_id: &str) -> AwsResult<Option<UserSettings>> {
        let call = self.client.describe_users().user_id(user_id).send();
        let found = async {
            let reply = self.calls.run(USERS, user_id, call).await?;
            only(USERS, user_id, "UserNotFound", reply.users, |user| {
                user.user_id().is_some_and(|id| id.eq_ignore_ascii_case(user_id))
            })
        };
        let Some(shown) = known(found.await)? else {
            return Ok(None);
        };
        let missing = |what: &str| incomplete(USERS, user_id, what);
        let engine = shown.engine.clone().ok_or_else(|| missing("the user has no engine"))?;
        let access_string = shown.access_string.clone();
        Ok(Some(UserSettings {
            engine: engine.to_ascii_lowercase(),
            access_string: access_string.ok_or_else(|| missing("the user has no access string"))?,
            user: user(shown)?,
        }))
    }

    pub(super) async fn group(&self, group_id: &str) -> AwsResult<Option<GroupSettings>> {
        let call = self.client.describe_user_groups().user_group_id(group_id).send();
        let found = async {
            let reply = self.calls.run(USER_GROUPS, group_id, call).await?;
            only(USER_GROUPS, group_id, "UserGroupNotFound", reply.user_groups, |group| {
                group
                    .user_group_id()
                    .is_some_and(|id| id.eq_ignore_ascii_case(group_id))
            })
        };
        let Some(shown) = known(found.await)? else {
            return Ok(None);
        };
        let missing = |what: &str| incomplete(USER_GROUPS, group_id, what);
        let engine = shown.engine.ok_or_else(|| missing("the group has no engine"))?;
        Ok(Some(GroupSettings {
            engine: engine.to_ascii_lowercase(),
            status: shown.status.ok_or_else(|| missing("the group has no status"))?,
            users: shown.user_ids.unwrap_or_default().into_iter().collect(),
        }))
    }

    pub(super) async fn tags(&self, user_arn: &str) -> AwsResult<BTreeMap<String, String>> {
        let call = self.client.list_tags_for_resource().resource_name(user_arn).send();
        let reply = self.calls.run(LIST_TAGS, user_arn, call).await?;
        let pair = |tag: Tag| Some((tag.key?, tag.value.unwrap_or_default()));
        Ok(reply
            .tag_list
            .unwrap_or_default()
            .into_iter()
            .filter_map(pair)
            .collect())
    }

    pub(super) async fn create(&self, new: &NewUser, signed_at: Timestamp) -> AwsResult<()> {
        let call = self
            .client
            .create_user()
            .user_id(&new.id)
            .user_name(&new.name)
            .engine(&new.engine)
            .access_string(&new.access_string)
            .set_tags((!new.tags.is_empty()).then(|| tags(&new.tags)));
        let call = match &new.password {
            Some(password) => call.passwords(password.expose()),
            None => call.no_password_required(true),
        };
        let call = call.customize().config_override(dated(signed_at));
        let reply = self.calls.run(CREATE_USER, &new.id, call.send()).await?;
        answers(CREATE_USER, &new.id, is(reply.user_id(), &new.id))
    }

    pub(super) async fn set_access_string(
        &self,
        user_id: &str,
        access_string: &str,
        signed_at: Timestamp,
    ) -> AwsResult<()> {
        let call = self.client.modify_user().user_id(user_id).access_string(access_string);
        let call = call.customize().config_override(dated(signed_at));
        let reply = self.calls.run(MODIFY_USER, user_id, call.send()).await?;
        answers(MODIFY_USER, user_id, is(reply.user_id(), user_id))
    }

    pub(super) async fn add_to_group(&self, group_id: &str, user_id: &str, signed_at: Timestamp) -> AwsResult<()> {
        let call = self
            .client
            .modify_user_group()
            .user_group_id(group_id)
            .user_ids_to_add(user_id)
            .customize()
            .config_override(dated(signed_at));
        let reply = self.calls.run(MODIFY_GROUP, group_id, call.send()).await?;
        answers(MODIFY_GROUP, group_id, is(reply.user_group_id(), group_id))
    }
}

fn tags(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
    tags.iter().map(tag).collect()
}

/// Nothing, where AWS knows of no such thing.
fn known<T>(found: AwsResult<T>) -> AwsResult<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.class == ErrorClass::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn is(theirs: Option<&str>, ours: &str) -> bool {
    theirs.is_some_and(|theirs| theirs.eq_ignore_ascii_case(ours))
}
