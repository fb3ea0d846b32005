//! The story: what rekeyd's history holds, told in plain words, and checked by the sceptic.

use std::collections::BTreeMap;
use std::time::Duration;

use rekeyd::clock::{Clock, SystemClock, between};
use rekeyd::rotation::event::Event;
use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::reason::WaitReason;
use rekeyd::store::HistoryEntry;

use crate::operator::{Operator, secret_name};
use crate::sceptic::{Password, Sceptic, Tally};
use crate::voice::Voice;
use crate::{Outcome, TIMES};

/// What is known of one user.
#[derive(Default)]
pub(crate) struct Chapter {
    /// How often AWSCURRENT moved.
    pub(crate) rotations: usize,
    /// Passwords that rekeyd says are dead.
    pub(crate) retired: Vec<Password>,
    /// Answers that were wrong.
    pub(crate) wrong: Vec<String>,
    proof: Option<Proof>,
    under_way: bool,
}

/// All that happened so far.
pub(crate) struct Story<'a> {
    pub(crate) voice: &'a Voice,
    pub(crate) operator: &'a Operator,
    pub(crate) sceptic: &'a Sceptic,
    pub(crate) users: BTreeMap<String, Chapter>,
    clock: SystemClock,
    told: Option<HistoryEntry>,
}

impl<'a> Story<'a> {
    pub(crate) fn new(voice: &'a Voice, operator: &'a Operator, sceptic: &'a Sceptic, users: &[&str]) -> Self {
        Self {
            voice,
            operator,
            sceptic,
            users: users
                .iter()
                .map(|user| ((*user).to_owned(), Chapter::default()))
                .collect(),
            clock: SystemClock::new(),
            told: None,
        }
    }

    pub(crate) fn all_have_a_first_password(&self) -> bool {
        self.users.values().all(|chapter| chapter.rotations > 0)
    }

    /// Whether no rotation, overlap or retirement is under way.
    pub(crate) fn at_rest(&self) -> bool {
        self.users.values().all(|chapter| !chapter.under_way)
    }

    /// Tells what is new in the history, which comes oldest first.
    pub(crate) async fn tell(&mut self, history: Vec<HistoryEntry>) -> Outcome<()> {
        let told = self.told.as_ref();
        let known = history.iter().rposition(|entry| Some(entry) == told);
        for entry in history.into_iter().skip(known.map_or(0, |at| at + 1)) {
            self.happening(&entry).await?;
            self.told = Some(entry);
        }
        Ok(())
    }

    async fn happening(&mut self, entry: &HistoryEntry) -> Outcome<()> {
        let named = |user: &&String| entry.secret_arn.contains(&format!(":secret:{}-", secret_name(user)));
        let Some(user) = self.users.keys().find(named).cloned() else {
            return Ok(());
        };
        match &entry.event {
            Event::PasswordCreated { version } => {
                let new = self.fingerprint(&user, version).await?;
                self.chapter(&user).under_way = true;
                self.line(
                    entry,
                    &user,
                    "createSecret",
                    &format!("a new password, {new}, is put under AWSPENDING, which no client reads"),
                );
            }
            Event::PasswordSet { version } => {
                let new = self.fingerprint(&user, version).await?;
                let text = match self.chapter(&user).rotations {
                    0 => format!("ElastiCache takes {new} as the user's only password"),
                    _ => format!("ElastiCache takes {new} beside the current one; the nodes learn it one by one"),
                };
                self.line(entry, &user, "setSecret", &text);
            }
            Event::FinishStarted {
                proof: Proof::Proven,
                nodes,
                version,
            } => {
                let new = self.fingerprint(&user, version).await?;
                let text = format!("{new} logs in on all {nodes} nodes: only now may clients get it");
                self.line(entry, &user, "testSecret", &text);
            }
            Event::FinishStarted { .. } => {
                let text = format!(
                    "no login can prove it while the user is off; the change has looked settled for {} s",
                    TIMES.settle
                );
                self.line(entry, &user, "testSecret", &text);
            }
            Event::Promoted {
                version,
                previous,
                proof,
                ..
            } => self.promoted(entry, &user, version, previous, *proof).await?,
            Event::Checked { proof, nodes, .. } => {
                let before = self.chapter(&user).proof.replace(*proof);
                if *proof == Proof::Proven && before != Some(Proof::Proven) {
                    let text = format!(
                        "all {nodes} nodes accept the current password and refuse a made-up one: proven at last"
                    );
                    self.line(entry, &user, "testSecret", &text);
                }
            }
            Event::RetirementStarted { previous, .. } => {
                let old = self.fingerprint(&user, previous).await?;
                let text = format!("the overlap is over; the current password still logs in everywhere, so {old} goes");
                self.line(entry, &user, "retire", &text);
            }
            Event::Retired { previous, proof, .. } => self.retired(entry, &user, previous, *proof).await?,
            Event::Waiting {
                reason: reason @ (WaitReason::NodeLagging | WaitReason::AcceptsAnyPassword),
                detail,
            } => self.line(entry, &user, "waits", &format!("{} ({detail})", reason.meaning())),
            Event::AttemptFailed { message, .. } => {
                self.line(entry, &user, "tries again", message);
            }
            Event::AttentionRaised { reason, detail } => {
                self.line(
                    entry,
                    &user,
                    "attention",
                    &self.voice.bad(&format!("{} ({detail})", reason.meaning())),
                );
            }
            Event::Halted { reason, detail, .. } => {
                self.line(
                    entry,
                    &user,
                    "halted",
                    &self.voice.bad(&format!("{} ({detail})", reason.meaning())),
                );
            }
            _ => {}
        }
        Ok(())
    }

    async fn promoted(
        &mut self,
        entry: &HistoryEntry,
        user: &str,
        version: &str,
        previous: &str,
        proof: Option<Proof>,
    ) -> Outcome<()> {
        let new = self
            .operator
            .password(user, Some(version))
            .await?
            .ok_or("no password in the new version")?;
        let old = self.operator.password(user, Some(previous)).await?;
        let chapter = self.chapter(user);
        chapter.rotations += 1;
        chapter.proof = proof;
        chapter.under_way = old.is_some();
        let how = match proof {
            Some(Proof::Proven) => "proven",
            Some(Proof::EndpointProven) => "proven on its endpoint",
            Some(Proof::Unproven(_)) => "unproven, and status says so",
            None => "by another process",
        };
        self.line(
            entry,
            user,
            "finishSecret",
            &format!(
                "AWSCURRENT moves to {}, {how}; clients get it from now on",
                new.fingerprint()
            ),
        );
        let said_new = self.sceptic.log_in(user, &new).await;
        let Some(old) = old else {
            let text = format!(
                "{} is {}: the user is still off",
                new.fingerprint(),
                in_words(&said_new)
            );
            self.sceptics_line(user, said_new.all_refuse(), &text);
            return Ok(());
        };
        let said_old = self.sceptic.log_in(user, &old).await;
        // On a machine that slept, the overlap may be over by now.
        let margin = Duration::from_secs(TIMES.overlap.saturating_sub(1));
        let in_overlap = between(entry.at, self.clock.now()) < margin;
        let right = said_new.all_accept() && (said_old.all_accept() || !in_overlap);
        let text = format!(
            "overlap: {} is {}, {} is {}; clients have {} s to read the secret again",
            new.fingerprint(),
            in_words(&said_new),
            old.fingerprint(),
            in_words(&said_old),
            TIMES.overlap
        );
        self.sceptics_line(user, right, &text);
        Ok(())
    }

    async fn retired(&mut self, entry: &HistoryEntry, user: &str, previous: &str, proof: Proof) -> Outcome<()> {
        let old = self
            .operator
            .password(user, Some(previous))
            .await?
            .ok_or("no password in the old version")?;
        let current = self.operator.password(user, None).await?.ok_or("no current password")?;
        let how = if proof == Proof::Proven {
            "every node refuses it: proved dead"
        } else {
            "unproven"
        };
        self.line(
            entry,
            user,
            "retire",
            &format!("{} is off the user; {how}", old.fingerprint()),
        );
        let (said_old, said_current) = (
            self.sceptic.log_in(user, &old).await,
            self.sceptic.log_in(user, &current).await,
        );
        let text = format!(
            "{} is {}, {} is {}; next rotation {} s after the last",
            old.fingerprint(),
            in_words(&said_old),
            current.fingerprint(),
            in_words(&said_current),
            TIMES.schedule
        );
        self.sceptics_line(user, said_old.all_refuse() && said_current.all_accept(), &text);
        let chapter = self.chapter(user);
        chapter.under_way = false;
        chapter.retired.push(old);
        Ok(())
    }

    fn chapter(&mut self, user: &str) -> &mut Chapter {
        self.users.entry(user.to_owned()).or_default()
    }

    fn line(&self, entry: &HistoryEntry, user: &str, what: &str, text: &str) {
        self.voice.at(entry.at, user, what, text);
    }

    fn sceptics_line(&mut self, user: &str, right: bool, text: &str) {
        let shown = if right {
            self.voice.good(text)
        } else {
            self.voice.bad(&format!("WRONG: {text}"))
        };
        self.voice.now(user, "redis-cli says", &shown);
        if !right {
            self.chapter(user).wrong.push(text.to_owned());
        }
    }

    async fn fingerprint(&self, user: &str, version: &str) -> Outcome<String> {
        let password = self.operator.password(user, Some(version)).await?;
        Ok(password.map_or_else(|| "none".to_owned(), |password| password.fingerprint()))
    }
}

/// What the nodes said to a login.
pub(crate) fn in_words(tally: &Tally) -> String {
    let nodes = tally.nodes();
    if tally.all_accept() {
        format!("accepted on {nodes} of {nodes} nodes")
    } else if tally.all_refuse() {
        format!("refused on {nodes} of {nodes} nodes")
    } else {
        format!(
            "accepted on {}, refused on {}, unanswered on {} of {nodes} nodes",
            tally.accepted,
            tally.refused,
            tally.silent.len()
        )
    }
}
