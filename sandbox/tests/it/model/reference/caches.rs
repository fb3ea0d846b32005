//! Nodes: who may log in to each, and what is on its way to it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use rekeyd_sandbox::LoginAnswer;

/// When something that takes time is over: not before `from`, and no later than `by`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    pub from: DateTime<Utc>,
    pub by: DateTime<Utc>,
}

impl Window {
    pub fn after(now: DateTime<Utc>, (min, max): (u64, u64)) -> Self {
        let later = |ms| now + TimeDelta::milliseconds(i64::try_from(ms).unwrap());
        Self {
            from: later(min),
            by: later(max),
        }
    }

    /// Over when both are.
    pub fn and(self, other: Self) -> Self {
        Self {
            from: self.from.max(other.from),
            by: self.by.max(other.by),
        }
    }
}

/// What a user may log in with.
#[derive(Debug, Clone, PartialEq)]
pub struct Login {
    pub on: bool,
    /// A user without passwords takes any.
    pub any_password: bool,
    pub passwords: BTreeSet<String>,
}

impl Login {
    fn accepts(&self, password: &str) -> bool {
        self.on && (self.any_password || self.passwords.contains(password))
    }
}

/// What a node is to hear of a user.
struct News {
    user: String,
    name: String,
    arrives: Window,
    login: Option<Login>,
}

pub struct Node {
    pub id: String,
    /// The group whose users it knows.
    pub group: String,
    delay: (u64, u64),
    view: BTreeMap<String, Login>,
    news: Vec<News>,
}

impl Node {
    /// A node that knows what is to be known from the start.
    pub fn new(id: &str, group: &str, delay: (u64, u64), view: BTreeMap<String, Login>) -> Self {
        Self {
            id: id.to_owned(),
            group: group.to_owned(),
            delay,
            view,
            news: Vec::new(),
        }
    }

    /// Sends news of the user with an id and a name; says when they arrive. Older news under that name may come
    /// late, or never.
    pub fn tell(&mut self, now: DateTime<Utc>, user: &str, name: &str, login: Option<Login>) -> Window {
        let arrives = Window::after(now, self.delay);
        for older in self.news.iter_mut().filter(|news| news.name == name) {
            older.arrives.by = arrives.by;
        }
        self.news.push(News {
            user: user.to_owned(),
            name: name.to_owned(),
            arrives,
            login,
        });
        arrives
    }

    /// Lets news arrive: all that must have by now, and all of the users that are `certain` to be known.
    pub fn learn(&mut self, now: DateTime<Utc>, certain: &BTreeSet<String>) {
        for news in std::mem::take(&mut self.news) {
            if news.arrives.by > now && !certain.contains(&news.user) {
                self.news.push(news);
                continue;
            }
            self.news.retain(|older| older.name != news.name);
            match news.login {
                Some(login) => self.view.insert(news.name, login),
                None => self.view.remove(&news.name),
            };
        }
    }

    /// All answers that it may give: as it was, and as it will be if news may have arrived.
    pub fn login(&self, now: DateTime<Utc>, name: &str, password: &str) -> Vec<LoginAnswer> {
        let answer = |login: Option<&Login>| match login {
            Some(login) if login.accepts(password) => LoginAnswer::Ok,
            _ => LoginAnswer::WrongPass,
        };
        let mut answers = vec![answer(self.view.get(name))];
        let arriving = self
            .news
            .iter()
            .filter(|news| news.name == name && news.arrives.from <= now);
        answers.extend(arriving.map(|news| answer(news.login.as_ref())));
        answers
    }
}
