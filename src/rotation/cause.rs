//! What woke a rotation.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

use super::plan::Dues;
use super::state::Record;

/// What woke a rotation, as far as the daemon that began it knew.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cause {
    /// In a word.
    pub kind: CauseKind,
    /// Since when it was due, or when it was asked for.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// Who asked for it.
    #[serde(default)]
    pub by: Option<String>,
    /// Whether an earlier try at replacing the same version was given up.
    #[serde(default)]
    pub retry: bool,
}

/// What woke a rotation, in a word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CauseKind {
    /// Its date came.
    Schedule,
    /// An operator asked for it.
    Request,
    /// The secret had no password yet.
    FirstPassword,
    /// It was due, and had missed a window.
    MissedWindow,
    /// It was due already when rekeyd first saw the secret.
    Discovery,
    /// It had fallen due while no rekeyd ran.
    Restart,
}

impl CauseKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Schedule,
        Self::Request,
        Self::FirstPassword,
        Self::MissedWindow,
        Self::Discovery,
        Self::Restart,
    ];

    /// Its name in history.
    pub fn label(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Request => "request",
            Self::FirstPassword => "first_password",
            Self::MissedWindow => "missed_window",
            Self::Discovery => "discovery",
            Self::Restart => "restart",
        }
    }
}

impl Cause {
    /// What wakes a rotation away from `current` that begins now, in a process that was started at `started`.
    pub fn of(dues: &Dues, current: &str, record: &Record, started: Timestamp) -> Self {
        let request = record.standing_request(current, dues.created);
        let missed = record.missed_over(current).is_some_and(|missed| missed.count > 0);
        let due_before = |moment: Timestamp| dues.begins_at.is_some_and(|begins_at| begins_at < moment);
        let kind = match request {
            Some(_) => CauseKind::Request,
            None if dues.first_password => CauseKind::FirstPassword,
            None if missed => CauseKind::MissedWindow,
            None if due_before(record.first_seen) => CauseKind::Discovery,
            None if due_before(started) => CauseKind::Restart,
            None => CauseKind::Schedule,
        };
        Self {
            kind,
            since: request.map(|request| request.at).or(dues.due_at),
            by: request.and_then(|request| request.by.clone()),
            retry: dues.tried,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rotation::event::Request;
    use crate::rotation::state::MissedWindows;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_timestamp(1_800_000_000 + second, 0).unwrap()
    }

    /// A rotation that fell due at second 100, of a secret that is known since second 0, in a process that was started
    /// at second 50.
    fn cause(change: impl FnOnce(&mut Dues, &mut Record, &mut Timestamp)) -> Cause {
        let mut dues = Dues {
            due_at: Some(at(100)),
            begins_at: Some(at(100)),
            created: Some(at(-1_000)),
            ..Dues::default()
        };
        let mut record = Record::new("arn:of:a:secret".to_owned(), at(0));
        let mut started = at(50);
        change(&mut dues, &mut record, &mut started);
        Cause::of(&dues, "v1", &record, started)
    }

    #[test]
    fn what_wakes_a_rotation_is_told_apart() {
        let scheduled = cause(|_, _, _| {});
        assert_eq!(
            (scheduled.kind, scheduled.since, scheduled.retry),
            (CauseKind::Schedule, Some(at(100)), false)
        );
        assert_eq!(cause(|_, _, started| *started = at(200)).kind, CauseKind::Restart);
        assert_eq!(
            cause(|_, record, _| record.first_seen = at(200)).kind,
            CauseKind::Discovery
        );
        assert_eq!(
            cause(|dues, _, _| dues.first_password = true).kind,
            CauseKind::FirstPassword
        );
        let missed = |version: &str| MissedWindows {
            version: version.to_owned(),
            opening: at(10),
            count: 1,
        };
        assert_eq!(
            cause(|_, record, _| record.missed = Some(Box::new(missed("v1")))).kind,
            CauseKind::MissedWindow
        );
        assert_eq!(
            cause(|_, record, _| record.missed = Some(Box::new(missed("v0")))).kind,
            CauseKind::Schedule
        );
        let asked = cause(|dues, record, _| {
            dues.tried = true;
            record.missed = Some(Box::new(missed("v1")));
            record.request = Some(Box::new(Request {
                at: at(90),
                over: Some("v1".to_owned()),
                now: false,
                revoke_previous: false,
                by: Some("alice".to_owned()),
            }));
        });
        let by_alice = Cause {
            kind: CauseKind::Request,
            since: Some(at(90)),
            by: Some("alice".to_owned()),
            retry: true,
        };
        assert_eq!(asked, by_alice);
    }
}
