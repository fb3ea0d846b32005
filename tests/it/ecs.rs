//! config/ecs: what ECS takes, by botocore's model of it, and what rekeyd makes of the variables.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::cli::ended;
use crate::support::python;

fn shipped(name: &str) -> Value {
    let text = std::fs::read(python::workspace().join("config/ecs").join(name)).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// What the model has against these parameters; empty if nothing.
async fn findings(operation: &str, parameters: &Value) -> String {
    let asked = tempfile::NamedTempFile::new().unwrap();
    let question = json!({"operation": operation, "parameters": parameters});
    std::fs::write(asked.path(), question.to_string()).unwrap();
    let mut validate = Command::new(python::bin().join("python"));
    validate.arg(python::workspace().join("tests/it/ecs/validate.py"));
    validate.stdin(Stdio::from(asked.into_file()));
    let validated = ended(validate).await;
    assert_eq!(validated.code, Some(0), "{}", validated.stderr);
    validated.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn ecs_takes_the_task_definition_and_the_service_and_would_refuse_mistakes_in_them() {
    let (task, service) = (shipped("task-definition.json"), shipped("service.json"));
    assert_eq!(findings("RegisterTaskDefinition", &task).await, "");
    assert_eq!(findings("CreateService", &service).await, "");

    let mistakes: [(&str, &str, Value); 4] = [
        ("/containerDefinitions/0/stopTimeout", "stopTimeout", json!("120")),
        (
            "/containerDefinitions/0/healthCheck",
            "commands",
            json!({"commands": []}),
        ),
        (
            "/containerDefinitions/0/logConfiguration/logDriver",
            "logDriver",
            json!("cloudwatch"),
        ),
        ("/family", "family", Value::Null),
    ];
    for (place, named, wrong) in mistakes {
        let mut mistaken = task.clone();
        *mistaken.pointer_mut(place).unwrap() = wrong;
        let found = findings("RegisterTaskDefinition", &mistaken).await;
        assert!(found.contains(named), "{place}: {found}");
    }
}

#[test]
fn the_task_is_confined_like_the_image_and_no_second_one_is_started_beside_it() {
    let (task, service) = (shipped("task-definition.json"), shipped("service.json"));
    let container = &task["containerDefinitions"][0];
    assert_eq!(container["readonlyRootFilesystem"], true);
    assert_eq!(container["linuxParameters"]["capabilities"]["drop"], json!(["ALL"]));
    assert_eq!(
        container["healthCheck"]["command"],
        json!(["CMD", "/usr/bin/rekeyd", "healthcheck"])
    );
    let dockerfile = std::fs::read_to_string(python::workspace().join("Dockerfile")).unwrap();
    let user = container["user"].as_str().unwrap();
    assert!(dockerfile.contains(&format!("\nUSER {user}\n")), "{user}");
    let mounts = container["mountPoints"].as_array().unwrap();
    let mounted: Vec<&str> = mounts
        .iter()
        .map(|mount| mount["containerPath"].as_str().unwrap())
        .collect();
    // ECS gives a volume the owner that the image's folder has only where the image names it as a volume.
    let volumes = dockerfile
        .lines()
        .find_map(|line| line.strip_prefix("VOLUME "))
        .unwrap();
    assert_eq!(serde_json::from_str::<Vec<&str>>(volumes).unwrap(), mounted);

    assert_eq!(service["desiredCount"], 1);
    let deployment = &service["deploymentConfiguration"];
    assert_eq!(
        (&deployment["minimumHealthyPercent"], &deployment["maximumPercent"]),
        (&json!(0), &json!(100))
    );
    // Rebalancing starts the new task before it stops the old one.
    assert_eq!(service["availabilityZoneRebalancing"], "DISABLED");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_variables_of_the_task_definition_are_a_whole_configuration_that_drains_before_ecs_kills() {
    let task = shipped("task-definition.json");
    let container = &task["containerDefinitions"][0];
    let variables = container["environment"].as_array().unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_rekeyd"));
    check.env_clear().arg("--config");
    check.arg(python::workspace().join("packaging/container/rekeyd.toml"));
    check.args(["check", "--json"]);
    for variable in variables {
        check.env(variable["name"].as_str().unwrap(), variable["value"].as_str().unwrap());
    }
    let checked = ended(check).await;
    let told: Value = serde_json::from_str(&checked.stdout).unwrap();
    assert_eq!(checked.code, Some(0), "{told:#}");
    assert_eq!((&told["valid"], &told["warnings"]), (&json!(true), &json!([])));
    assert_eq!(told["daemon"]["drain_timeout"], "1m30s");
    let stop = Duration::from_secs(container["stopTimeout"].as_u64().unwrap());
    // After the drain come the surfaces' clients and the last blocking calls.
    assert!(stop >= Duration::from_secs(90 + 10), "{stop:?}");
}
