//! What else is busy while a user is being changed: its groups and their caches. Nobody outside AWS knows, so
//! switches decide.

use super::errors::{invalid_cache_state, invalid_group_state, invalid_user_state};
use super::model::{CacheState, ReplicationGroup, User, UserGroup};
use crate::core::operation::Env;
use crate::error::ApiError;
use crate::settings::GroupCollisions;

impl Env<'_> {
    /// A user group's status as replies show it and as operations on it go by.
    pub(crate) fn group_status(&self, group: &UserGroup) -> &'static str {
        let status = group.status(self.now);
        let shows = self.settings.doubts.group_modifying_with_user;
        if shows && status == "active" && busy_user(&self.account.cache, group).is_some() {
            "modifying"
        } else {
            status
        }
    }

    /// The same for a replication group.
    pub(crate) fn cache_status(&self, cache: &ReplicationGroup) -> &'static str {
        let state = &self.account.cache;
        let busy = || {
            let mut groups = cache.user_group_ids.iter().filter_map(|id| state.groups.get(id));
            groups.any(|group| busy_user(state, group).is_some())
        };
        if self.settings.doubts.cache_modifying_with_user && cache.status == "available" && busy() {
            "modifying"
        } else {
            cache.status
        }
    }

    /// Refuses a change to a replication group that is busy.
    pub(crate) fn check_available(&self, cache: &ReplicationGroup) -> Result<(), ApiError> {
        match self.cache_status(cache) {
            "available" => Ok(()),
            status => Err(invalid_cache_state(&cache.id, status)),
        }
    }

    /// Refuses a change to a user while another one of a group of its is being changed, if that is what AWS does.
    pub(crate) fn check_collision(&self, user_id: &str) -> Result<(), ApiError> {
        let as_group = match self.settings.doubts.group_collisions {
            GroupCollisions::Allowed => return Ok(()),
            GroupCollisions::RefusedAsUserState => false,
            GroupCollisions::RefusedAsGroupState => true,
        };
        let cache = &self.account.cache;
        let busy = cache
            .groups_of(user_id)
            .find_map(|group| Some((group, busy_user(cache, group)?)));
        match busy {
            None => Ok(()),
            Some((group, _)) if as_group => Err(invalid_group_state(&group.id, "modifying")),
            Some((_, other)) => Err(invalid_user_state(user_id, other.status())),
        }
    }
}

/// A user of the group that is being changed.
fn busy_user<'a>(cache: &'a CacheState, group: &UserGroup) -> Option<&'a User> {
    let users = group.user_ids.iter().filter_map(|id| cache.users.get(id));
    users.into_iter().find(|user| user.change.is_some())
}
