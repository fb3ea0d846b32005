//! Commands that docs/OPERATIONS.md tells for a machine with the unit, whose user exists only while it runs.

use rekeyd::rotation::version::version_id;

use super::unit_on_systemd::{configured, proved};
use crate::support::machine::Machine;
use crate::support::pages::{Step, commands, page, section};
use crate::support::world::secret_name;
use crate::support::{OLD, World, eventually};

/// As if no daemon had ever run there.
const NO_STORE: &str = "systemctl stop rekeyd && rm -rf /var/lib/private/rekeyd /var/lib/rekeyd";

fn commands_of(heading: &str) -> Vec<Step> {
    let page = page("docs/OPERATIONS.md");
    commands(section(&page, heading).unwrap_or_else(|| panic!("no heading {heading}")))
}

/// Runs a command of rekeyd as the page says, and waits for its end. The machine lacks the bus that `--wait` and `--pipe` take.
async fn as_the_daemons_user(machine: &Machine, name: &str, arguments: &str) {
    let told = &commands_of("Who may give commands")[0].command;
    let (properties, _) = told.split_once("\n    rekeyd ").expect("a command of rekeyd");
    let properties = properties.replace("--wait --pipe", &format!("--unit={name} --remain-after-exit"));
    machine.does(&format!("{properties}\n    rekeyd {arguments}")).await;
    eventually("it has ended well", || async {
        let show = format!("systemctl show {name} --value --property=SubState,ExecMainStatus | paste -sd ' '");
        let state = machine.does(&show).await;
        let journal = machine
            .run(&format!("journalctl --no-pager --unit={name}"))
            .await
            .stdout;
        match state.as_str() {
            "exited 0" | "0 exited" => Ok(()),
            _ => Err(format!("{state}\n{journal}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_as_the_daemons_user_leaves_it_its_store_and_its_socket() {
    let world = World::start().await;
    let arn = world.live_user("user1", OLD).await;
    let first = world.holder(&arn, "AWSCURRENT").await.unwrap();
    let machine = configured(&world, "audit_log = \"/var/log/rekeyd/audit.jsonl\"\n").await;
    machine.does(NO_STORE).await;

    as_the_daemons_user(&machine, "once", "run --once").await;
    machine.does("systemctl stop once && systemctl start rekeyd").await;
    proved(&machine, &first).await;

    as_the_daemons_user(&machine, "beside", "status").await;
    machine.does("systemctl stop beside && systemctl reload rekeyd").await;
    let secret = secret_name("user1");
    machine.does(&format!("rekeyd rotate {secret} --now")).await;
    proved(&machine, &version_id(&arn, &first, 0)).await;
    machine.does("grep -q PutSecretValue /var/log/rekeyd/audit.jsonl").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_root_made_is_refused_by_the_service_with_what_to_do() {
    let world = World::start().await;
    world.live_user("user1", OLD).await;
    let machine = configured(&world, "").await;
    machine
        .does("systemctl stop rekeyd && rm /var/lib/rekeyd/state.db*")
        .await;
    machine
        .does("set -a && . /etc/rekeyd/environment && rekeyd run --once")
        .await;
    assert_ne!(machine.run("systemctl start rekeyd").await.code, Some(0));
    let journal = machine.journal().await;
    assert!(
        journal.contains("state.db.lock: Permission denied")
            && journal.contains("give the store's files and their folder to the user that rekeyd runs as"),
        "{journal}"
    );
    machine
        .does("chown --reference=/var/lib/rekeyd/ /var/lib/rekeyd/state.db* && systemctl start rekeyd")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_taken_in_where_no_daemon_ran_before() {
    let world = World::start().await;
    world.live_user("user1", OLD).await;
    let machine = configured(&world, "").await;
    let secret = secret_name("user1");
    eventually("it is paused", || async {
        let paused = machine.run(&format!("rekeyd pause {secret} --reason 'it moves'")).await;
        if paused.code == Some(0) {
            Ok(())
        } else {
            Err(paused.stderr)
        }
    })
    .await;

    let told = commands_of("Export and import");
    let moved = told
        .iter()
        .position(|step| step.command.starts_with("install -d"))
        .expect("the new machine");
    for (number, step) in told.iter().enumerate() {
        if number == moved {
            machine.does(NO_STORE).await;
        }
        machine.does(&format!("cd /root\n{}", step.command)).await;
    }
    eventually("the pause has moved along", || async {
        let status = machine.run(&format!("rekeyd status {secret}")).await.stdout;
        if status.contains("it moves") {
            Ok(())
        } else {
            Err(status)
        }
    })
    .await;
}
