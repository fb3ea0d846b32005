//! What a replica makes of the fleet's items: which commands it goes for, and what nobody needs any more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::store::shared::command::{Command, STATE, Scope, State};
use crate::store::shared::layout;
use crate::store::shared::layout::{COMMAND, REPLY};
use crate::store::table::{Condition, Item, Key};

/// A command that was asked longer ago than this, by the clocks of the asker and of this machine, is not begun: whoever asked
/// was killed before it could be withdrawn. Clocks that are wrong by ten minutes each do not reach it.
const STALE: u64 = 30 * 60 * 1_000;

/// How long a command or a reply stands as it is before it is removed: longer than any write may be on its way, and than a
/// replica takes to join.
const STANDS: Duration = Duration::from_secs(20 * 60);

/// What was begun is remembered this long after it was seen last: as long as an item is kept.
const REMEMBERED: Duration = Duration::from_secs(2 * 60 * 60);

/// What is to be done about an item.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Action {
    /// Take this command if it still waits, and carry it out.
    Take(Command),
    /// Carry it out: this session has taken it, and heard of it only now.
    CarryOut(Command),
    /// Carry it out, as every replica does.
    AsEach(Command),
    /// Say that it makes no sense, and why.
    Complain(Key, &'static str),
    /// Remove it on this condition.
    Remove(Key, Condition),
}

/// When it is, by this machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// In milliseconds since 1970.
    pub(super) wall: u64,
    /// By the clock that never goes back.
    pub(super) monotonic: Duration,
}

/// What this process remembers of the fleet's items.
#[derive(Default)]
pub(super) struct Seen {
    /// The ids of the commands that it has begun, and when their items were seen last.
    begun: BTreeMap<String, Duration>,
    /// Since when an item stands as it does.
    standing: BTreeMap<String, (Option<State>, Duration)>,
    /// Items that it has complained of.
    complained: BTreeSet<String>,
}

impl Seen {
    /// Looks at the items, as the session `me`. Begins no more than `most` commands, and none twice.
    pub(super) fn look(&mut self, items: &[Item], me: &str, now: Now, most: usize) -> Vec<Action> {
        let ours = |item: &&Item| item.key.sort.starts_with(COMMAND) || item.key.sort.starts_with(REPLY);
        let items: Vec<&Item> = items.iter().filter(ours).collect();
        let there: BTreeSet<&str> = items.iter().map(|item| item.key.sort.as_str()).collect();
        self.standing.retain(|sort, _| there.contains(sort.as_str()));
        self.complained.retain(|sort| there.contains(sort.as_str()));
        self.begun
            .retain(|_, seen| now.monotonic.saturating_sub(*seen) < REMEMBERED);
        let mut actions = Vec::new();
        let mut begun = 0;
        for item in items {
            actions.extend(self.stood_too_long(item, now));
            if !item.key.sort.starts_with(COMMAND) {
                continue;
            }
            match Command::of(item) {
                // Its asker has read the reply: it goes.
                Ok(command) if command.state == State::Read && command.taken_by.as_deref() == Some(me) => {
                    let on = Condition::is(STATE, State::Read.label());
                    actions.push(Action::Remove(item.key.clone(), on));
                }
                Ok(command) => {
                    let replied = there.contains(layout::reply(&command.id, me).sort.as_str());
                    if let Some(action) = self.begin(command, me, now, replied || begun == most) {
                        begun += 1;
                        actions.push(action);
                    }
                }
                Err(why) if self.complained.insert(item.key.sort.clone()) => {
                    actions.push(Action::Complain(item.key.clone(), why));
                }
                Err(_) => {}
            }
        }
        actions
    }

    /// It was not taken after all, as far as is known: it may be begun again.
    pub(super) fn forget(&mut self, id: &str) {
        self.begun.remove(id);
    }

    fn begin(&mut self, command: Command, me: &str, now: Now, leave: bool) -> Option<Action> {
        if let Some(seen) = self.begun.get_mut(&command.id) {
            *seen = now.monotonic;
            return None;
        }
        let is_stale = now.wall.saturating_sub(command.asked_at) > STALE;
        let is_mine = command.taken_by.as_deref() == Some(me);
        let exempt = command.except.as_deref() == Some(me);
        let action = match (command.scope, command.state) {
            _ if leave || is_stale || exempt => return None,
            (Scope::Any, State::Waiting) => Action::Take(command.clone()),
            (Scope::Any, State::Taken) if is_mine => Action::CarryOut(command.clone()),
            (Scope::Each, State::Waiting) => Action::AsEach(command.clone()),
            _ => return None,
        };
        self.begun.insert(command.id, now.monotonic);
        Some(action)
    }

    fn stood_too_long(&mut self, item: &Item, now: Now) -> Option<Action> {
        let state = State::of(item);
        let before = self.standing.get(&item.key.sort).filter(|(before, _)| *before == state);
        let since = before.map_or(now.monotonic, |(_, since)| *since);
        self.standing.insert(item.key.sort.clone(), (state, since));
        if now.monotonic.saturating_sub(since) < STANDS {
            return None;
        }
        // Once in that time, should it fail.
        self.standing.remove(&item.key.sort);
        let as_seen = state.map(|state| (STATE, state.label().into()));
        Some(Action::Remove(
            item.key.clone(),
            Condition::Has(as_seen.into_iter().collect()),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::store::shared::command::{Request, TAKEN_BY};

    const NOW: Now = Now {
        wall: 1_800_000_000_000,
        monotonic: Duration::from_secs(1_000),
    };

    fn after(seconds: u64) -> Now {
        Now {
            wall: NOW.wall + seconds * 1_000,
            monotonic: NOW.monotonic + Duration::from_secs(seconds),
        }
    }

    fn command(id: &str, scope: Scope) -> Command {
        let request = Request {
            method: "POST".to_owned(),
            path: "/api/v1/reload".to_owned(),
            body: String::new(),
        };
        let asked_at = Timestamp::from_timestamp_millis(NOW.wall as i64).unwrap();
        Command::new(id.to_owned(), request, "alice".to_owned(), asked_at, scope)
    }

    fn item(command: &Command, state: State, taken_by: Option<&str>) -> Item {
        let mut attributes = command.creation().unwrap().set;
        attributes.insert(STATE.to_owned(), state.label().into());
        attributes.extend(taken_by.map(|session| (TAKEN_BY.to_owned(), session.into())));
        Item {
            key: command.key(),
            attributes,
        }
    }

    fn waiting(command: &Command) -> Item {
        item(command, State::Waiting, None)
    }

    #[test]
    fn a_waiting_command_is_gone_for_once() {
        let command = command("c", Scope::Any);
        let mut seen = Seen::default();
        let items = [waiting(&command)];
        assert_eq!(seen.look(&items, "me", NOW, 8), [Action::Take(command.clone())]);
        assert_eq!(seen.look(&items, "me", after(1), 8), []);
        seen.forget("c");
        assert_eq!(seen.look(&items, "me", after(2), 8), [Action::Take(command)]);
    }

    #[test]
    fn what_others_took_and_what_is_done_withdrawn_or_old_is_left() {
        let any = command("c", Scope::Any);
        for (state, by) in [
            (State::Taken, Some("other")),
            (State::Done, Some("me")),
            (State::Read, Some("other")),
            (State::Withdrawn, None),
        ] {
            assert_eq!(
                Seen::default().look(&[item(&any, state, by)], "me", NOW, 8),
                [],
                "{state:?}"
            );
        }
        for scope in [Scope::Any, Scope::Each] {
            let old = waiting(&command("c", scope));
            assert_eq!(Seen::default().look(&[old], "me", after(31 * 60), 8), []);
        }
        // The asker's clock is ahead of ours, by more than it should.
        let early = Now { wall: 0, ..NOW };
        let taken = Seen::default().look(&[waiting(&any)], "me", early, 8);
        assert_eq!(taken, [Action::Take(any)]);
    }

    #[test]
    fn what_was_read_is_removed_by_its_taker() {
        let command = command("c", Scope::Any);
        let items = [item(&command, State::Read, Some("me"))];
        let removed = Action::Remove(command.key(), Condition::is(STATE, "read"));
        assert_eq!(Seen::default().look(&items, "me", NOW, 8), [removed]);
    }

    #[test]
    fn what_this_session_took_without_hearing_of_it_is_carried_out_once() {
        let command = command("c", Scope::Any);
        let items = [item(&command, State::Taken, Some("me"))];
        let mut seen = Seen::default();
        let actions = seen.look(&items, "me", NOW, 8);
        assert!(matches!(actions.as_slice(), [Action::CarryOut(_)]), "{actions:?}");
        assert_eq!(seen.look(&items, "me", after(1), 8), []);
    }

    #[test]
    fn each_replica_carries_out_what_is_for_each_but_for_the_one_that_asks_and_those_that_have_replied() {
        let command = command("c", Scope::Each).except(Some("asker".to_owned()));
        let reply = Item {
            key: layout::reply("c", "done"),
            attributes: std::collections::BTreeMap::new(),
        };
        let items = [waiting(&command), reply];
        assert_eq!(Seen::default().look(&items, "asker", NOW, 8), []);
        assert_eq!(Seen::default().look(&items, "done", NOW, 8), []);
        assert_eq!(Seen::default().look(&items, "me", NOW, 8), [Action::AsEach(command)]);
    }

    #[test]
    fn no_more_commands_are_begun_than_there_is_room_for() {
        let items: Vec<Item> = (0..5)
            .map(|id| waiting(&command(&format!("c{id}"), Scope::Any)))
            .collect();
        let mut seen = Seen::default();
        assert_eq!(seen.look(&items, "me", NOW, 2).len(), 2);
        assert_eq!(seen.look(&items, "me", NOW, 0).len(), 0);
        assert_eq!(seen.look(&items, "me", NOW, 8).len(), 3);
    }

    #[test]
    fn what_makes_no_sense_is_complained_of_once_and_never_carried_out() {
        let mut wrong = waiting(&command("c", Scope::Any));
        wrong.attributes.remove("request");
        let mut seen = Seen::default();
        let actions = seen.look(std::slice::from_ref(&wrong), "me", NOW, 8);
        assert!(matches!(actions.as_slice(), [Action::Complain(..)]), "{actions:?}");
        assert_eq!(seen.look(&[wrong], "me", after(1), 8), []);
    }

    #[test]
    fn what_stands_for_twenty_minutes_is_removed_unless_it_moves() {
        let command = command("c", Scope::Any);
        let mut seen = Seen::default();
        let done = [item(&command, State::Done, Some("other"))];
        assert_eq!(
            seen.look(&[item(&command, State::Taken, Some("other"))], "me", NOW, 8),
            []
        );
        assert_eq!(seen.look(&done, "me", after(600), 8), []);
        assert_eq!(seen.look(&done, "me", after(1_300), 8), []);
        let removed = Action::Remove(command.key(), Condition::is(STATE, "done"));
        assert_eq!(seen.look(&done, "me", after(1_801), 8), [removed]);
        let mut seen = Seen::default();
        let session = Item {
            key: layout::session("other"),
            ..done[0].clone()
        };
        assert_eq!(seen.look(std::slice::from_ref(&session), "me", NOW, 8), []);
        assert_eq!(seen.look(&[session], "me", after(9_999), 8), []);
    }
}
