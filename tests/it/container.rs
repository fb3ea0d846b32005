//! What the image promises, without an engine that would run it: the static program in a root that holds nothing else but
//! certificate roots, that it cannot write to, and as a user without a name.

use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rekeyd::rotation::version::version_id;
use tokio::process::{Child, Command};
use tokio::sync::OnceCell;

use crate::support::cli::{Ended, ended, ended_within};
use crate::support::daemon::send_signal;
use crate::support::deployed::{CA_FILE, configuration};
use crate::support::world::secret_name;
use crate::support::{Fault, FaultKind, OLD, PATIENCE, World, eventually, python};

/// The image's user.
const USER: u32 = 65_532;

/// Shows the root read-only, the two folders of the image's volumes aside, to one program of it; then becomes that program.
/// Every engine adds the devices: the C library of a static program is asked for randomness through a file.
const ENTER: &str = "
mount --bind $0 $0
for device in random urandom; do mount --bind /dev/$device $0/dev/$device; done
mount --bind $1 $0/var/lib/rekeyd
mount --bind $2 $0/run/rekeyd
mount -o remount,bind,ro $0
root=$0
shift 2
exec chroot --userspec=65532:65532 $root /usr/bin/rekeyd $@
";

/// The program as the image has it: the last link takes the C library in, and nothing is compiled for it that the tests
/// themselves were not compiled from.
async fn static_program() -> &'static Path {
    static PROGRAM: OnceCell<PathBuf> = OnceCell::const_new();
    PROGRAM.get_or_init(link).await
}

async fn link() -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_rekeyd")).ancestors().nth(2).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(python::workspace())
        .env("CARGO_TARGET_DIR", target)
        .args(["rustc", "--locked", "--package", "rekeyd", "--example", "rekeyd-static"])
        .args(["--", "-C", "target-feature=+crt-static"]);
    let linked = ended_within(cargo, PATIENCE * 10).await;
    assert_eq!(linked.code, Some(0), "{}", linked.stderr);
    target.join("debug/examples/rekeyd-static")
}

/// A root folder with the program, certificate roots and a configuration.
struct Root {
    folder: tempfile::TempDir,
}

impl Root {
    async fn of(world: &World, daemon_keys: &str) -> Self {
        let root = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let roots = python::workspace().join(".tools/machine/etc/ssl/certs/ca-certificates.crt");
        root.put("usr/bin/rekeyd", &std::fs::read(static_program().await).unwrap(), 0o755);
        root.put(
            "etc/ssl/certs/ca-certificates.crt",
            &std::fs::read(roots).unwrap(),
            0o644,
        );
        // What an engine adds.
        for (name, content) in [
            ("etc/hosts", "127.0.0.1 localhost\n"),
            ("dev/random", ""),
            ("dev/urandom", ""),
        ] {
            root.put(name, content.as_bytes(), 0o644);
        }
        root.put(
            "etc/rekeyd/rekeyd.toml",
            configuration(world, daemon_keys).as_bytes(),
            0o644,
        );
        root.put(&CA_FILE[1..], &std::fs::read(world.ca_file()).unwrap(), 0o644);
        for folder in ["root/var/lib/rekeyd", "root/run/rekeyd", "state", "run"] {
            let folder = root.folder.path().join(folder);
            std::fs::create_dir_all(&folder).unwrap();
            chown(folder, Some(USER), Some(USER)).expect("these tests take root");
        }
        root
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn put(&self, name: &str, content: &[u8], mode: u32) {
        let file = self.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, content).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        // Whoever may look into the test's folder may look into the root.
        std::fs::set_permissions(self.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "sh", "-euc", ENTER])
            .args([
                self.path(),
                self.folder.path().join("state"),
                self.folder.path().join("run"),
            ])
            .args(args)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("AWS_ACCESS_KEY_ID", "REKEYD")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    async fn rekeyd(&self, args: &[&str]) -> Ended {
        ended(self.command(args)).await
    }

    /// Starts the daemon, and waits until its health check passes.
    async fn run(&self) -> Child {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .unwrap();
        let daemon = self.command(&["run"]).stderr(log).spawn().unwrap();
        eventually("the container is healthy", || async {
            let check = self.rekeyd(&["healthcheck"]).await;
            match check.code {
                Some(0) => Ok(()),
                _ => Err(format!(
                    "{}{}",
                    check.stderr,
                    std::fs::read_to_string(self.log()).unwrap()
                )),
            }
        })
        .await;
        daemon
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

/// A port that is free now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn program_header_types(elf: &[u8]) -> Vec<u32> {
    let number = |at: usize, length: usize| {
        let bytes = elf[at..at + length].iter().rev();
        bytes.fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte))
    };
    let (table, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    let types = (0..count).map(|index| number(table + index * size, 4));
    types.map(|kind| u32::try_from(kind).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_static_program_rotates_in_an_empty_read_only_root_as_a_user_without_a_name() {
    const POSITION_INDEPENDENT: u8 = 3;
    const INTERPRETER: u32 = 3;
    let world = World::start().await;
    let arn = world.live_user("user1", OLD).await;
    let secret = secret_name("user1");
    let first = world.holder(&arn, "AWSCURRENT").await.unwrap();
    let second = version_id(&arn, &first, 0);
    let root = Root::of(&world, &format!("listen = \"127.0.0.1:{}\"\n", free_port())).await;
    let program = std::fs::read(static_program().await).unwrap();
    assert_eq!(
        program[16], POSITION_INDEPENDENT,
        "at the same address in every process"
    );
    assert!(
        !program_header_types(&program).contains(&INTERPRETER),
        "takes a dynamic linker"
    );

    let unhealthy = root.rekeyd(&["healthcheck"]).await;
    assert_ne!(unhealthy.code, Some(0), "healthy before it was started");
    let mut daemon = root.run().await;
    let pid = daemon.id().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    for line in [
        format!("Uid:\t{USER}\t{USER}\t{USER}\t{USER}"),
        "CapEff:\t0000000000000000".to_owned(),
    ] {
        assert!(status.contains(&line), "{line}: {status}");
    }

    let mut slow = Fault::next("ModifyUser", FaultKind::Delay);
    slow.ms = Some(1_500);
    world.faults(vec![slow]);
    eventually("the rotation is accepted", || async {
        let asked = root.rekeyd(&["rotate", &secret]).await;
        if asked.code == Some(0) {
            Ok(())
        } else {
            Err(asked.stderr)
        }
    })
    .await;
    world.fault_fired().await;
    send_signal(pid, "-TERM");
    let ended = tokio::time::timeout(PATIENCE, daemon.wait()).await.unwrap().unwrap();
    assert_eq!(
        ended.code(),
        Some(0),
        "{}",
        std::fs::read_to_string(root.log()).unwrap()
    );

    let _daemon = root.run().await;
    eventually("the rotation that was under way is finished", || async {
        match world.holder(&secret, "AWSCURRENT").await {
            Some(current) if current == second => Ok(()),
            other => Err(format!("{other:?}: {}", std::fs::read_to_string(root.log()).unwrap())),
        }
    })
    .await;
    assert_eq!(world.count("secretsmanager.PutSecretValue"), 1, "begun anew");
    world.assert_current_logs_in(&secret, "user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dockerfile_has_no_fault_that_hadolint_knows_and_its_configuration_rotates_nothing() {
    let workspace = python::workspace();
    let mut hadolint = Command::new(python::bin().join("hadolint"));
    hadolint
        .current_dir(workspace)
        .args(["--failure-threshold", "style", "Dockerfile"]);
    let linted = ended(hadolint).await;
    assert_eq!(linted.code, Some(0), "{}{}", linted.stdout, linted.stderr);

    let mut check = Command::new(env!("CARGO_BIN_EXE_rekeyd"));
    check.env_clear().arg("--config");
    check.arg(workspace.join("packaging/container/rekeyd.toml"));
    check.args(["check", "--json"]);
    let checked = ended(check).await;
    let told: serde_json::Value = serde_json::from_str(&checked.stdout).unwrap();
    assert_eq!(
        (checked.code, told["valid"].as_bool()),
        (Some(0), Some(true)),
        "{}",
        checked.stdout
    );
    assert!(
        told["warnings"][0].to_string().contains("nothing will be rotated"),
        "{told}"
    );
}
