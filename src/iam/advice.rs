//! Which policies somebody has to make, for whom, and what could not be said.

use std::collections::{BTreeMap, BTreeSet};

use super::accounts::{account, account_of, buses_of, host_account, policies_of};
use super::document::{Account, Arn, Condition, Document, Resource, Statement};
use super::given::{Given, GivenError, KmsKey};
use super::needs::Site;
use super::purpose::Purpose;
use super::split::{LONGEST_DOCUMENT, split};
use crate::config::Config;
use crate::policy::{Place, Policy, Role};

/// How many managed policies a role has unless its quota was raised (IAM user guide, "IAM and AWS STS quotas").
const POLICIES_OF_A_ROLE: usize = 10;

/// What a configuration needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Advice {
    /// The policies.
    pub policies: Vec<IamPolicy>,
    /// What somebody should know about them.
    pub warnings: Vec<String>,
}

/// A policy for somebody.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IamPolicy {
    /// Its name; no other policy of the advice has it.
    pub name: String,
    /// What it is for.
    pub kind: PolicyKind,
    /// The account in which it is to be.
    pub account: Account,
    /// Who is to have it, in words.
    pub holder: String,
    /// The policy itself.
    pub document: Document,
}

/// What a policy is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PolicyKind {
    /// What rekeyd does in a place.
    Permissions,
    /// That rekeyd may assume roles.
    AssumeRoles,
    /// The trust policy of a role: who may assume it.
    Trust,
}

impl PolicyKind {
    /// Its name in JSON.
    pub fn label(self) -> &'static str {
        match self {
            Self::Permissions => "permissions",
            Self::AssumeRoles => "assume_roles",
            Self::Trust => "trust",
        }
    }
}

/// The policies that a configuration needs.
///
/// # Errors
/// What was given does not go with the configuration.
pub fn advise(config: &Config, given: &Given) -> Result<Advice, GivenError> {
    let mut sites = sites(config, given)?;
    hand_out_keys(&mut sites, &given.kms_keys)?;
    let mut advice = Advice {
        policies: Vec::new(),
        warnings: Vec::new(),
    };
    advice.warn_of_shared_roles(&sites, given.purpose);
    for site in &sites {
        advice.permissions(site);
    }
    let host = host_account(config, given);
    advice.roles(&sites, &host, given);
    advice.warn_of_many(&sites, given.purpose);
    Ok(advice)
}

/// The places that policies work in, or from which somebody is notified.
fn sites<'a>(config: &'a Config, given: &Given) -> Result<Vec<Site<'a>>, GivenError> {
    if let (Some(principal), Some(account)) = (&given.principal, &given.account)
        && principal.account != *account
    {
        return Err(GivenError::PrincipalElsewhere(principal.arn.clone(), account.clone()));
    }
    if let Some(name) = given.place.as_ref().filter(|name| !config.places.contains_key(*name)) {
        let names: Vec<&str> = config.places.keys().map(String::as_str).collect();
        return Err(GivenError::NoPlace(name.clone(), names.join(", ")));
    }
    let wanted = |place: &&Place| given.place.as_ref().is_none_or(|name| *name == place.name);
    let mut sites = Vec::new();
    for place in config.places.values().filter(wanted) {
        let policies: Vec<&Policy> = policies_of(config, place).collect();
        let buses = match given.purpose {
            Purpose::Daemon => buses_of(config, place),
            _ => BTreeSet::new(),
        };
        let table = config
            .table()
            .filter(|(_, of)| of.name == place.name)
            .map(|(table, _)| table);
        let works = !policies.is_empty() || !buses.is_empty();
        if table.is_none() && (!works || given.purpose.needs_only_table()) {
            continue;
        }
        let account = account(place, &policies, given)?;
        sites.push(Site {
            place,
            policies,
            buses,
            table,
            account,
            kms_keys: Vec::new(),
            purpose: given.purpose,
        });
    }
    Ok(sites)
}

/// Gives each key to the places of its region.
fn hand_out_keys<'a>(sites: &mut [Site<'a>], keys: &'a [KmsKey]) -> Result<(), GivenError> {
    for key in keys {
        let mut used = false;
        for site in sites.iter_mut().filter(|site| site.place.region == key.region) {
            site.kms_keys.push(key);
            used = true;
        }
        if !used {
            return Err(GivenError::NoPlaceForKey(key.region.clone(), key.name.clone()));
        }
    }
    Ok(())
}

/// Who works in a place.
fn holder(place: &Place, purpose: Purpose) -> String {
    match (&place.role, &place.profile) {
        (Some(role), _) => format!("role {}", role.arn),
        (None, Some(profile)) => format!("the role or user of profile {profile}"),
        (None, None) => purpose.holder(),
    }
}

impl Advice {
    fn add(&mut self, name: &str, kind: PolicyKind, account: &Account, holder: &str, document: Document) {
        let mut unique = name.to_owned();
        for number in 2.. {
            if !self.policies.iter().any(|policy| policy.name == unique) {
                break;
            }
            unique = format!("{name}-{number}");
        }
        self.policies.push(IamPolicy {
            name: unique,
            kind,
            account: account.clone(),
            holder: holder.to_owned(),
            document,
        });
    }

    /// Says which policies leave an account open, where the text has no better word for it than any.
    pub fn warn_of_open_accounts(&mut self) {
        let open = self
            .policies
            .iter()
            .filter(|policy| policy.document.leaves_account_open());
        let open: Vec<&str> = open.map(|policy| policy.name.as_str()).collect();
        if !open.is_empty() {
            self.warnings.push(format!(
                "no account is known for {}: ARNs have * there, which is any account that lets the holder in; give \
                 --account",
                open.join(", ")
            ));
        }
    }

    fn permissions(&mut self, site: &Site<'_>) {
        let name = format!("{}-{}", site.purpose.prefix(), site.place.name);
        let holder = holder(site.place, site.purpose);
        for document in split(site.permissions()) {
            self.add(&name, PolicyKind::Permissions, &site.account, &holder, document);
        }
    }

    /// What lets rekeyd into the roles of places: of each its trust policy, and with whom it begins the right to assume
    /// them.
    fn roles(&mut self, sites: &[Site<'_>], host: &Account, given: &Given) {
        let mut roles: BTreeMap<&str, Vec<&Site<'_>>> = BTreeMap::new();
        let mut sources: BTreeMap<Option<&str>, BTreeSet<&str>> = BTreeMap::new();
        for site in sites {
            let Some(role) = &site.place.role else { continue };
            roles.entry(&role.arn).or_default().push(site);
            sources
                .entry(site.place.profile.as_deref())
                .or_default()
                .insert(&role.arn);
        }
        let prefix = given.purpose.prefix();
        for (profile, arns) in sources {
            let (name, holder) = match profile {
                None => (format!("{prefix}-assume-roles"), given.purpose.holder()),
                Some(profile) => (
                    format!("{prefix}-assume-roles-{}", plain(profile)),
                    format!("the role or user of profile {profile}"),
                ),
            };
            let account = if profile.is_some() { &Account::Own } else { host };
            let resources = arns.into_iter().filter_map(role_resource).collect();
            let assume = Statement::new("AssumeRoles", &["sts:AssumeRole"], resources);
            let statements = vec![assume];
            self.add(
                &name,
                PolicyKind::AssumeRoles,
                account,
                &holder,
                Document { statements },
            );
        }
        for (arn, sites) in roles {
            self.trust(arn, &sites, host, given);
        }
    }

    fn trust(&mut self, role_arn: &str, sites: &[&Site<'_>], host: &Account, given: &Given) {
        let profile = sites.iter().find_map(|site| site.place.profile.as_deref());
        let host = if profile.is_some() { &Account::Own } else { host };
        let partition = role_arn.split(':').nth(1).unwrap_or_default();
        let principal = match (&given.principal, host) {
            (Some(principal), _) => principal.arn.clone(),
            (None, Account::Known(account)) => format!("arn:{partition}:iam::{account}:root"),
            (None, Account::Own) => {
                self.warnings.push(format!(
                    "the trust policy of {role_arn} is left out, for it names who assumes the role: give \
                     --principal with the ARN of {}",
                    given.purpose.holder()
                ));
                return;
            }
        };
        let ids: Vec<Option<&String>> = roles(sites).map(|role| role.external_id.as_ref()).collect();
        // A place without external id would be shut out by a condition on it.
        let ids: Option<BTreeSet<String>> = ids.into_iter().map(|id| id.cloned()).collect();
        let conditions = ids.map(|ids| Condition::equals("sts:ExternalId", ids));
        let statement = Statement {
            principal: Some(principal),
            conditions: conditions.into_iter().collect(),
            ..Statement::new("LetRekeydIn", &["sts:AssumeRole"], Vec::new())
        };
        let name = sites.first().map_or(String::new(), |site| {
            format!("{}-{}-trust", site.purpose.prefix(), site.place.name)
        });
        let holder = format!("role {role_arn}, as its trust policy");
        let statements = vec![statement];
        self.add(
            &name,
            PolicyKind::Trust,
            &account_of(role_arn),
            &holder,
            Document { statements },
        );
    }

    /// Says which roles the daemon would share with a command that needs more than it does.
    fn warn_of_shared_roles(&mut self, sites: &[Site<'_>], purpose: Purpose) {
        let of_role = |site: &&Site<'_>| site.place.role.is_some();
        for site in sites.iter().filter(of_role).filter(|_| purpose.exceeds_daemon()) {
            let place = &site.place.name;
            self.warnings.push(format!(
                "the role of [aws.{place}] is the daemon's, too, which is to have no more than it needs: let \
                 REKEYD__AWS__{}__ROLE_ARN name another role where `rekeyd {}` is run, also for this command",
                place.to_ascii_uppercase(),
                purpose.typed()
            ));
        }
    }

    /// Says where IAM's limits are reached.
    fn warn_of_many(&mut self, sites: &[Site<'_>], purpose: Purpose) {
        let mut held: BTreeMap<&str, usize> = BTreeMap::new();
        for policy in self.policies.iter().filter(|policy| policy.kind != PolicyKind::Trust) {
            *held.entry(&policy.holder).or_default() += 1;
        }
        let many = held.into_iter().filter(|(_, policies)| *policies > POLICIES_OF_A_ROLE);
        let many: Vec<String> = many
            .map(|(holder, policies)| {
                format!(
                    "{policies} policies for {holder}, of at most {LONGEST_DOCUMENT} characters each; IAM attaches \
                     {POLICIES_OF_A_ROLE} to a role unless its quota is raised. `select` with a prefix or tags needs fewer"
                )
            })
            .collect();
        self.warnings.extend(many);
        if sites.is_empty() {
            let why = match purpose.needs_only_table() {
                true => "the configuration keeps records in no table that is reached there: nothing is needed",
                false => "no policy of the configuration works there: nothing is needed",
            };
            self.warnings.push(why.to_owned());
        }
    }
}

fn roles<'a>(sites: &'a [&'a Site<'a>]) -> impl Iterator<Item = &'a Role> {
    sites.iter().filter_map(|site| site.place.role.as_ref())
}

fn role_resource(arn: &str) -> Option<Resource> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [_, partition, _, _, account, name] = parts[..] else {
        return None;
    };
    Some(Resource::Arn(Arn {
        partition: partition.to_owned(),
        service: "iam",
        region: String::new(),
        account: Account::Known(account.to_owned()),
        rest: name.to_owned(),
    }))
}

/// A name as IAM takes it.
fn plain(name: &str) -> String {
    let fits = |character: char| character.is_ascii_alphanumeric() || "_+=,.@-".contains(character);
    name.chars()
        .map(|character| if fits(character) { character } else { '-' })
        .collect()
}
