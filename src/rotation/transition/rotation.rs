//! What becomes of a record when a rotation begins, goes on, and ends.

use crate::clock::Timestamp;
use crate::rotation::event::{Event, Request};
use crate::rotation::observation::Proof;
use crate::rotation::state::{Check, Finishing, Promotion, Record, Rotation};

impl Record {
    pub(super) fn apply_rotation(mut self, at: Timestamp, event: &Event) -> Option<Self> {
        match event {
            Event::RotationStarted {
                version,
                parent,
                generation,
                ..
            } => self.begin(at, version, parent, *generation, false),
            Event::RotationFound {
                version,
                parent,
                generation,
            } => self.begin(at, version, parent, *generation, true),
            Event::PasswordCreated { version } => {
                let rotation = self.rotation.as_mut().filter(|rotation| rotation.version == *version)?;
                rotation.created = true;
            }
            Event::PasswordSet { version } => {
                let rotation = self.rotation.as_mut().filter(|rotation| rotation.version == *version)?;
                rotation.set_at = Some(at);
                self.open_write = None;
                rotation.settled_since = None;
                self.settled_at = Some(at);
            }
            Event::FinishStarted { version, proof, nodes } => {
                let rotation = self.rotation.as_mut().filter(|rotation| rotation.version == *version)?;
                rotation.finishing = Some(Finishing {
                    proof: *proof,
                    nodes: *nodes,
                    at,
                });
                self.start_write(at);
            }
            Event::Promoted {
                version,
                previous,
                proof,
                nodes,
            } => self.promote(at, version, previous, *proof, *nodes),
            Event::AbandonStarted { version, cause } => {
                let rotation = self.rotation.as_mut().filter(|rotation| rotation.version == *version)?;
                rotation.abandoning = Some(cause.clone());
            }
            Event::Abandoned { .. } => self.abandon(at),
            _ => return None,
        }
        if !matches!(event, Event::PasswordSet { .. }) {
            self.waiting = None;
        }
        Some(self)
    }

    /// A rotation is under way: `found`, if another process began it. One that was known goes on.
    fn begin(&mut self, at: Timestamp, version: &str, parent: &str, generation: u32, found: bool) {
        self.repair = None;
        let again = self.rotation.take().filter(|rotation| rotation.version == version);
        let found_before = again.as_ref().is_some_and(|rotation| rotation.found);
        if let Some(request) = self.request.as_mut()
            && !found
            && again.is_none()
            && request.over.as_deref() == Some(parent)
        {
            // It was asked for before this, whatever the clock of the replica says that it was asked of.
            request.at = request.at.min(at);
        }
        self.rotation = Some(Box::new(Rotation {
            version: version.to_owned(),
            parent: parent.to_owned(),
            generation,
            started_at: at,
            first_started_at: again.map(|rotation| rotation.first_started_at.unwrap_or(rotation.started_at)),
            found: found || found_before,
            created: false,
            set_started: false,
            set_at: None,
            settled_since: None,
            finishing: None,
            abandoning: None,
        }));
    }

    fn promote(&mut self, at: Timestamp, version: &str, previous: &str, proof: Option<Proof>, nodes: usize) {
        let rotation = self.rotation.take().filter(|rotation| rotation.version == version);
        let started_at = rotation.as_ref().map(|rotation| rotation.started_at);
        let finishing = rotation.as_ref().and_then(|rotation| rotation.finishing);
        let made_after = |asked_at| rotation.as_ref().is_some_and(|rotation| rotation.began_after(asked_at));
        let served = self.request.take_if(|request| made_after(request.at));
        // When another process made a version that was found later than the request came, or an attempt before
        // the request may have made it and one after it went on, only that version's age can tell whether it serves
        // the request. A revocation does not trust it to tell seconds from each other.
        let age_tells = |rotation: &Rotation, request: &Request| {
            let made_twice = rotation.first_started_at.is_some() && !request.revoke_previous;
            (rotation.found || made_twice) && request.at <= rotation.started_at
        };
        if let (Some(request), Some(rotation)) = (self.request.as_mut(), &rotation)
            && !age_tells(rotation, request)
        {
            // It came while the rotation was under way, and stands on, for the next one. That it is about
            // this version holds whatever AWS's clock says of the version's age. A date of another clock,
            // which was set back since, would let it stand for ever.
            request.over = Some(version.to_owned());
            request.at = request.at.min(at);
        }
        // Seen twice, it is still one promotion, at its first time.
        let known = self.promotion.take().filter(|promotion| promotion.version == version);
        self.promotion = Some(known.unwrap_or_else(|| {
            Box::new(Promotion {
                version: version.to_owned(),
                previous: previous.to_owned(),
                at,
                started_at,
                revoke_previous: self.revokes(previous)
                    || served.as_ref().is_some_and(|request| request.revoke_previous),
                sent_at: finishing.filter(|_| proof.is_some()).map(|finishing| finishing.at),
            })
        }));
        let revokes = served.is_some_and(|request| request.revoke_previous);
        self.note_safe(version, |asked_at| revokes || made_after(asked_at));
        self.open_write = None;
        self.check = proof.map(|proof| Check {
            version: version.to_owned(),
            proof,
            nodes,
            at,
        });
        self.retirement = None;
        self.drift = None;
        self.repair = None;
        self.settled_at = Some(at);
        self.acknowledged.clear();
        self.never_set.clear();
    }

    fn abandon(&mut self, at: Timestamp) {
        let rotation = self.rotation.take();
        let never_set = rotation.filter(|rotation| rotation.created && !rotation.set_started);
        self.never_set.extend(never_set.map(|rotation| rotation.version));
        self.settled_at = Some(at);
    }
}
