//! How many calls a second are taken: a token bucket for each quota, on the sandbox's clock.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::operation::Service;
use crate::error::ApiError;
use crate::settings::Quotas;

/// What a call that came too soon has in the log where others have their fault.
pub(crate) const FAULT: &str = "quota";

/// Operations that share a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Bucket {
    SecretWrites,
    RotateSecret,
    TagResource,
    GetRandomPassword,
    BatchGetSecretValue,
    ListSecrets,
    GetSecretValue,
    DescribeSecret,
    ModifyUser,
    Describes,
}

impl Bucket {
    fn of(service: Service, operation: &str) -> Option<Self> {
        Some(match (service, operation) {
            (
                Service::SecretsManager,
                "PutSecretValue"
                | "UpdateSecret"
                | "UpdateSecretVersionStage"
                | "ReplicateSecretToRegions"
                | "RemoveRegionsFromReplication"
                | "StopReplicationToReplica",
            ) => Self::SecretWrites,
            (Service::SecretsManager, "RotateSecret" | "CancelRotateSecret") => Self::RotateSecret,
            (Service::SecretsManager, "TagResource" | "UntagResource") => Self::TagResource,
            (Service::SecretsManager, "GetRandomPassword") => Self::GetRandomPassword,
            (Service::SecretsManager, "BatchGetSecretValue") => Self::BatchGetSecretValue,
            (Service::SecretsManager, "ListSecrets") => Self::ListSecrets,
            (Service::SecretsManager, "GetSecretValue") => Self::GetSecretValue,
            (Service::SecretsManager, "DescribeSecret") => Self::DescribeSecret,
            (Service::ElastiCache, "ModifyUser") => Self::ModifyUser,
            (Service::ElastiCache, name) if name.starts_with("Describe") => Self::Describes,
            _ => return None,
        })
    }

    /// Calls a second; nothing where no quota is set.
    fn rate(self, quotas: &Quotas) -> Option<u32> {
        match self {
            Self::SecretWrites => Some(quotas.secret_writes),
            Self::RotateSecret => Some(quotas.rotate_secret),
            Self::TagResource => Some(quotas.tag_resource),
            Self::GetRandomPassword => Some(quotas.get_random_password),
            Self::BatchGetSecretValue => Some(quotas.batch_get_secret_value),
            Self::ListSecrets => Some(quotas.list_secrets),
            Self::GetSecretValue => Some(quotas.get_secret_value),
            Self::DescribeSecret => Some(quotas.describe_secret),
            Self::ModifyUser => quotas.modify_user,
            Self::Describes => quotas.describes,
        }
    }
}

/// The buckets of one account and region. Each is kept as the moment at which it will be full again, which says the
/// same as a number of tokens and needs no fractions.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    full_at: BTreeMap<Bucket, DateTime<Utc>>,
}

impl Buckets {
    /// Takes a token for a call. A bucket holds one second's worth and is full at first; a refused call costs nothing.
    pub(crate) fn take(
        &mut self,
        quotas: &Quotas,
        now: DateTime<Utc>,
        service: Service,
        operation: &str,
    ) -> Result<(), ApiError> {
        let bucket = Bucket::of(service, operation);
        let Some((bucket, rate)) = bucket.and_then(|bucket| Some((bucket, bucket.rate(quotas)?))) else {
            return Ok(());
        };
        let second = TimeDelta::seconds(1);
        let Some(one) = second.checked_div(i32::try_from(rate).unwrap_or(i32::MAX)) else {
            return Err(ApiError::throttled(service)); // a quota of nothing
        };
        // Never more than a second away, unless the clock was set back.
        let full_at = self.full_at.entry(bucket).or_insert(now);
        *full_at = (*full_at).clamp(now, now + second);
        if *full_at + one > now + second {
            return Err(ApiError::throttled(service));
        }
        *full_at += one;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn quotas() -> Quotas {
        Quotas {
            enabled: true,
            modify_user: Some(3),
            ..Quotas::default()
        }
    }

    /// How many of `calls` calls at one moment are taken.
    fn taken(buckets: &mut Buckets, quotas: &Quotas, ms: i64, calls: usize, operation: &str) -> usize {
        let now = DateTime::UNIX_EPOCH + TimeDelta::milliseconds(ms);
        let service = if operation == "ModifyUser" {
            Service::ElastiCache
        } else {
            Service::SecretsManager
        };
        (0..calls)
            .filter(|_| buckets.take(quotas, now, service, operation).is_ok())
            .count()
    }

    #[test]
    fn a_bucket_holds_a_seconds_worth_and_fills_at_its_rate() {
        let (mut buckets, quotas) = (Buckets::default(), quotas());
        assert_eq!(taken(&mut buckets, &quotas, 0, 60, "PutSecretValue"), 50);
        assert_eq!(taken(&mut buckets, &quotas, 19, 5, "PutSecretValue"), 0);
        assert_eq!(taken(&mut buckets, &quotas, 20, 5, "UpdateSecretVersionStage"), 1);
        assert_eq!(taken(&mut buckets, &quotas, 220, 20, "UpdateSecret"), 10);
        assert_eq!(taken(&mut buckets, &quotas, 9_000, 60, "PutSecretValue"), 50);
        assert_eq!(taken(&mut buckets, &quotas, 9_000, 3, "RotateSecret"), 3);
    }

    #[test]
    fn over_a_minute_exactly_the_rate_is_taken() {
        let (mut buckets, quotas) = (Buckets::default(), quotas());
        let calls = (0..60_000).map(|ms| taken(&mut buckets, &quotas, ms, 1, "ModifyUser"));
        assert_eq!(calls.sum::<usize>(), 3 + 3 * 60 - 1);
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_close_a_bucket_for_longer_than_a_second() {
        let (mut buckets, quotas) = (Buckets::default(), quotas());
        assert_eq!(taken(&mut buckets, &quotas, 3_600_000, 60, "PutSecretValue"), 50);
        assert_eq!(taken(&mut buckets, &quotas, 0, 60, "PutSecretValue"), 0);
        assert_eq!(taken(&mut buckets, &quotas, 1_000, 60, "PutSecretValue"), 50);
    }

    #[test]
    fn what_has_no_quota_is_not_counted() {
        let mut buckets = Buckets::default();
        assert_eq!(taken(&mut buckets, &quotas(), 0, 60, "CreateSecret"), 60);
        let mut none = quotas();
        none.modify_user = None;
        assert_eq!(taken(&mut buckets, &none, 0, 60, "ModifyUser"), 60);
        none.modify_user = Some(0);
        assert_eq!(taken(&mut buckets, &none, 0, 60, "ModifyUser"), 0);
    }
}
