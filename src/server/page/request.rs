//! What a page was asked for, by GET parameters alone.

use std::collections::BTreeMap;

use crate::rotation::status::{Phase, SecretStatus};

use super::parts::link;
use crate::clock::Timestamp;

/// How many secrets a page shows.
pub(super) const ROWS: usize = 50;

/// The longest text that is searched for: the longest name of a secret.
const LONGEST_SEARCH: usize = 512;

/// No page has a higher number.
const MOST_PAGES: usize = 100_000;

/// So often, in seconds, a page may load itself anew.
const REFRESH: std::ops::RangeInclusive<u32> = 5..=3_600;

/// Which secrets the status page is to show, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Wanted {
    /// Those of this policy.
    pub(super) policy: String,
    /// Those that stand so.
    pub(super) state: State,
    /// Those whose name, user or reason has this in it.
    pub(super) search: String,
    /// In this order.
    pub(super) order: Order,
    /// From 1 on.
    pub(super) page: usize,
    /// After how many seconds the page loads itself anew.
    pub(super) refresh: Option<u32>,
}

/// How a secret must stand to be shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    Any,
    NeedsAPerson,
    Overdue,
    Drifted,
    Unproven,
    In(Phase),
}

impl State {
    /// Every one, as the form offers them.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let beside = [
            Self::Any,
            Self::NeedsAPerson,
            Self::Overdue,
            Self::Drifted,
            Self::Unproven,
        ];
        beside.into_iter().chain(Phase::ALL.map(Self::In))
    }

    /// Its name in an address.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Any => "",
            Self::NeedsAPerson => "needs_a_person",
            Self::Overdue => "overdue",
            Self::Drifted => "drifted",
            Self::Unproven => "unproven",
            Self::In(phase) => phase.label(),
        }
    }

    /// Its name for people.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::NeedsAPerson => "needs a person",
            Self::Overdue => "overdue",
            Self::Drifted => "drifted",
            Self::Unproven => "unproven",
            Self::In(phase) => of_phase(phase),
        }
    }

    /// The same behind a number.
    pub(super) fn counted(self, count: usize) -> &'static str {
        match (self, count) {
            (Self::NeedsAPerson, 0 | 2..) => "need a person",
            (Self::In(Phase::NeedsAttention), 0 | 2..) => "need attention",
            _ => self.words(),
        }
    }

    fn fits(self, secret: &SecretStatus, now: Timestamp) -> bool {
        match self {
            Self::Any => true,
            Self::NeedsAPerson => secret.needs_a_person(),
            Self::Overdue => secret.is_overdue(now),
            Self::Drifted => secret.drift.is_some(),
            Self::Unproven => secret.is_unproven(),
            Self::In(phase) => secret.phase == phase,
        }
    }
}

/// A phase for people.
pub(super) fn of_phase(phase: Phase) -> &'static str {
    match phase {
        Phase::NeedsAttention => "needs attention",
        Phase::Overlap => "in overlap",
        phase => phase.label(),
    }
}

/// The order of secrets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Order {
    Trouble,
    Name,
    LastRotation,
    NextRotation,
}

impl Order {
    pub(super) const ALL: [Self; 4] = [Self::Trouble, Self::Name, Self::LastRotation, Self::NextRotation];

    /// Its name in an address.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Trouble => "",
            Self::Name => "name",
            Self::LastRotation => "last",
            Self::NextRotation => "next",
        }
    }

    /// Its name for people.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Trouble => "trouble first",
            Self::Name => "by name",
            Self::LastRotation => "oldest rotation first",
            Self::NextRotation => "next rotation first",
        }
    }

    /// Where a secret stands among the others: the least first, and by name where it is the same.
    pub(super) fn rank(self, secret: &SecretStatus, now: Timestamp) -> i64 {
        let date = |at: Option<Timestamp>| at.map_or(i64::MAX, |at| at.timestamp());
        match self {
            Self::Name => 0,
            Self::LastRotation => date(secret.last_rotation_at),
            Self::NextRotation => date(secret.next_rotation_at),
            Self::Trouble => {
                let urgency = i64::from(secret.phase.urgency());
                match (secret.needs_a_person(), secret.is_overdue(now)) {
                    (true, _) => urgency,
                    (false, true) => 100 + urgency,
                    (false, false) => 200 + urgency,
                }
            }
        }
    }
}

impl Wanted {
    /// Everything, the first page.
    pub(super) fn everything() -> Self {
        Self {
            policy: String::new(),
            state: State::Any,
            search: String::new(),
            order: Order::Trouble,
            page: 1,
            refresh: None,
        }
    }

    /// Reads a query. What a form leaves empty counts as not given.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(super) fn parse(query: &str) -> Result<Self, String> {
        let mut wanted = Self::everything();
        for (name, value) in given(query)? {
            let offered = |choices: Vec<&str>| {
                let choices: Vec<_> = choices.into_iter().filter(|choice| !choice.is_empty()).collect();
                format!("{name} cannot be {value:?}; it is one of {}", choices.join(", "))
            };
            match name.as_str() {
                "policy" => wanted.policy = value,
                "q" => wanted.search = searched(&value)?,
                "page" => wanted.page = number(&name, &value, 1..=MOST_PAGES)?,
                "refresh" => wanted.refresh = Some(number(&name, &value, REFRESH)?),
                "state" => {
                    wanted.state = State::all()
                        .find(|state| state.label() == value)
                        .ok_or_else(|| offered(State::all().map(State::label).collect()))?;
                }
                "sort" => {
                    wanted.order = Order::ALL
                        .into_iter()
                        .find(|order| order.label() == value)
                        .ok_or_else(|| offered(Order::ALL.map(Order::label).into()))?;
                }
                other => {
                    return Err(format!(
                        "this page knows nothing of {other:?}; it knows policy, state, q, sort, page and refresh"
                    ));
                }
            }
        }
        Ok(wanted)
    }

    /// Where the same is shown, at the secrets: a phone has no room for what stands above them.
    pub(super) fn link(&self) -> String {
        self.address() + "#secrets"
    }

    /// Where the same is shown.
    pub(super) fn address(&self) -> String {
        let page = if self.page == 1 {
            String::new()
        } else {
            self.page.to_string()
        };
        let refresh = self.refresh.map(|seconds| seconds.to_string()).unwrap_or_default();
        link(
            "/",
            [
                ("policy", self.policy.as_str()),
                ("state", self.state.label()),
                ("q", &self.search),
                ("sort", self.order.label()),
                ("page", &page),
                ("refresh", &refresh),
            ],
        )
    }

    /// Whether only some secrets are to be shown.
    pub(super) fn is_filter(&self) -> bool {
        !self.policy.is_empty() || self.state != State::Any || !self.search.is_empty()
    }

    /// Whether a secret is to be shown. `needle` is what is searched for, in lower case.
    pub(super) fn fits(&self, secret: &SecretStatus, needle: &str, now: Timestamp) -> bool {
        let has = |text: &str| text.to_lowercase().contains(needle);
        (self.policy.is_empty() || secret.policy == self.policy)
            && self.state.fits(secret, now)
            && (needle.is_empty()
                || has(&secret.secret)
                || secret.user_id.as_deref().is_some_and(has)
                || secret.reason.as_deref().is_some_and(has)
                || secret.arn.as_deref().is_some_and(has))
    }
}

/// The parameters of a query, each once.
///
/// # Errors
/// If one is given twice.
pub(super) fn given(query: &str) -> Result<BTreeMap<String, String>, String> {
    let mut given = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if value.is_empty() {
            continue;
        }
        if given.insert(name.clone().into_owned(), value.into_owned()).is_some() {
            return Err(format!("{name:?} is given twice"));
        }
    }
    Ok(given)
}

fn searched(value: &str) -> Result<String, String> {
    match value.chars().count() > LONGEST_SEARCH {
        true => Err(format!("a search has {LONGEST_SEARCH} characters at most")),
        false => Ok(value.trim().to_owned()),
    }
}

fn number<N>(name: &str, value: &str, range: std::ops::RangeInclusive<N>) -> Result<N, String>
where
    N: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    let number = value.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| {
        format!(
            "{name} cannot be {value:?}; it is a number from {} to {}",
            range.start(),
            range.end()
        )
    })
}
