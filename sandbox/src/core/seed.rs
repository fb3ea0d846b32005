//! Things that no API call of the sandbox can make.

use serde::{Deserialize, Serialize};

use super::cache::errors::cache_not_found;
use super::cache::model::GlobalMember;
use super::operation::Env;
use super::secrets::replicas::Replica;
use crate::error::ApiError;

/// `POST /_sandbox/seed`: give `secret` or `global_replication_group`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Seed {
    /// The account, if not the usual one.
    pub account: Option<String>,
    /// The region, if not `us-east-1`.
    pub region: Option<String>,
    /// A secret that exists, to change.
    pub secret: Option<String>,
    /// The service that manages it.
    pub owning_service: Option<String>,
    /// The regions that it is replicated to.
    pub replicated_to: Option<Vec<String>>,
    /// The region of which it is a replica.
    pub primary_region: Option<String>,
    /// A global datastore to make.
    pub global_replication_group: Option<String>,
    /// Its members.
    pub members: Option<Vec<GlobalSeed>>,
}

/// A member of a global datastore.
pub type GlobalSeed = GlobalMember;

impl Env<'_> {
    pub(crate) fn seed(&mut self, seed: Seed) -> Result<(), ApiError> {
        if let Some(id) = &seed.secret {
            let region = self.account.region.clone();
            let secret = self.account.secret_mut(id)?;
            secret.owning_service = seed.owning_service.or(secret.owning_service.take());
            if let Some(regions) = seed.replicated_to {
                secret.primary_region = (!regions.is_empty()).then_some(region);
                secret.replicas = regions.into_iter().map(Replica::described).collect();
            }
            secret.primary_region = seed.primary_region.or(secret.primary_region.take());
        }
        if let Some(id) = seed.global_replication_group {
            let members = seed.members.unwrap_or_default();
            self.seed_global(&id, members)?;
        }
        Ok(())
    }

    fn seed_global(&mut self, id: &str, members: Vec<GlobalMember>) -> Result<(), ApiError> {
        let here: Vec<String> = members
            .iter()
            .filter(|member| member.region == self.account.region)
            .map(|member| member.replication_group.clone())
            .collect();
        for member in &here {
            let cache = self.account.cache.caches.get_mut(member);
            cache.ok_or_else(|| cache_not_found(member))?.global = Some(id.to_owned());
        }
        self.account.cache.globals.insert(id.to_owned(), members);
        Ok(())
    }
}
