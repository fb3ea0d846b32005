//! From events to episodes.

use std::collections::BTreeMap;

use crate::rotation::event::Event;
use crate::rotation::step::Step;
use crate::secret::secret_arn_name;
use crate::store::HistoryEntry;

use super::episode::{Episode, Kind, Outcome, Wait};

/// Something that is told.
#[derive(Clone, PartialEq, Debug)]
pub enum Told {
    /// An episode, where it last moved.
    Episode(Box<Episode>),
    /// An event that belongs to none.
    Event(HistoryEntry),
}

/// What these events tell, which are the newest first; so is what is told.
pub fn gather(events: &[HistoryEntry]) -> Vec<Told> {
    let mut secrets: BTreeMap<&str, Gathering> = BTreeMap::new();
    for (order, entry) in events.iter().rev().enumerate() {
        let of_it = secrets.entry(&entry.secret_arn).or_default();
        of_it.add(order, entry);
    }
    let mut told: Vec<(usize, Told)> = secrets.into_values().flat_map(Gathering::told).collect();
    told.sort_by_key(|(order, _)| std::cmp::Reverse(*order));
    told.into_iter().map(|(_, told)| told).collect()
}

/// What is told of one secret so far.
#[derive(Default)]
struct Gathering {
    /// Each with when it last moved.
    episodes: Vec<(usize, Episode)>,
    events: Vec<(usize, HistoryEntry)>,
}

impl Gathering {
    fn told(self) -> impl Iterator<Item = (usize, Told)> {
        let episodes = self.episodes.into_iter();
        let episodes = episodes.map(|(order, episode)| (order, Told::Episode(Box::new(episode))));
        let events = self.events.into_iter();
        episodes.chain(events.map(|(order, entry)| (order, Told::Event(entry))))
    }

    fn add(&mut self, order: usize, entry: &HistoryEntry) {
        let at = entry.at;
        match &entry.event {
            Event::RotationStarted { version, .. } | Event::RotationFound { version, .. } => {
                self.begin(order, entry, version);
            }
            Event::RollbackStarted {
                version,
                previous,
                proof,
                nodes,
            } => {
                let episode = self.episode(order, entry, Kind::Rollback, previous, true);
                episode.previous = Some(version.clone());
                (episode.proof, episode.nodes) = (Some(*proof), Some(*nodes));
                episode.at(Step::Rollback, at).attempts += 1;
            }
            Event::RolledBack { previous, .. } => {
                let episode = self.episode(order, entry, Kind::Rollback, previous, false);
                episode.end(at, Outcome::RolledBack);
            }
            Event::RepairStarted { version, previous } => {
                let episode = self.episode(order, entry, Kind::Repair, version, true);
                episode.previous.clone_from(previous);
                episode.at(Step::Repair, at);
            }
            Event::Repaired { version, proof, nodes } => {
                let episode = self.episode(order, entry, Kind::Repair, version, false);
                (episode.proof, episode.nodes) = (Some(*proof), Some(*nodes));
                episode.end(at, Outcome::Repaired);
            }
            Event::PasswordCreated { version } => self.step(order, entry, version, Step::SetSecret),
            Event::PasswordSet { version } => self.step(order, entry, version, Step::TestSecret),
            Event::FinishStarted { version, proof, nodes } => {
                let episode = self.episode(order, entry, Kind::Rotation, version, false);
                (episode.proof, episode.nodes) = (Some(*proof), Some(*nodes));
                episode.at(Step::FinishSecret, at).attempts += 1;
            }
            Event::Promoted { .. } | Event::AbandonStarted { .. } | Event::Abandoned { .. } => {
                self.end_of_rotation(order, entry);
            }
            Event::RetirementStarted { .. }
            | Event::PreviousRemoved { .. }
            | Event::NodesRefusePrevious { .. }
            | Event::RetirementDropped
            | Event::Retired { .. } => self.retirement(order, entry),
            event => self.beside(order, entry, event),
        }
    }

    fn begin(&mut self, order: usize, entry: &HistoryEntry, version: &str) {
        let episode = self.episode(order, entry, Kind::Rotation, version, true);
        episode.at(Step::CreateSecret, entry.at).attempts += 1;
        match &entry.event {
            Event::RotationStarted {
                parent,
                generation,
                cause,
                ..
            } => {
                episode.previous = Some(parent.clone());
                episode.generation = Some(*generation);
                // Begun again, it is still woken by what woke it first.
                episode.cause = episode.cause.take().or_else(|| cause.clone());
            }
            Event::RotationFound { parent, generation, .. } => {
                episode.previous = Some(parent.clone());
                episode.generation = Some(*generation);
                episode.found = true;
            }
            _ => {}
        }
    }

    fn step(&mut self, order: usize, entry: &HistoryEntry, version: &str, next: Step) {
        let episode = self.episode(order, entry, Kind::Rotation, version, false);
        episode.at(next, entry.at);
    }

    fn end_of_rotation(&mut self, order: usize, entry: &HistoryEntry) {
        let at = entry.at;
        match &entry.event {
            Event::Promoted {
                version,
                previous,
                proof,
                nodes,
            } => {
                let episode = self.episode(order, entry, Kind::Rotation, version, false);
                episode.previous = Some(previous.clone());
                if proof.is_some() {
                    (episode.proof, episode.nodes) = (*proof, Some(*nodes));
                }
                episode.end(at, Outcome::Promoted);
            }
            Event::AbandonStarted { version, cause } => {
                let episode = self.episode(order, entry, Kind::Rotation, version, false);
                episode.failure = Some(cause.clone());
                episode.at(Step::Abandon, at).attempts += 1;
            }
            Event::Abandoned { version } => {
                let episode = self.episode(order, entry, Kind::Rotation, version, false);
                episode.end(at, Outcome::Abandoned);
            }
            _ => {}
        }
    }

    fn retirement(&mut self, order: usize, entry: &HistoryEntry) {
        let at = entry.at;
        let (version, previous) = match &entry.event {
            Event::RetirementStarted { version, previous } | Event::Retired { version, previous, .. } => {
                (Some(version.clone()), Some(previous.clone()))
            }
            _ => {
                let mut rotations = self.episodes.iter().rev().map(|(_, episode)| episode);
                let newest = rotations.find(|episode| episode.kind == Kind::Rotation);
                (newest.map(|episode| episode.version.clone()), None)
            }
        };
        let Some(version) = version else {
            self.events.push((order, entry.clone()));
            return;
        };
        let episode = self.episode(order, entry, Kind::Rotation, &version, false);
        if episode.result == Outcome::UnderWay {
            // Its promotion is no longer in the history.
            episode.result = Outcome::Promoted;
        }
        episode.previous = episode.previous.take().or(previous);
        let stage = episode.at(Step::Retire, at);
        match &entry.event {
            Event::Retired { proof, nodes, .. } => {
                (stage.proof, stage.nodes) = (Some(*proof), Some(*nodes));
                stage.end(at);
            }
            Event::RetirementDropped => stage.end(at),
            _ => {}
        }
    }

    /// What happens on the way of whatever is under way, or by itself.
    fn beside(&mut self, order: usize, entry: &HistoryEntry, event: &Event) {
        let Some((moved, open)) = self.open_episode() else {
            return self.events.push((order, entry.clone()));
        };
        match event {
            Event::WriteStarted => {
                if let Some(stage) = open.open() {
                    stage.attempts += 1;
                }
            }
            Event::Waiting { reason, detail } => {
                let wait = Wait {
                    reason: reason.label().to_owned(),
                    detail: detail.clone(),
                };
                if let Some(stage) = open.open() {
                    stage.wait(entry.at);
                    if !stage.waited_for.contains(&wait) {
                        stage.waited_for.push(wait);
                    }
                }
            }
            Event::AttemptFailed { message, .. } => match open.open() {
                Some(stage) => stage.failures.push(message.clone()),
                None => open.failure = Some(message.clone()),
            },
            Event::AttentionRaised { reason, detail } => {
                open.failure = Some(format!("{} ({detail})", reason.meaning()));
            }
            Event::Halted { reason, detail, .. } => {
                open.failure = Some(format!("halted, {}: {} ({detail})", reason.label(), reason.meaning()));
            }
            Event::AttentionCleared | Event::HaltCleared => open.failure = None,
            Event::RotationDropped => open.end(entry.at, Outcome::Dropped),
            Event::WaitingEnded => {
                if let Some(stage) = open.open() {
                    stage.go_on(entry.at);
                }
            }
            Event::WriteRefused
            | Event::SettlingStarted { .. }
            | Event::SettlingBroken { .. }
            | Event::PasswordsRestored { .. } => {}
            _ => return self.events.push((order, entry.clone())),
        }
        *moved = order;
    }

    fn open_episode(&mut self) -> Option<(&mut usize, &mut Episode)> {
        let newest_first = self.episodes.iter_mut().rev();
        let mut open = newest_first.filter(|(_, episode)| episode.is_open());
        open.next().map(|(moved, episode)| (moved, episode))
    }

    /// The episode about this version, made if there is none; `begins` if its beginning is known.
    fn episode(&mut self, order: usize, entry: &HistoryEntry, kind: Kind, version: &str, begins: bool) -> &mut Episode {
        let fits = |episode: &Episode| {
            let again = !begins || episode.result == Outcome::UnderWay;
            episode.kind == kind && episode.version == version && again
        };
        let known = self.episodes.iter().rposition(|(_, episode)| fits(episode));
        let index = known.unwrap_or_else(|| {
            let name = secret_arn_name(&entry.secret_arn).unwrap_or(&entry.secret_arn);
            let began_at = begins.then_some(entry.at);
            let episode = Episode::new(kind, (name, &entry.secret_arn), version, began_at);
            self.episodes.push((order, episode));
            self.episodes.len() - 1
        });
        let (moved, episode) = &mut self.episodes[index];
        *moved = order;
        episode
    }
}
