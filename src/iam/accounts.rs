//! Which account a place is in, as far as anybody said.

use std::collections::BTreeSet;

use super::document::Account;
use super::given::{Given, GivenError};
use crate::config::{Channel, Config};
use crate::policy::{Place, Policy};
use crate::secret::secret_arn_place;

/// The policies that work in a place.
pub(super) fn policies_of<'a>(config: &'a Config, place: &'a Place) -> impl Iterator<Item = &'a Policy> {
    config.policies.values().filter(|policy| policy.place == place.name)
}

/// The event buses that are reached with the credentials of a place.
pub(super) fn buses_of<'a>(config: &'a Config, place: &Place) -> BTreeSet<&'a str> {
    let channels = config.notify.values().map(|target| &target.channel);
    let buses = channels.filter_map(|channel| match channel {
        Channel::EventBridge { place: of, bus } if *of == place.name => Some(bus.as_str()),
        _ => None,
    });
    buses.collect()
}

/// The account of a place: its role's, or the one that its secrets' ARNs name, or what the operator says of rekeyd's own
/// credentials. A profile's account may be another.
pub(super) fn account(place: &Place, policies: &[&Policy], given: &Given) -> Result<Account, GivenError> {
    if let Some(role) = &place.role {
        return Ok(account_of(&role.arn));
    }
    let said = given_account(given).filter(|_| place.profile.is_none() || given.place.is_some());
    match (only(&named_accounts(policies)), said) {
        (Some(named), Some(said)) if named != said => Err(GivenError::OtherAccount {
            place: place.name.clone(),
            named: named.to_owned(),
            given: said.to_owned(),
        }),
        (Some(account), _) | (None, Some(account)) => Ok(Account::Known(account.to_owned())),
        (None, None) => Ok(Account::Own),
    }
}

/// The accounts that secrets' ARNs name.
fn named_accounts<'a>(policies: &[&'a Policy]) -> BTreeSet<&'a str> {
    let secrets = policies.iter().flat_map(|policy| &policy.selection.secrets);
    secrets.filter_map(|secret| Some(secret_arn_place(secret)?.1)).collect()
}

/// The one account, if there is one and no other.
fn only<'a>(accounts: &BTreeSet<&'a str>) -> Option<&'a str> {
    accounts.first().copied().filter(|_| accounts.len() == 1)
}

/// The account of rekeyd's own credentials, as the operator says.
fn given_account(given: &Given) -> Option<&str> {
    let principal = given.principal.as_ref().map(|principal| principal.account.as_str());
    principal.or(given.account.as_deref())
}

/// A role's account.
pub(super) fn account_of(role_arn: &str) -> Account {
    role_arn
        .split(':')
        .nth(4)
        .map_or(Account::Own, |account| Account::Known(account.to_owned()))
}

/// The account that rekeyd's own credentials are in.
pub(super) fn host_account(config: &Config, given: &Given) -> Account {
    if let Some(account) = given_account(given) {
        return Account::Known(account.to_owned());
    }
    let own = config
        .places
        .values()
        .filter(|place| place.role.is_none() && place.profile.is_none());
    let named: BTreeSet<&str> = own
        .flat_map(|place| named_accounts(&policies_of(config, place).collect::<Vec<_>>()))
        .collect();
    only(&named).map_or(Account::Own, |account| Account::Known(account.to_owned()))
}
