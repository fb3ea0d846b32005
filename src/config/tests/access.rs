//! `daemon.admin_group` and `daemon.audit_log`.

use super::*;

fn daemon_with(key: &str) -> String {
    format!("[daemon]\n{key}\n{POLICY}")
}

#[test]
fn a_group_and_an_audit_log_are_taken_as_they_are_named() {
    let daemon = load_ok(POLICY).config.daemon;
    assert_eq!((daemon.admin_group, daemon.audit_log), (None, None));
    for group in ["rekeyd-admins", "1042"] {
        let daemon = load_ok(&daemon_with(&format!("admin_group = {group:?}"))).config.daemon;
        assert_eq!(daemon.admin_group.as_deref(), Some(group));
    }
    let daemon = load_ok(&daemon_with("audit_log = \"/var/log/a.jsonl\"")).config.daemon;
    assert_eq!(daemon.audit_log, Some(PathBuf::from("/var/log/a.jsonl")));
}

#[test]
fn what_names_no_group_and_no_file_of_its_own_is_refused() {
    for (key, part) in [
        ("admin_group = \"\"", "name of a group"),
        ("admin_group = \"a:b\"", "name of a group"),
        ("admin_group = 1042", "string"),
        ("audit_log = \"\"", "full path"),
        ("audit_log = \"audit.jsonl\"", "full path"),
        ("audit_log = \"/var/lib/rekeyd/state.db\"", "a file of its own"),
        ("audit_log = \"/run/rekeyd/admin.sock\"", "a file of its own"),
    ] {
        assert_refused(&daemon_with(key), "t.toml:2", part);
    }
}
