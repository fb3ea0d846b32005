//! Many users at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rekeyd::rotation::event::Event;
use rekeyd::rotation::version::version_id;
use rekeyd_sandbox::LoginAnswer;
use rekeyd_sandbox::elasticache as ec;

use super::Simulation;
use crate::support::world::{REGION, document, document_with, secret_name};

/// How many users share a group and its cache; with `default` they are as many as AWS allows.
const GROUP_OF: usize = 99;

/// The password that the users of a fleet begin with.
pub const FLEET_PASSWORD: &str = "the-first-password-1";

impl Simulation {
    /// So many users in use, each with a secret, in groups with a cache each: `fleet0` of
    /// two nodes, `fleet1` and so on of one, since every node costs the auditor time. Gives the users.
    /// In another region than the usual one, all names begin with the region's.
    pub async fn fleet(&self, count: usize) -> Vec<String> {
        let users: Vec<_> = names(count).into_iter().map(|name| self.named_here(&name)).collect();
        for user in &users {
            self.create_user(user, FLEET_PASSWORD).await;
            let partition = rekeyd::policy::partition_of(&self.region);
            let document = document_with(user, FLEET_PASSWORD).replace(REGION, &self.region);
            let document = document.replace("arn:aws:", &format!("arn:{partition}:"));
            self.create_secret(&secret_name(user), &document).await;
        }
        self.caches(&users).await;
        users
    }

    /// The same, forty days later.
    pub async fn overdue_fleet(&self, count: usize) -> Vec<String> {
        let users = self.fleet(count).await;
        self.run_for(Duration::from_secs(40 * 86_400)).await;
        users
    }

    /// So many users as the AWS guide makes them, each with a secret without password.
    pub async fn inactive_fleet(&self, count: usize) -> Vec<String> {
        let users = names(count);
        for user in &users {
            self.create_inactive_user(user).await;
            self.create_secret(&secret_name(user), &document(user)).await;
        }
        self.caches(&users).await;
        users
    }

    fn named_here(&self, name: &str) -> String {
        match self.region.as_str() {
            REGION => name.to_owned(),
            region => format!("{region}-{name}"),
        }
    }

    async fn caches(&self, users: &[String]) {
        for (number, members) in users.chunks(GROUP_OF).enumerate() {
            let name = self.named_here(&format!("fleet{number}"));
            let members = std::iter::once("default".to_owned()).chain(members.iter().cloned());
            self.call(ec::CreateUserGroup {
                user_group_id: name.clone(),
                engine: "redis".to_owned(),
                user_ids: Some(members.collect()),
                ..ec::CreateUserGroup::default()
            })
            .await;
            self.call(ec::CreateReplicationGroup {
                replication_group_id: name.clone(),
                replication_group_description: "for tests".to_owned(),
                num_cache_clusters: Some(if number == 0 { 2 } else { 1 }),
                transit_encryption_enabled: Some(true),
                user_group_ids: Some(vec![name]),
                ..ec::CreateReplicationGroup::default()
            })
            .await;
        }
    }

    /// How many versions each secret has, by its name.
    pub fn versions(&self) -> BTreeMap<String, usize> {
        let secrets = self.world.sandbox.secrets().into_iter();
        secrets.map(|secret| (secret.name, secret.versions.len())).collect()
    }

    /// Each secret has one new version, derived from its first, whose password works on every node that
    /// serves its user, and the old one's on none.
    pub fn each_is_rotated_once(&self, users: &[String]) {
        let mut new = BTreeSet::new();
        for user in users {
            let secret = self.secret(&secret_name(user));
            let first = secret.holder("AWSPREVIOUS").expect("a previous version").id.clone();
            let second = secret.holder("AWSCURRENT").expect("a current version").id.clone();
            assert_eq!(secret.versions.len(), 2, "{user}");
            assert_eq!(second, version_id(&secret.arn, &first, 0), "{user}");
            new.insert(second);
            let password = self.password(&secret_name(user), "AWSCURRENT").unwrap();
            let mut nodes = self.world.sandbox.answers(user, user, &[&password, FLEET_PASSWORD]);
            nodes.retain(|node| node.serves);
            assert!(!nodes.is_empty(), "{user} has no node");
            for node in nodes {
                assert_eq!(
                    node.answers,
                    [LoginAnswer::Ok, LoginAnswer::WrongPass],
                    "{user} on {}",
                    node.node
                );
            }
        }
        assert_eq!(new.len(), users.len());
    }

    /// When the rotations of a secret began, by what its replicas have stored.
    pub fn starts(&self, secret_arn: &str) -> Vec<DateTime<Utc>> {
        let journal = self.world.journal();
        let of = journal.iter().filter(|entry| entry.secret_arn == secret_arn);
        of.filter(|entry| matches!(entry.event, Event::RotationStarted { .. }))
            .map(|entry| entry.at)
            .collect()
    }

    /// How many secrets have more than their first version.
    pub fn begun(&self) -> usize {
        self.versions().values().filter(|versions| **versions > 1).count()
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("user{number:04}")).collect()
}
