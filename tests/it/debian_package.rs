//! The life of the Debian package: dpkg installs, upgrades, removes and purges it on a Debian of the test's.

use crate::support::machine::{Machine, package};

/// Files that people look for, with their modes.
const FILES: [(&str, &str); 12] = [
    ("/usr/bin/rekeyd", "755"),
    ("/usr/lib/systemd/system/rekeyd.service", "644"),
    ("/etc/rekeyd/rekeyd.toml", "644"),
    ("/usr/share/man/man1/rekeyd.1.gz", "644"),
    ("/usr/share/man/man1/rekeyd-rotate.1.gz", "644"),
    ("/usr/share/bash-completion/completions/rekeyd", "644"),
    ("/usr/share/zsh/vendor-completions/_rekeyd", "644"),
    ("/usr/share/fish/vendor_completions.d/rekeyd.fish", "644"),
    ("/usr/share/doc/rekeyd/copyright", "644"),
    ("/usr/share/doc/rekeyd/examples/rekeyd.toml", "644"),
    ("/usr/share/doc/rekeyd/examples/ec2.conf", "644"),
    ("/usr/share/doc/rekeyd/sbom.cdx.json", "644"),
];

/// A configuration that is taken, of an operator who rotates nothing yet.
const EDITED: &str = "[daemon]\nlisten = \"127.0.0.1:0\"\n[aws.main]\nregion = \"us-east-1\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn the_package_is_installed_upgraded_removed_and_purged_without_starting_or_losing_what_is_not_its_own() {
    let machine = Machine::boot().await;
    let package = package().await;
    machine.give(&package.deb, "rekeyd.deb");
    machine.give(&package.newer, "newer.deb");
    let is = async |what: &str| {
        machine
            .run(&format!("systemctl is-{what} rekeyd"))
            .await
            .stdout
            .trim()
            .to_owned()
    };

    machine.does("dpkg --install /mnt/rekeyd.deb").await;
    for (file, mode) in FILES {
        let owned = machine.does(&format!("stat --format '%a %U:%G' {file}")).await;
        assert_eq!(owned, format!("{mode} root:root"), "{file}");
    }
    assert_eq!(machine.does("dpkg --verify rekeyd").await, "");
    assert_eq!(
        (is("enabled").await, is("active").await),
        ("disabled".to_owned(), "inactive".to_owned())
    );
    let refused = machine.run("rekeyd check").await;
    assert_eq!(
        refused.code,
        Some(78),
        "the package's own configuration is taken: {}",
        refused.stdout
    );
    assert!(
        refused.stderr.contains("/etc/rekeyd/rekeyd.toml:"),
        "{}",
        refused.stderr
    );

    machine.give_text(EDITED, "edited.toml");
    machine.does("cp /mnt/edited.toml /etc/rekeyd/rekeyd.toml").await;
    machine
        .does("touch /etc/rekeyd/mine && systemctl enable --now rekeyd")
        .await;
    let before = machine.service("MainPID").await;
    // As apt does where nobody answers a question.
    machine
        .does("dpkg --force-confdef --force-confold --install /mnt/newer.deb")
        .await;
    assert_eq!(
        machine.does("cat /etc/rekeyd/rekeyd.toml").await,
        EDITED.trim(),
        "the edited configuration is kept"
    );
    let kept_beside = machine.does("cat /etc/rekeyd/rekeyd.toml.dpkg-dist").await;
    assert!(kept_beside.ends_with("# of the newer version"), "{kept_beside}");
    assert_eq!(
        (is("enabled").await, is("active").await),
        ("enabled".to_owned(), "active".to_owned())
    );
    assert_ne!(machine.service("MainPID").await, before, "the old program runs on");

    machine
        .does("systemctl stop rekeyd && dpkg --force-confdef --force-confold --install /mnt/rekeyd.deb")
        .await;
    assert_eq!(
        is("active").await,
        "inactive",
        "a service that was stopped is started by an upgrade"
    );
    machine.does("systemctl start rekeyd").await;

    machine.does("dpkg --remove rekeyd").await;
    assert_ne!(is("active").await, "active", "removed while it runs");
    machine
        .does("test ! -e /usr/bin/rekeyd && test -e /etc/rekeyd/rekeyd.toml")
        .await;
    machine.does("test -e /var/lib/private/rekeyd/state.db").await;

    machine.does("dpkg --purge rekeyd").await;
    let left = machine
        .does("find / -xdev -name '*rekeyd*' -not -path '/proc/*' -not -path '/mnt/*'")
        .await;
    let left: Vec<&str> = left.lines().filter(|path| !path.starts_with("/var/lib/dpkg")).collect();
    assert_eq!(left, ["/etc/rekeyd"], "left behind");
    assert_eq!(
        machine.does("ls -A /etc/rekeyd").await,
        "mine",
        "what is not the package's stays"
    );
    assert_eq!(machine.does("systemctl --failed --no-legend").await, "");
}
