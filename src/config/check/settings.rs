//! The keys that a policy shares with `[defaults]`: a policy's own value, else the default's,
//! else the one built in.

use std::path::PathBuf;
use std::time::Duration;

use super::timing::{self, Timing};
use super::{Given, read, read_optional, values, when};
use crate::config::duration;
use crate::config::raw::{RawPassword, RawPolicy, RawRetry, Table};
use crate::config::source::{Findings, KeyPath};
use crate::policy::{Endpoint, FirstPassword, MaxAttention, OnDrift, Overlap, PasswordSpec, Retry, Tls, Verify};
use crate::secret::{MAX_PASSWORD_LENGTH, MIN_PASSWORD_LENGTH, PasswordAlphabet};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// AWS takes a signature for fifteen minutes and some skew; a fence within that does not hold a
/// stalled write back.
const SAFE_FENCE: Duration = Duration::from_secs(20 * 60);

/// Requests are signed with their observation's time, and AWS refuses signatures older than this.
const SIGNATURE_WINDOW: Duration = Duration::from_secs(15 * 60);

/// Where a policy's values come from.
pub(super) struct Sources<'a> {
    own: &'a RawPolicy,
    own_path: KeyPath,
    defaults: &'a RawPolicy,
}

impl<'a> Sources<'a> {
    pub(super) fn new(own: &'a RawPolicy, own_path: KeyPath, defaults: &'a RawPolicy) -> Self {
        Self {
            own,
            own_path,
            defaults,
        }
    }

    /// The value of a key and the path that gave it.
    pub(super) fn given<T>(&self, keys: &[&str], get: impl Fn(&RawPolicy) -> Option<T>) -> Given<T> {
        let under = |path: KeyPath| keys.iter().fold(path, |path, key| path.join(key));
        get(self.own)
            .map(|value| (value, under(self.own_path.clone())))
            .or_else(|| get(self.defaults).map(|value| (value, under(KeyPath::of(&["defaults"])))))
    }

    pub(super) fn text(&self, key: &str, get: fn(&RawPolicy) -> &Option<String>) -> Given<String> {
        self.given(&[key], |raw| get(raw).clone())
    }

    fn any_duration(
        &self,
        key: &str,
        default: Duration,
        get: fn(&RawPolicy) -> &Option<String>,
        findings: &mut Findings,
    ) -> Duration {
        read(self.text(key, get), default, values::at_least(Duration::ZERO), findings)
    }

    fn at_least_a_second(
        &self,
        key: &str,
        default: Duration,
        get: fn(&RawPolicy) -> &Option<String>,
        findings: &mut Findings,
    ) -> Duration {
        read(self.text(key, get), default, values::at_least(SECOND), findings)
    }

    /// Where a key stands, given or not.
    pub(super) fn path(&self, key: &str, is_set: impl Fn(&RawPolicy) -> bool) -> KeyPath {
        let own = is_set(self.own) || !is_set(self.defaults);
        if own {
            self.own_path.join(key)
        } else {
            KeyPath::of(&["defaults", key])
        }
    }
}

/// The checked values of those keys.
pub(super) struct Settings {
    /// `None` only beside a reported problem.
    pub(super) password: Option<PasswordSpec>,
    pub(super) overlap: Overlap,
    pub(super) verify: Verify,
    pub(super) first_password: FirstPassword,
    pub(super) allow_default_user: bool,
    pub(super) on_drift: OnDrift,
    pub(super) propagation_timeout: Duration,
    pub(super) pending_max_age: Duration,
    pub(super) max_attempts: u32,
    pub(super) retry: Retry,
    pub(super) fence: Duration,
    pub(super) settle: Duration,
    pub(super) write_deadline: Duration,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) tls: Tls,
    pub(super) canary: usize,
    pub(super) max_attention: MaxAttention,
    pub(super) timing: Timing,
    pub(super) paused: bool,
}

/// Checks `[defaults]` by itself, so that a mistake shows even where every policy overrides it.
pub(super) fn check_defaults(raw: &RawPolicy, findings: &mut Findings) {
    let path = KeyPath::of(&["defaults"]);
    for (key, set) in [
        ("secrets", raw.secrets.is_some()),
        ("select", raw.select.is_some()),
        ("allow_users", raw.allow_users.is_some()),
    ] {
        if set {
            let message = format!(
                "`{key}` belongs to a policy: which secrets and users it is about is never a default; move it there"
            );
            findings.error(&path.join(key), message);
        }
    }
    let none = RawPolicy::default();
    let from = Sources::new(raw, path, &none);
    check(&from, findings);
    when::check_defaults(&from, findings);
}

/// Only a login tells that a password is refused.
pub(super) fn check_repair(from: &Sources<'_>, settings: &Settings, findings: &mut Findings) {
    if (settings.on_drift, settings.verify) != (OnDrift::Repair, Verify::ApiOnly) {
        return;
    }
    let spot = from.path("on_drift", |raw| raw.on_drift.is_some());
    findings.error(
        &spot,
        "impossible combination: on_drift = \"repair\" needs logins, by which a refused password is noticed, and \
         verify = \"api-only\" makes none; use verify = \"login\" or on_drift = \"halt\"",
    );
}

pub(super) fn check(from: &Sources<'_>, findings: &mut Findings) -> Settings {
    let default_overlap = Overlap::For(DAY);
    let settings = Settings {
        password: password(from, findings),
        overlap: read(
            from.text("overlap", |raw| &raw.overlap),
            default_overlap,
            values::overlap,
            findings,
        ),
        verify: read(from.text("verify", |raw| &raw.verify), Verify::Login, verify, findings),
        first_password: first_password(from, findings),
        allow_default_user: flag(from, "allow_default_user", |raw| raw.allow_default_user),
        on_drift: read(
            from.text("on_drift", |raw| &raw.on_drift),
            OnDrift::Halt,
            values::word(&[("halt", OnDrift::Halt), ("repair", OnDrift::Repair)]),
            findings,
        ),
        propagation_timeout: from.at_least_a_second(
            "propagation_timeout",
            30 * MINUTE,
            |raw| &raw.propagation_timeout,
            findings,
        ),
        pending_max_age: from.at_least_a_second("pending_max_age", 7 * DAY, |raw| &raw.pending_max_age, findings),
        max_attempts: max_attempts(from, findings),
        retry: retry(from, findings),
        fence: from.any_duration("fence", SAFE_FENCE, |raw| &raw.fence, findings),
        settle: from.any_duration("settle", 5 * MINUTE, |raw| &raw.settle, findings),
        write_deadline: from.at_least_a_second("write_deadline", 10 * SECOND, |raw| &raw.write_deadline, findings),
        endpoints: endpoints(from, findings),
        tls: Tls {
            ca_file: ca_file(from, findings),
        },
        canary: read(
            from.given(&["canary"], |raw| raw.canary),
            1,
            values::within(0, 1_000_000),
            findings,
        ),
        max_attention: read(
            from.given(&["max_attention"], |raw| raw.max_attention.clone()),
            MaxAttention::Percent(5),
            values::max_attention,
            findings,
        ),
        timing: timing::check(from, findings),
        paused: flag(from, "paused", |raw| raw.paused),
    };
    check_combinations(from, &settings, findings);
    settings
}

/// What each value allows alone and not beside another, or allows and nobody should want.
fn check_combinations(from: &Sources<'_>, settings: &Settings, findings: &mut Findings) {
    if settings.fence < SAFE_FENCE {
        let message = format!(
            "a fence under {} does not outlast a request that AWS still accepts: a stalled process may undo a later \
             rotation; for tests only",
            duration::format(SAFE_FENCE)
        );
        findings.warn(&from.path("fence", |raw| raw.fence.is_some()), message);
    }
    if settings.write_deadline >= SIGNATURE_WINDOW {
        let message = "must stay under 15m: AWS refuses requests signed earlier than that, so none would get through";
        findings.error(
            &from.path("write_deadline", |raw| raw.write_deadline.is_some()),
            message,
        );
    }
    if settings.pending_max_age < settings.propagation_timeout {
        let path = from.path("pending_max_age", |raw| raw.pending_max_age.is_some());
        findings.warn(
            &path,
            "shorter than `propagation_timeout`: passwords are given up while they still propagate",
        );
    }
    if settings.verify == Verify::ApiOnly && !settings.endpoints.is_empty() {
        findings.warn(
            &from.path("endpoints", |raw| raw.endpoints.is_some()),
            "never used: `verify` is \"api-only\"",
        );
    }
    if settings.verify == Verify::ApiOnly && settings.settle < MINUTE {
        let message = "under a minute: nodes that are still changing would count as settled, and no login checks them";
        findings.warn(&from.path("settle", |raw| raw.settle.is_some()), message);
    }
}

fn flag(from: &Sources<'_>, key: &str, get: fn(&RawPolicy) -> Option<bool>) -> bool {
    from.given(&[key], get).is_some_and(|(value, _)| value)
}

fn verify(text: String) -> Result<Verify, String> {
    values::word(&[("login", Verify::Login), ("api-only", Verify::ApiOnly)])(text)
}

fn first_password(from: &Sources<'_>, findings: &mut Findings) -> FirstPassword {
    let words = values::word(&[
        ("inactive-only", FirstPassword::InactiveOnly),
        ("any", FirstPassword::Any),
    ]);
    read(
        from.text("first_password", |raw| &raw.first_password),
        FirstPassword::InactiveOnly,
        words,
        findings,
    )
}

fn max_attempts(from: &Sources<'_>, findings: &mut Findings) -> u32 {
    read(
        from.given(&["max_attempts"], |raw| raw.max_attempts),
        3,
        values::within(1, 1_000),
        findings,
    )
}

fn password(from: &Sources<'_>, findings: &mut Findings) -> Option<PasswordSpec> {
    let of = |raw: &RawPolicy| {
        raw.password
            .as_ref()
            .map_or_else(RawPassword::default, |Table(raw)| raw.clone())
    };
    // Both lengths fit an i64 by far.
    let (least, most) = (MIN_PASSWORD_LENGTH as i64, MAX_PASSWORD_LENGTH as i64);
    let length = from.given(&["password", "length"], |raw| of(raw).length);
    let length = read(length, 32, values::within(least, most), findings);
    let excluded = from.given(&["password", "exclude_characters"], |raw| of(raw).exclude_characters);
    let alphabet = read_optional(
        excluded,
        |text| PasswordAlphabet::without(&text).ok_or("leaves fewer than 16 characters to make passwords of"),
        findings,
    );
    let alphabet = alphabet.or_else(|| PasswordAlphabet::without(""))?;
    Some(PasswordSpec { length, alphabet })
}

fn retry(from: &Sources<'_>, findings: &mut Findings) -> Retry {
    let of = |raw: &RawPolicy| {
        raw.retry
            .as_ref()
            .map_or_else(RawRetry::default, |Table(raw)| raw.clone())
    };
    let least = Duration::from_millis(1);
    let initial = from.given(&["retry", "initial"], |raw| of(raw).initial);
    let max = from.given(&["retry", "max"], |raw| of(raw).max);
    let jitter = from.given(&["retry", "jitter"], |raw| of(raw).jitter);
    let spots: Vec<KeyPath> = [&initial, &max]
        .into_iter()
        .flatten()
        .map(|(_, path)| path.clone())
        .collect();
    let retry = Retry {
        initial: read(initial, 2 * SECOND, values::at_least(least), findings),
        max: read(max, 10 * MINUTE, values::at_least(least), findings),
        jitter: read(
            jitter,
            0.2,
            |share| {
                if (0.0..=1.0).contains(&share) {
                    Ok(share)
                } else {
                    Err(format!("{share} is no share: 0 to 1"))
                }
            },
            findings,
        ),
    };
    let wrong = spots.iter().any(|spot| findings.has_error(spot));
    if let Some(spot) = spots.first().filter(|_| retry.initial > retry.max && !wrong) {
        let (initial, max) = (duration::format(retry.initial), duration::format(retry.max));
        findings.error(
            spot,
            format!("the first delay ({initial}) exceeds the longest ({max}): lower `initial` or raise `max`"),
        );
    }
    retry
}

fn endpoints(from: &Sources<'_>, findings: &mut Findings) -> Vec<Endpoint> {
    let Some((texts, path)) = from.given(&["endpoints"], |raw| raw.endpoints.clone()) else {
        return Vec::new();
    };
    let texts = texts.into_iter().enumerate();
    texts
        .filter_map(|(index, text)| {
            read_optional(Some((text, path.item(index))), |text| values::endpoint(&text), findings)
        })
        .collect()
}

fn ca_file(from: &Sources<'_>, findings: &mut Findings) -> Option<PathBuf> {
    let given = from.given(&["tls", "ca_file"], |raw| {
        raw.tls.as_ref().and_then(|Table(raw)| raw.ca_file.clone())
    });
    read_optional(given, values::not_empty, findings).map(PathBuf::from)
}
