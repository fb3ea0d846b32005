//! What happened, in order, with the thing that it happened to before and after: for a judge who has to know who
//! changed what, and who cannot afford to compare everything with everything. Kept only once somebody follows it.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::account::{Account, Event};
use super::operation::Service;
use super::{CallContext, State};
use crate::inspect::{SecretView, UserView};

/// A call that changed something, or something that the service did by itself.
#[derive(Debug, Clone)]
pub struct Happening {
    /// When it was applied, which may be long after it arrived.
    pub at: DateTime<Utc>,
    /// Whose call it was, by access key id; nobody's if the service did it.
    pub access_key: Option<String>,
    /// The region.
    pub region: String,
    /// The signature's date.
    pub signed_at: Option<DateTime<Utc>>,
    /// The operation, or the name of what the service did.
    pub operation: &'static str,
    /// What it was about, if it was about one thing.
    pub resource: Option<String>,
    /// That secret before and after, if it was one.
    pub secret: Change<SecretView>,
    /// That user before and after, if it was one.
    pub user: Change<UserView>,
}

/// A thing before and after.
#[derive(Debug, Clone)]
pub struct Change<T> {
    /// Nothing if there was none.
    pub before: Option<T>,
    /// Nothing if there is none any more.
    pub after: Option<T>,
}

/// What has happened since the last time somebody asked.
#[derive(Debug, Default)]
pub struct Trail {
    /// What changed by calls, and what the service did to secrets, in order.
    pub happenings: Vec<Happening>,
    /// The names of users of whom a node has learned something.
    pub users: BTreeSet<String>,
    /// Whether nodes may have changed in any other way.
    pub nodes: bool,
}

impl Trail {
    /// Whether nothing has happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.happenings.is_empty() && self.users.is_empty() && !self.nodes
    }
}

/// What a call or an event is about, as it was before.
pub(crate) struct Footing {
    happening: Happening,
    service: Service,
}

impl Footing {
    fn look(
        &self,
        account: &Account,
        now: DateTime<Utc>,
        modifying_lag_ms: u64,
    ) -> (Option<SecretView>, Option<UserView>) {
        let Some(resource) = &self.happening.resource else {
            return (None, None);
        };
        match self.service {
            Service::SecretsManager => {
                let secret = account.secret(resource).ok();
                (secret.map(|secret| SecretView::of(account, secret)), None)
            }
            Service::ElastiCache => {
                let user = account.cache.users.get(&resource.to_ascii_lowercase());
                (None, user.map(|user| UserView::of(user, now, modifying_lag_ms)))
            }
        }
    }
}

impl State {
    /// Nodes may have changed in a way that no call and no event shows.
    pub(crate) fn nodes_changed(&mut self) {
        if let Some(trail) = &mut self.trail {
            trail.nodes = true;
        }
    }

    /// Remembers how things are before a call, if somebody follows.
    pub(crate) fn footing(
        &self,
        now: DateTime<Utc>,
        ctx: &CallContext,
        (service, operation): (Service, &'static str),
        resource: Option<&str>,
    ) -> Option<Footing> {
        self.trail.as_ref()?;
        let mut footing = Footing {
            happening: Happening {
                at: now,
                access_key: Some(ctx.access_key.clone()),
                region: ctx.region.clone(),
                signed_at: ctx.signed_at,
                operation,
                resource: resource.map(ToOwned::to_owned),
                secret: Change {
                    before: None,
                    after: None,
                },
                user: Change {
                    before: None,
                    after: None,
                },
            },
            service,
        };
        let account = self.accounts.get(&(ctx.account.clone(), ctx.region.clone()))?;
        let (secret, user) = footing.look(account, now, self.settings.modifying_lag_ms);
        (footing.happening.secret.before, footing.happening.user.before) = (secret, user);
        Some(footing)
    }

    /// Writes down a call that changed something.
    pub(crate) fn changed(&mut self, ctx: &CallContext, footing: Option<Footing>) {
        let Some((mut footing, account)) = footing.and_then(|footing| {
            let account = self.accounts.get(&(ctx.account.clone(), ctx.region.clone()))?;
            Some((footing, account))
        }) else {
            return;
        };
        let (secret, user) = footing.look(account, footing.happening.at, self.settings.modifying_lag_ms);
        (footing.happening.secret.after, footing.happening.user.after) = (secret, user);
        if let Some(trail) = &mut self.trail {
            // What a user's change does to the nodes, its news tell.
            trail.nodes |= footing.service == Service::ElastiCache && footing.happening.operation != "ModifyUser";
            trail.happenings.push(footing.happening);
        }
    }
}

impl Trail {
    /// Writes down an event. `secrets` shows the secret that it is about before and after.
    pub(crate) fn note(&mut self, at: DateTime<Utc>, region: &str, event: &Event, secret: Change<SecretView>) {
        let (operation, name) = match event {
            Event::Deliver { user_name, .. } => {
                self.users.insert(user_name.clone());
                return;
            }
            Event::UserSettles { .. } | Event::TokensSettle { .. } => return,
            Event::NodeBegins { .. } => {
                self.nodes = true;
                return;
            }
            Event::SecretExpires { name, .. } => ("secret expires", name),
            Event::PendingSwept { name, .. } => ("pending label swept", name),
        };
        self.happenings.push(Happening {
            at,
            access_key: None,
            region: region.to_owned(),
            signed_at: None,
            operation,
            resource: Some(name.clone()),
            secret,
            user: Change {
                before: None,
                after: None,
            },
        });
    }
}

/// The secret that an event is about.
pub(crate) fn secret_of(account: &Account, event: &Event) -> Option<SecretView> {
    match event {
        Event::SecretExpires { name, .. } | Event::PendingSwept { name, .. } => {
            account.secrets.get(name).map(|secret| SecretView::of(account, secret))
        }
        _ => None,
    }
}
