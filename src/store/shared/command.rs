//! A command to the fleet as an item of its table: a request of the admin socket's, who says they ask, and how far it has come.
//!
//! It is `waiting` until one replica has made it `taken` by a conditional write, or whoever asked has made it `withdrawn` by
//! another: never both, whatever becomes of replies and whatever clocks say. Its taker makes it `done`, whoever asked makes it
//! `read`, and its taker removes it. A command that every replica carries out stays `waiting`, and has an item with the reply
//! of each. Whoever asks needs no right to remove anything.

use rand::RngCore;
use serde::{Deserialize, Serialize};

use super::layout::{self, EXPIRES};
use crate::clock::Timestamp;
use crate::store::table::{Change, Item, Key, Value};

/// The request, as JSON.
pub const REQUEST: &str = "request";
/// Who says that they ask: a claim of whoever may write to the table.
pub const BY: &str = "by";
/// When it was asked, in milliseconds since 1970 by the asker's clock.
pub const ASKED_AT: &str = "asked_at";
/// Who carries it out: `any` replica, or `each`.
pub const SCOPE: &str = "scope";
/// How far it has come.
pub const STATE: &str = "state";
/// The session that a command for each replica is not for: it has done so already.
pub const EXCEPT: &str = "except";
/// The session of the replica that took it.
pub const TAKEN_BY: &str = "taken_by";
/// The HTTP status of a reply.
pub const STATUS: &str = "status";
/// The body of a reply, if it is short.
pub const BODY: &str = "body";
/// In how many items a longer body is: those of [`layout::parts_of`].
pub const PARTS: &str = "parts";

/// Whoever asks neither withdraws nor asks again: DynamoDB removes the item this long after.
const KEPT_SECONDS: u64 = 60 * 60;

/// The longest body of a request, as on the admin socket.
pub const LONGEST_REQUEST: usize = 64 * 1024;

/// Of a claim of who asks, as much is told.
const LONGEST_CLAIM: usize = 200;

/// A request of the admin socket's.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Its HTTP method.
    pub method: String,
    /// Its path, and what is asked of it behind `?`.
    pub path: String,
    /// Its body; empty for none.
    #[serde(default)]
    pub body: String,
}

impl Request {
    /// Whether it only looks.
    pub fn is_look(&self) -> bool {
        self.method == "GET"
    }
}

/// Who carries a command out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// One replica, whichever comes first.
    Any,
    /// Every replica that lives.
    Each,
}

impl Scope {
    fn label(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Each => "each",
        }
    }
}

/// How far a command has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Nobody has taken it.
    Waiting,
    /// A replica carries it out, or died over it.
    Taken,
    /// It was carried out, and the reply is there.
    Done,
    /// Whoever asked has read the reply: its taker removes the item.
    Read,
    /// Whoever asked has given it up before anybody took it: nobody will.
    Withdrawn,
}

impl State {
    /// Its name in an item.
    pub fn label(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Taken => "taken",
            Self::Done => "done",
            Self::Read => "read",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// How far the command of an item has come; nothing if it says nothing that this release knows.
    pub fn of(item: &Item) -> Option<Self> {
        let all = [Self::Waiting, Self::Taken, Self::Done, Self::Read, Self::Withdrawn];
        let said = item.text(STATE)?;
        all.into_iter().find(|state| state.label() == said)
    }
}

/// A command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Command {
    /// What tells it from every other one. Never used twice.
    pub id: String,
    /// What is asked.
    pub request: Request,
    /// Who says that they ask.
    pub by: String,
    /// When, in milliseconds since 1970 by their clock.
    pub asked_at: u64,
    /// Who is to carry it out.
    pub scope: Scope,
    /// The session that need not, of all.
    pub except: Option<String>,
    /// How far it has come.
    pub state: State,
    /// The session of the replica that took it.
    pub taken_by: Option<String>,
}

impl Command {
    /// One that is asked now.
    pub fn new(id: String, request: Request, by: String, now: Timestamp, scope: Scope) -> Self {
        Self {
            id,
            request,
            by,
            asked_at: u64::try_from(now.timestamp_millis()).unwrap_or_default(),
            scope,
            except: None,
            state: State::Waiting,
            taken_by: None,
        }
    }

    /// The same, but for this session.
    pub fn except(self, session: Option<String>) -> Self {
        Self {
            except: session,
            ..self
        }
    }

    /// Where it lies.
    pub fn key(&self) -> Key {
        layout::command(&self.id)
    }

    /// What makes its item.
    ///
    /// # Errors
    /// When the request cannot be written as JSON.
    pub fn creation(&self) -> Result<Change, serde_json::Error> {
        let change = Change::new()
            .set(REQUEST, serde_json::to_string(&self.request)?)
            .set(BY, self.by.as_str())
            .set(ASKED_AT, self.asked_at)
            .set(SCOPE, self.scope.label())
            .set(STATE, State::Waiting.label())
            .set(EXPIRES, expires(self.asked_at));
        Ok(match &self.except {
            Some(session) => change.set(EXCEPT, session.as_str()),
            None => change,
        })
    }

    /// Reads an item whose sort key begins with [`layout::COMMAND`].
    ///
    /// # Errors
    /// What of it makes no sense, without quoting it: anybody who may write to the table may have put anything there.
    pub fn of(item: &Item) -> Result<Self, &'static str> {
        let id = item.key.sort.strip_prefix(layout::COMMAND).ok_or("it is no command")?;
        if id.is_empty() || id.len() > 100 || id.contains('#') {
            return Err("its id is empty, too long, or has a #");
        }
        let request = item.text(REQUEST).ok_or("it has no request")?;
        let request: Request = serde_json::from_str(request).map_err(|_| "its request is none")?;
        if request.body.len() > LONGEST_REQUEST {
            return Err("its request is longer than 64 KiB");
        }
        let scope = match item.text(SCOPE) {
            Some("any") => Scope::Any,
            Some("each") => Scope::Each,
            _ => return Err("its scope is neither any nor each"),
        };
        Ok(Self {
            id: id.to_owned(),
            request,
            by: claim(item.text(BY).unwrap_or("somebody")),
            asked_at: item.number(ASKED_AT).ok_or("it does not say when it was asked")?,
            scope,
            except: item.text(EXCEPT).map(str::to_owned),
            state: State::of(item).ok_or("its state is unknown")?,
            taken_by: item.text(TAKEN_BY).map(str::to_owned),
        })
    }
}

/// An id that no other command has.
pub fn new_id(randomness: &mut dyn RngCore) -> String {
    let mut bytes = [0_u8; 16];
    randomness.fill_bytes(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// When DynamoDB may remove what was written at `written_at`, in milliseconds since 1970.
pub fn expires(written_at: u64) -> u64 {
    written_at / 1_000 + KEPT_SECONDS
}

/// A claim of who asks, in one line that is not too long.
fn claim(said: &str) -> String {
    said.chars()
        .filter(|character| !character.is_control())
        .take(LONGEST_CLAIM)
        .collect()
}

/// An answer to a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// Its HTTP status.
    pub status: u16,
    /// Its body.
    pub body: String,
}

/// What an item says of a reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// All of it.
    Whole(Reply),
    /// Its status, and in how many items its body is.
    InParts(u16, u64),
}

impl Answer {
    /// The reply of an item; nothing if it has none.
    pub fn of(item: &Item) -> Option<Self> {
        let status = u16::try_from(item.number(STATUS)?).ok()?;
        match item.attributes.get(BODY) {
            Some(Value::Text(body)) => Some(Self::Whole(Reply {
                status,
                body: body.clone(),
            })),
            _ => Some(Self::InParts(status, item.number(PARTS)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn command() -> Command {
        Command::new(
            "c1".to_owned(),
            Request {
                method: "POST".to_owned(),
                path: "/api/v1/rotate".to_owned(),
                body: "{\"all\":true}".to_owned(),
            },
            "alice@laptop".to_owned(),
            Timestamp::from_timestamp(1_800_000_000, 0).unwrap(),
            Scope::Any,
        )
    }

    fn item(command: &Command) -> Item {
        Item {
            key: command.key(),
            attributes: command.creation().unwrap().set,
        }
    }

    #[test]
    fn a_command_is_read_as_it_was_written_and_lives_for_an_hour() {
        let written = item(&command());
        assert_eq!(Command::of(&written), Ok(command()));
        assert_eq!(written.number(EXPIRES), Some(1_800_003_600));
    }

    #[test]
    fn what_is_no_command_is_refused_whatever_is_wrong_with_it() {
        let without = |name: &str| {
            let mut item = item(&command());
            item.attributes.remove(name);
            item
        };
        let with = |name: &str, value: Value| {
            let mut item = item(&command());
            item.attributes.insert(name.to_owned(), value);
            item
        };
        let named = |sort: String| Item {
            key: Key::new(layout::FLEET, sort),
            attributes: item(&command()).attributes,
        };
        let long = serde_json::json!({"method": "POST", "path": "/", "body": "x".repeat(LONGEST_REQUEST + 1)});
        for wrong in [
            without(REQUEST),
            without(SCOPE),
            without(STATE),
            without(ASKED_AT),
            with(REQUEST, "[]".into()),
            with(REQUEST, long.to_string().into()),
            with(REQUEST, 7.into()),
            with(SCOPE, "all".into()),
            with(STATE, "lost".into()),
            named("COMMAND#".to_owned()),
            named("COMMAND#a#b".to_owned()),
            named(format!("COMMAND#{}", "x".repeat(101))),
            Item {
                key: layout::command("c1"),
                attributes: BTreeMap::new(),
            },
        ] {
            assert!(Command::of(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_claim_of_who_asks_stays_in_one_line_of_bounded_length() {
        let mut item = item(&command());
        let said = format!("eve\n{}", "x".repeat(1_000));
        item.attributes.insert(BY.to_owned(), said.into());
        let by = Command::of(&item).unwrap().by;
        assert!(by.starts_with("evex") && by.len() == LONGEST_CLAIM, "{by}");
    }
}
