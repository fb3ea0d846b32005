//! The list of all switches: what is asked, and the settings that take another side than the default.

use serde_json::{Value, json};

/// One side of one question that nobody outside AWS can answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Switch {
    /// The setting's key, with a dot before the part that lies in a table: `doubts.stale_labels_ms`.
    pub name: &'static str,
    /// What is asked.
    pub question: &'static str,
    /// A patch for [`Settings::patched`](crate::Settings::patched) that takes a side that is not the default, with
    /// times short enough for a test. Questions with more than two sides come once for each of the others.
    pub other_side: Value,
}

/// All switches. Tests that must hold whatever AWS does run once for each of them.
#[must_use]
pub fn switches() -> Vec<Switch> {
    let mut all = of_users();
    all.append(&mut of_groups());
    all.append(&mut of_labels());
    all.append(&mut of_rotation());
    all
}

fn switch(name: &'static str, question: &'static str, other_side: Value) -> Switch {
    Switch {
        name,
        question,
        other_side,
    }
}

/// A switch among `doubts`.
fn doubt(name: &'static str, question: &'static str, side: impl Into<Value>) -> Switch {
    let key = name.trim_start_matches("doubts.");
    switch(name, question, json!({"doubts": {key: side.into()}}))
}

fn of_users() -> Vec<Switch> {
    vec![
        switch(
            "modifying_lag_ms",
            "Can the status still read active for a while after ModifyUser has answered?",
            json!({"modifying_lag_ms": 300}),
        ),
        switch(
            "stale_active_ms",
            "Can DescribeUsers show the whole user as it was for a while, PasswordCount too?",
            json!({"stale_active_ms": 300}),
        ),
        switch(
            "modifying_max_ms",
            "Can a user be active before every node has the change?",
            json!({"modifying_max_ms": 50, "propagation_ms": {"min": 300, "max": 900}}),
        ),
        switch(
            "stuck_nodes_hold_modifying",
            "Does a node that cannot be told keep the user modifying?",
            json!({"stuck_nodes_hold_modifying": true}),
        ),
        switch(
            "tag_modifying_ms",
            "Does a change of a user's tags make it modifying everywhere, as some report?",
            json!({"tag_modifying_ms": 300}),
        ),
        switch(
            "enforce_password_characters",
            "Are the characters that the RBAC guide forbids, the comma among them, refused in passwords?",
            json!({"enforce_password_characters": false}),
        ),
        doubt(
            "doubts.unchanged_passwords_modify",
            "Does ModifyUser with the passwords that the user has already make it modifying?",
            false,
        ),
        doubt(
            "doubts.equal_passwords",
            "Is the same password given twice counted once?",
            "counted",
        ),
        doubt(
            "doubts.equal_passwords",
            "Is the same password given twice taken at all?",
            "refused",
        ),
        doubt(
            "doubts.no_password_spelling",
            "Is the type of a user without password spelled with a hyphen, as in the model?",
            "no_password",
        ),
    ]
}

fn of_groups() -> Vec<Switch> {
    vec![
        doubt(
            "doubts.group_collisions",
            "Is ModifyUser refused, as a matter of the user, while another user of its group is modifying?",
            "refused_as_user_state",
        ),
        doubt(
            "doubts.group_collisions",
            "Is ModifyUser refused, as a matter of the group, while another user of its group is modifying?",
            "refused_as_group_state",
        ),
        doubt(
            "doubts.group_modifying_with_user",
            "Does a user group read modifying while one of its users does?",
            true,
        ),
        doubt(
            "doubts.cache_modifying_with_user",
            "Does a replication group read modifying while one of its users does?",
            true,
        ),
        doubt(
            "doubts.set_auth_token",
            "Does the strategy SET take another AUTH token than that of the last ROTATE?",
            "rotated_only",
        ),
    ]
}

fn of_labels() -> Vec<Switch> {
    vec![
        doubt(
            "doubts.wrong_remove_from_code",
            "Which error does a RemoveFromVersionId that does not hold the label give?",
            "InvalidRequestException",
        ),
        doubt(
            "doubts.pending_label_swept_after_ms",
            "Does the service take AWSPENDING off the new AWSCURRENT when nobody asked it to rotate?",
            100,
        ),
        doubt(
            "doubts.stale_labels_ms",
            "For how long can reads find labels where they were before they moved?",
            300,
        ),
        doubt(
            "doubts.new_version_hidden_ms",
            "For how long can a version that was just put not be found by its id?",
            300,
        ),
        doubt("doubts.list_secrets_lag_ms", "How far behind can ListSecrets be?", 500),
        doubt(
            "doubts.label_move_changes_last_changed_date",
            "Does moving a label set LastChangedDate?",
            false,
        ),
    ]
}

fn of_rotation() -> Vec<Switch> {
    vec![
        doubt(
            "doubts.label_move_sets_last_rotated_date",
            "Does moving AWSCURRENT by hand set LastRotatedDate where rotation is enabled?",
            true,
        ),
        doubt(
            "doubts.cron_hour_lists",
            "Does RotateSecret take cron expressions with lists and ranges of hours?",
            false,
        ),
    ]
}
