//! The forms of texts, as regular expressions that ECMA-262 and everybody else reads alike. Each takes whatever
//! `check` takes, and perhaps more.

/// The name of a place or a policy.
pub(in crate::config) const TABLE_NAME: &str = "^[a-z][a-z0-9_]*$";

/// `90s`, `1h30m`, `30d`.
pub(super) const DURATION: &str = "^([0-9]+(d|h|m|s|ms))+$";

pub(super) const DURATION_OR_NONE: &str = "^(none|([0-9]+(d|h|m|s|ms))+)$";

pub(super) const OVERLAP: &str = "^(none|until-next-rotation|([0-9]+(d|h|m|s|ms))+)$";

/// An IP address and a port.
pub(super) const LISTEN: &str = "^[^ ]+:[0-9]{1,5}$";

pub(super) const STATE: &str = "^(sqlite:.+|dynamodb:[A-Za-z0-9_.-]{3,255})$";

/// The name or the number of a group.
pub(super) const GROUP: &str = "^[^:]+$";

pub(super) const FULL_PATH: &str = "^/.+$";

pub(super) const REGION: &str = "^[a-z0-9]+(-[a-z0-9]+)+-[0-9]+$";

pub(super) const ROLE_ARN: &str = "^arn:aws[^:]*:iam::[0-9]{12}:role/.+$";

pub(super) const SESSION_NAME: &str = "^[A-Za-z0-9_+=,.@-]{2,64}$";

/// https anywhere, http on this machine.
pub(super) const ENDPOINT_URL: &str =
    "^(https://[^/?#@]+|http://(localhost|127\\.[0-9.]+|\\[[0:]*1\\])(:[0-9]{1,5})?)/?$";

/// https anywhere, http on this machine; a path and a query may follow.
pub(super) const WEBHOOK_URL: &str =
    "^(https://[^/?#@ ]+|http://(localhost|127\\.[0-9.]+|\\[[0:]*1\\])(:[0-9]{1,5})?)([/?][^# ]*)?$";

/// The name or the ARN of an event bus.
pub(super) const EVENT_BUS: &str = "^[A-Za-z0-9/._:-]+$";

pub(super) const ENDPOINT: &str = "^[^/]+:[0-9]{1,5}$";

/// A secret's name or ARN.
pub(super) const SECRET: &str = "^[A-Za-z0-9/_+=.@!:-]+$";

pub(super) const NAME_PREFIX: &str = "^[A-Za-z0-9/_+=.@!-]+$";

pub(super) const USER_PATTERN: &str = "^[A-Za-z0-9*-]+$";

pub(super) const SHARE: &str = "^0*([1-9][0-9]?|100)%$";
