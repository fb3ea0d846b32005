//! What there is of a user and its secret.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

use crate::aws::provisioning::{GroupSettings, UserSettings};
use crate::rotation::observation::{AWSCURRENT, LoginAnswer, SecretState};
use crate::secret::{DocumentError, SecretDocument};

/// A version and its text; `None` where the value is binary.
#[derive(Clone)]
pub struct CurrentVersion {
    /// Its id.
    pub id: String,
    /// Its value.
    pub text: Option<SecretString>,
}

impl CurrentVersion {
    /// The document.
    ///
    /// # Errors
    /// It cannot be worked with.
    pub fn document(&self) -> Result<SecretDocument, DocumentError> {
        match &self.text {
            Some(text) => SecretDocument::parse(text.expose_secret()),
            None => Err(DocumentError::Binary),
        }
    }
}

/// A secret that is there.
#[derive(Clone)]
pub struct SecretSight {
    /// Its labels, flags and tags.
    pub state: SecretState,
    /// The version under AWSCURRENT.
    pub current: Option<CurrentVersion>,
}

impl SecretSight {
    /// The id of the version under AWSCURRENT.
    pub fn current_id(&self) -> Option<&str> {
        self.state.holder(AWSCURRENT)
    }
}

/// What the nodes answered to a password.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Evidence {
    /// By node.
    pub answers: BTreeMap<String, LoginAnswer>,
}

impl Evidence {
    /// The nodes that gave this kind of answer.
    fn nodes(&self, wanted: impl Fn(&LoginAnswer) -> bool) -> Vec<&str> {
        let answers = self.answers.iter().filter(|(_, answer)| wanted(answer));
        answers.map(|(node, _)| node.as_str()).collect()
    }

    /// The nodes that accepted it.
    pub fn accepted(&self) -> Vec<&str> {
        self.nodes(|answer| *answer == LoginAnswer::Accepted)
    }

    /// Who did not accept it, and how, in words.
    pub fn doubts(&self) -> String {
        let refused = self.refused().into_iter().map(|node| format!("refused by {node}"));
        let silent = self.silent().into_iter().map(|node| format!("no answer from {node}"));
        refused.chain(silent).collect::<Vec<_>>().join(", ")
    }

    /// The nodes that refused it.
    pub fn refused(&self) -> Vec<&str> {
        self.nodes(|answer| *answer == LoginAnswer::Refused)
    }

    /// The nodes that gave no answer, each with the cause.
    pub fn silent(&self) -> Vec<String> {
        let silent = self.answers.iter().filter_map(|(node, answer)| match answer {
            LoginAnswer::Unreachable(cause) | LoginAnswer::TlsFailed(cause) => Some(format!("{node} ({cause})")),
            LoginAnswer::Accepted | LoginAnswer::Refused => None,
        });
        silent.collect()
    }

    /// Whether every node accepted it, and there is one.
    pub fn everywhere(&self) -> bool {
        !self.answers.is_empty() && self.accepted().len() == self.answers.len()
    }
}

/// What there is.
#[derive(Clone)]
pub struct Sight {
    /// The user.
    pub user: Option<UserSettings>,
    /// The ARN that it has, or will have.
    pub user_arn: String,
    /// The secret.
    pub secret: Option<SecretSight>,
    /// The groups that were asked for.
    pub groups: BTreeMap<String, Option<GroupSettings>>,
    /// What the nodes say of the password that is known, if it matters.
    pub known_password: Option<Evidence>,
}
