//! What `rekeyd onboard` calls by itself. The first rotation is the daemon's.

use super::document::{Resource, Statement};
use super::needs::{SUFFIX, Site, tag_conditions};

/// What makes a secret. One that is made with tags needs TagResource, too (API reference, CreateSecret).
const MAKE: [&str; 2] = ["secretsmanager:CreateSecret", "secretsmanager:TagResource"];

/// What looks for a secret.
const LOOK: [&str; 1] = ["secretsmanager:DescribeSecret"];

/// What reads a secret that is there, and completes it.
const COMPLETE: [&str; 5] = [
    "secretsmanager:GetSecretValue",
    "secretsmanager:ListSecretVersionIds",
    "secretsmanager:PutSecretValue",
    "secretsmanager:TagResource",
    "secretsmanager:UpdateSecretVersionStage",
];

/// What makes a user, and switches it on. One that is made with tags needs AddTagsToResource, too (Service
/// Authorization Reference, the dependent actions of CreateUser).
const MAKE_USERS: [&str; 3] = [
    "elasticache:AddTagsToResource",
    "elasticache:CreateUser",
    "elasticache:ModifyUser",
];

impl Site<'_> {
    /// Its statements but for the look-ups and the keys.
    pub(super) fn onboarding(&self) -> Vec<Statement> {
        let mut statements = self.secrets_to_make();
        let users = self.users();
        statements.push(Statement::new("MakeUsers", &MAKE_USERS, users.clone()));
        // ModifyUserGroup is checked on the group and on each user that joins (Service Authorization Reference). Which
        // groups there are the configuration does not say.
        let mut members = vec![self.arn("elasticache", "usergroup:*")];
        members.extend(users);
        statements.push(Statement::new("JoinGroups", &["elasticache:ModifyUserGroup"], members));
        // Of `--by-tag` alone.
        let all_users = vec![self.arn("elasticache", "user:*")];
        statements.push(Statement::new(
            "ListSecrets",
            &["secretsmanager:ListSecrets"],
            vec![Resource::All],
        ));
        statements.push(Statement::new(
            "ReadUserTags",
            &["elasticache:ListTagsForResource"],
            all_users,
        ));
        statements
    }

    /// A secret that is not there yet has neither the characters that end ARNs nor tags: it is looked for, and made, by its
    /// name alone, with the tags that it is to have.
    fn secrets_to_make(&self) -> Vec<Statement> {
        let mut statements = Vec::new();
        let plain = self.untagged(&["", SUFFIX]);
        if !plain.is_empty() {
            let mut actions: Vec<&'static str> = [&MAKE[..], &LOOK, &COMPLETE].concat();
            actions.sort_unstable();
            actions.dedup();
            statements.push(Statement::new("OnboardSecrets", &actions, plain));
        }
        for (number, (tags, resources)) in (1..).zip(self.tagged()) {
            statements.push(Statement::new(
                format!("LookForTaggedSecrets{number}"),
                &LOOK,
                resources.clone(),
            ));
            statements.push(Statement {
                conditions: tag_conditions("aws:RequestTag", tags.clone()),
                ..Statement::new(format!("MakeTaggedSecrets{number}"), &MAKE, resources.clone())
            });
            statements.push(Statement {
                conditions: tag_conditions("aws:ResourceTag", tags),
                ..Statement::new(format!("OnboardTaggedSecrets{number}"), &COMPLETE, resources)
            });
        }
        statements
    }
}
