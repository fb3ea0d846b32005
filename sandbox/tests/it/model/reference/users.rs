//! Users and groups: a set of passwords and a status with the time at which it settles.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::caches::{Login, Node, Window};
use super::{Broken, Expected, Reference, Refused};
use crate::model::call::{Auth, Call};

const VALUE: &str = "InvalidParameterValue";
const COMBINATION: &str = "InvalidParameterCombination";
const USER_NOT_FOUND: &str = "UserNotFound";
const USER_STATE: &str = "InvalidUserState";
const GROUP_NOT_FOUND: &str = "UserGroupNotFound";
const GROUP_STATE: &str = "InvalidUserGroupState";
const DUPLICATE_NAME: &str = "DuplicateUserName";
const DEFAULT_REQUIRED: &str = "DefaultUserRequired";

#[derive(Debug, Clone)]
pub struct User {
    pub name: String,
    pub login: Login,
    /// Until when it is `modifying`, or `deleting`.
    pub busy: Option<Window>,
    pub deleting: bool,
    /// Whether the present change began before the last one was over.
    pub overtaken: bool,
}

#[derive(Debug, Clone, Default)]
pub struct Group {
    pub users: BTreeSet<String>,
    /// Users that come or go, until each has settled. Until then the group is `modifying`.
    pub moving: BTreeSet<String>,
}

impl User {
    /// The user that every account has, `on ~* +@all` without a password ("ElastiCache RBAC").
    pub fn default_user() -> Self {
        let login = Login {
            on: true,
            any_password: true,
            passwords: BTreeSet::new(),
        };
        Self {
            name: "default".to_owned(),
            login,
            busy: None,
            deleting: false,
            overtaken: false,
        }
    }

    pub fn status(&self) -> &'static str {
        match (self.busy, self.deleting) {
            (None, _) => "active",
            (Some(_), false) => "modifying",
            (Some(_), true) => "deleting",
        }
    }
}

/// Whether an access string leaves the user on: the last word about it counts, and without one it is off.
fn is_on(access: &str, before: bool) -> bool {
    access.split(' ').fold(before, |on, word| match word {
        "on" => true,
        "off" => false,
        _ => on,
    })
}

/// Passwords and `reset` do not belong into an access string ("ElastiCache RBAC").
fn access_rules(access: &str, broken: &mut Broken) {
    broken.when(
        access.split(' ').any(|word| word == "reset" || word.starts_with('>')),
        VALUE,
    );
}

impl Auth {
    /// Sets what it names; the passwords given replace all that there were.
    fn apply(&self, login: &mut Login) {
        login.any_password = self.no_password;
        login.passwords = self.passwords.iter().cloned().collect();
    }
}

impl Reference {
    pub(super) fn call_users(&mut self, call: &Call) -> Expected {
        match call {
            Call::CreateUser {
                user,
                name,
                access,
                auth,
            } => self.create_user(user, name, access, auth),
            Call::ModifyUser {
                user,
                access,
                append,
                auth,
            } => self.modify_user(user, access.as_deref(), append.as_deref(), auth.as_ref()),
            Call::DescribeUsers { user: None } => {
                Ok(json!({"Users": self.users.keys().map(|id| self.show_user(id)).collect::<Vec<_>>()}))
            }
            Call::DescribeUsers { user: Some(user) } => {
                self.user(user, Broken::default())?;
                Ok(json!({"Users": [self.show_user(user)]}))
            }
            Call::DeleteUser { user } => self.delete_user(user),
            Call::CreateUserGroup { group, users } => self.create_group(group, users),
            Call::ModifyUserGroup { group, add, remove } => self.modify_group(group, add, remove),
            Call::DescribeUserGroups { group: None } => {
                Ok(json!({"UserGroups": self.groups.keys().map(|id| self.show_group(id)).collect::<Vec<_>>()}))
            }
            Call::DescribeUserGroups { group: Some(group) } => {
                self.group(group, Broken::default())?;
                Ok(json!({"UserGroups": [self.show_group(group)]}))
            }
            Call::DeleteUserGroup { group } => self.delete_group(group),
            other => unreachable!("{} is not about users", other.operation()),
        }
    }

    fn user(&self, user: &str, broken: Broken) -> Result<&User, Refused> {
        match self.users.get(user) {
            None => Err(broken.and(USER_NOT_FOUND)),
            Some(user) => broken.check().map(|()| user),
        }
    }

    fn group(&self, group: &str, broken: Broken) -> Result<&Group, Refused> {
        match self.groups.get(group) {
            None => Err(broken.and(GROUP_NOT_FOUND)),
            Some(group) => broken.check().map(|()| group),
        }
    }

    fn show_user(&self, id: &str) -> Value {
        let user = &self.users[id];
        let groups: Vec<&String> = self
            .groups
            .iter()
            .filter(|(_, g)| g.users.contains(id))
            .map(|(id, _)| id)
            .collect();
        let authentication = match user.login.any_password {
            true => json!({"Type": "no-password"}),
            false => json!({"Type": "password", "PasswordCount": user.login.passwords.len()}),
        };
        json!({
            "UserId": id, "UserName": user.name, "Status": user.status(), "UserGroupIds": groups,
            "AccessString": if user.login.on { "on" } else { "off" }, "Authentication": authentication,
        })
    }

    fn show_group(&self, id: &str) -> Value {
        let group = &self.groups[id];
        let status = if group.moving.is_empty() { "active" } else { "modifying" };
        let caches: BTreeSet<&str> = self.nodes_of(id).map(|node| &node.id[..3]).collect();
        json!({"UserGroupId": id, "Status": status, "UserIds": group.users, "ReplicationGroups": caches})
    }

    fn nodes_of<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a Node> {
        self.nodes.iter().filter(move |node| node.group == group)
    }

    /// One or two passwords of 16 to 128 printable characters without `, " / @`, or none at all ("ElastiCache
    /// RBAC"; the texts that moto quotes name the codes).
    fn auth_rules(&self, auth: &Auth, broken: &mut Broken) {
        let forbidden = |c: char| c.is_control() || (self.world.enforce_password_characters && ",\"/@".contains(c));
        let bad = |password: &String| !(16..=128).contains(&password.len()) || password.contains(forbidden);
        broken.when(auth.passwords.len() > 2 || auth.passwords.iter().any(bad), VALUE);
        let given = !auth.passwords.is_empty();
        broken.when(given && auth.no_password, COMBINATION);
        let none = !given && !auth.no_password;
        broken.when(none, VALUE);
        broken.when(none && auth.by_mode, COMBINATION);
    }

    fn create_user(&mut self, user: &str, name: &str, access: &str, auth: &Auth) -> Expected {
        let mut broken = Broken::default();
        broken.when(self.users.contains_key(user), "UserAlreadyExists");
        self.auth_rules(auth, &mut broken);
        access_rules(access, &mut broken);
        broken.check()?;
        let mut login = Login {
            on: is_on(access, false),
            any_password: false,
            passwords: BTreeSet::new(),
        };
        auth.apply(&mut login);
        let made = User {
            name: name.to_owned(),
            login,
            busy: None,
            deleting: false,
            overtaken: false,
        };
        self.users.insert(user.to_owned(), made);
        Ok(self.show_user(user))
    }

    fn modify_user(&mut self, id: &str, access: Option<&str>, append: Option<&str>, auth: Option<&Auth>) -> Expected {
        let mut broken = Broken::default();
        // "The default user can't be modified" ("ElastiCache RBAC"); the code is not documented.
        broken.when(id == "default", VALUE);
        for text in [access, append].into_iter().flatten() {
            access_rules(text, &mut broken);
        }
        if let Some(auth) = auth {
            self.auth_rules(auth, &mut broken);
        }
        let busy = self.users.get(id).is_some_and(|user| user.busy.is_some());
        broken.when(
            busy || (self.world.collisions_refused && self.works_in_a_busy_group(id)),
            USER_STATE,
        );
        let mut login = self.user(id, broken)?.login.clone();
        login.on = access.map_or(login.on, |access| is_on(access, false));
        login.on = append.map_or(login.on, |append| is_on(append, login.on));
        if let Some(auth) = auth {
            auth.apply(&mut login);
        }
        self.users.get_mut(id).unwrap().login = login;
        let groups = self.groups_of(id);
        self.change(id, &groups);
        self.settle();
        // The reply has it always ("ModifyUser" in the API reference), however soon the change is over.
        let mut reply = self.show_user(id);
        reply["Status"] = json!("modifying");
        Ok(reply)
    }

    fn groups_of(&self, user: &str) -> Vec<String> {
        let with_user = self.groups.iter().filter(|(_, group)| group.users.contains(user));
        with_user.map(|(id, _)| id.clone()).collect()
    }

    /// The switch `doubts.group_collisions`: another user of the same group is being changed.
    fn works_in_a_busy_group(&self, user: &str) -> bool {
        let busy = |id: &String| self.users.get(id).is_some_and(|user| user.busy.is_some());
        self.groups
            .values()
            .any(|group| group.users.contains(user) && group.users.iter().any(busy))
    }

    fn delete_user(&mut self, id: &str) -> Expected {
        let mut broken = Broken::default();
        broken.when(id == "default", VALUE);
        broken.when(self.users.get(id).is_some_and(|user| user.busy.is_some()), USER_STATE);
        let groups = self.groups_of(id);
        let is_default = self.users.get(id).is_some_and(|user| user.name == "default");
        broken.when(is_default && !groups.is_empty(), "DefaultUserAssociatedToUserGroup");
        self.user(id, broken)?;
        self.users.get_mut(id).unwrap().deleting = true;
        for group in &groups {
            self.groups.get_mut(group).unwrap().users.remove(id);
        }
        self.change(id, &groups);
        self.settle();
        Ok(json!({"UserId": id, "Status": "deleting"}))
    }

    /// The members of a Redis OSS group: each is there and not on its way out, no two have one name, one is
    /// named `default` ("ElastiCache RBAC").
    fn member_rules(&self, users: &BTreeSet<String>, broken: &mut Broken) {
        let there = users
            .iter()
            .filter_map(|id| self.users.get(id))
            .filter(|user| !user.deleting);
        let names: Vec<&str> = there.map(|user| user.name.as_str()).collect();
        broken.when(names.len() < users.len(), USER_NOT_FOUND);
        broken.when(
            names.iter().collect::<BTreeSet<_>>().len() < names.len(),
            DUPLICATE_NAME,
        );
        broken.when(!names.contains(&"default"), DEFAULT_REQUIRED);
    }

    fn create_group(&mut self, id: &str, users: &[String]) -> Expected {
        let users: BTreeSet<String> = users.iter().cloned().collect();
        let mut broken = Broken::default();
        broken.when(self.groups.contains_key(id), "UserGroupAlreadyExists");
        self.member_rules(&users, &mut broken);
        broken.check()?;
        self.groups.insert(
            id.to_owned(),
            Group {
                users,
                ..Group::default()
            },
        );
        Ok(json!({"UserGroupId": id, "UserIds": self.groups[id].users}))
    }

    /// Users that come or go are `modifying` until the nodes know (hashicorp/terraform-provider-aws#49976).
    fn modify_group(&mut self, id: &str, add: &[String], remove: &[String]) -> Expected {
        let mut broken = Broken::default();
        let empty = Group::default();
        let group = self.groups.get(id).unwrap_or(&empty);
        broken.when(!group.moving.is_empty(), GROUP_STATE);
        broken.when(add.is_empty() && remove.is_empty(), COMBINATION);
        // "… is not a member" fails the whole request (hashicorp/terraform-provider-aws#49945).
        broken.when(remove.iter().any(|user| !group.users.contains(user)), VALUE);
        // Nothing is known of a member that is added again; taken as the mirror image of that.
        broken.when(add.iter().any(|user| group.users.contains(user)), VALUE);
        broken.when(remove.iter().any(|user| !self.users.contains_key(user)), USER_NOT_FOUND);
        let mut users = group.users.clone();
        users.retain(|user| !remove.contains(user));
        users.extend(add.iter().cloned());
        self.member_rules(&users, &mut broken);
        self.group(id, broken)?;
        let moving: BTreeSet<String> = remove.iter().chain(add).cloned().collect();
        *self.groups.get_mut(id).unwrap() = Group { users, moving };
        // Those that go first: one that comes may have the name of one that goes.
        for user in remove.iter().chain(add) {
            let mut groups = self.groups_of(user);
            groups.push(id.to_owned());
            self.change(user, &groups);
        }
        self.settle();
        Ok(json!({"UserGroupId": id}))
    }

    /// A group that a cache has cannot go (botocore: DeleteUserGroup).
    fn delete_group(&mut self, id: &str) -> Expected {
        let mut broken = Broken::default();
        let busy = self.groups.get(id).is_some_and(|group| !group.moving.is_empty());
        broken.when(busy || self.nodes_of(id).next().is_some(), GROUP_STATE);
        self.group(id, broken)?;
        self.groups.remove(id);
        Ok(json!({"UserGroupId": id}))
    }
}
