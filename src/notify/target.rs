//! Targets with what is kept in files: what a configuration needs before it comes into force.

use std::collections::BTreeMap;

use super::keys::{self, Url};
use super::signing::Keys;
use crate::clock::Timestamp;
use crate::config::{Channel, Config, ConfigErrors, KeptIn, NotifyTarget, Problem, UrlFrom};
use crate::policy::Place;

/// Who is notified, ready to be reached.
#[derive(Default)]
pub struct Targets(pub(super) BTreeMap<String, Target>);

impl Targets {
    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }
}

/// One of them.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) settings: NotifyTarget,
    pub(super) way: Way,
}

/// How it is reached, with the secrets that this takes.
#[derive(Clone)]
pub(super) enum Way {
    Webhook {
        url: Url,
        keys: Keys,
        roots: Option<Vec<u8>>,
    },
    Slack {
        url: Url,
        roots: Option<Vec<u8>>,
    },
    EventBridge {
        place: Box<Place>,
        bus: String,
    },
}

impl Target {
    /// Whether whatever reaches the one reaches the other.
    pub(super) fn same_way_as(&self, other: &Self) -> bool {
        let same = match (&self.way, &other.way) {
            (
                Way::Webhook { url, keys, roots },
                Way::Webhook {
                    url: other_url,
                    keys: other_keys,
                    roots: other_roots,
                },
            ) => url.same_as(other_url) && keys.same_as(other_keys) && roots == other_roots,
            (
                Way::Slack { url, roots },
                Way::Slack {
                    url: other_url,
                    roots: other_roots,
                },
            ) => url.same_as(other_url) && roots == other_roots,
            (
                Way::EventBridge { place, bus },
                Way::EventBridge {
                    place: other_place,
                    bus: other_bus,
                },
            ) => place == other_place && bus == other_bus,
            _ => false,
        };
        same && self.settings.timeout == other.settings.timeout
    }
}

/// Reads what a configuration keeps in files for those it notifies.
///
/// # Errors
/// Every file that is missing or wrong, with the key that names it. None shows what stands in a file.
pub fn open(config: &Config, now: Timestamp) -> Result<Targets, ConfigErrors> {
    let mut problems = Vec::new();
    let mut targets = BTreeMap::new();
    for (name, settings) in &config.notify {
        let way = Opening {
            problems: &mut problems,
            now,
        }
        .way(&settings.channel, config);
        if let Some(way) = way {
            let settings = settings.clone();
            targets.insert(name.clone(), Target { settings, way });
        }
    }
    match problems.is_empty() {
        true => Ok(Targets(targets)),
        false => Err(ConfigErrors::of(problems)),
    }
}

struct Opening<'a> {
    problems: &'a mut Vec<Problem>,
    now: Timestamp,
}

impl Opening<'_> {
    fn way(&mut self, channel: &Channel, config: &Config) -> Option<Way> {
        match channel {
            Channel::Webhook { url, keys, roots } => {
                let url = match url {
                    UrlFrom::Written(url) => Some(Url::new(url.clone())),
                    UrlFrom::Kept(file) => self.note(file, keys::url(&file.path)),
                };
                let signing = self.note(keys, keys::keys(&keys.path));
                let roots = self.roots(roots.as_ref());
                Some(Way::Webhook {
                    url: url?,
                    keys: signing?,
                    roots: roots?,
                })
            }
            Channel::Slack { url, roots } => {
                let url = self.note(url, keys::url(&url.path));
                let roots = self.roots(roots.as_ref());
                Some(Way::Slack {
                    url: url?,
                    roots: roots?,
                })
            }
            Channel::EventBridge { place, bus } => Some(Way::EventBridge {
                place: Box::new(config.places.get(place)?.clone()),
                bus: bus.clone(),
            }),
        }
    }

    fn roots(&mut self, file: Option<&KeptIn>) -> Option<Option<Vec<u8>>> {
        match file {
            None => Some(None),
            Some(file) => self.note(file, keys::roots(&file.path, self.now)).map(Some),
        }
    }

    fn note<T>(&mut self, file: &KeptIn, read: Result<T, String>) -> Option<T> {
        read.map_err(|problem| {
            let message = format!("`{}`: {} {problem}", file.key, file.path.display());
            self.problems.push(Problem::at(file.location.clone(), message));
        })
        .ok()
    }
}
