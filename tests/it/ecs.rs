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
fn the_tasks_are_confined_like_the_image_write_to_the_socket_s_folder_alone_and_replace_each_other_one_by_one() {
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
    let volumes = serde_json::from_str::<Vec<&str>>(volumes).unwrap();
    assert!(mounted.iter().all(|folder| volumes.contains(folder)), "{volumes:?}");
    // The records are in a table: nothing is lost with a task.
    assert_eq!(mounted, ["/run/rekeyd"]);

    assert_eq!(service["desiredCount"], 3);
    let deployment = &service["deploymentConfiguration"];
    assert_eq!(
        (&deployment["minimumHealthyPercent"], &deployment["maximumPercent"]),
        (&json!(100), &json!(200))
    );
    assert_eq!(service["availabilityZoneRebalancing"], "ENABLED");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_variables_of_the_task_definition_are_a_whole_configuration_that_drains_before_ecs_kills() {
    let task = shipped("task-definition.json");
    let container = &task["containerDefinitions"][0];
    let variables = container["environment"].as_array().unwrap();
    let rekeyd = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rekeyd"));
        command.env_clear().arg("--config");
        command.arg(python::workspace().join("packaging/container/rekeyd.toml"));
        for variable in variables {
            command.env(variable["name"].as_str().unwrap(), variable["value"].as_str().unwrap());
        }
        command.args(arguments);
        ended(command)
    };
    let checked = rekeyd(&["check", "--json"]).await;
    let told: Value = serde_json::from_str(&checked.stdout).unwrap();
    assert_eq!(checked.code, Some(0), "{told:#}");
    assert_eq!((&told["valid"], &told["warnings"]), (&json!(true), &json!([])));
    assert_eq!(told["daemon"]["drain_timeout"], "1m30s");
    // Three of them share what they do, by a table that the task's role may use and not make.
    assert_eq!(told["daemon"]["state"], "dynamodb:rekeyd");
    let role = rekeyd(&["iam-policy", "--account", "123456789012"])
        .await
        .with(0)
        .stdout;
    assert!(
        role.contains("arn:aws:dynamodb:us-east-1:123456789012:table/rekeyd"),
        "{role}"
    );
    assert!(!role.contains("dynamodb:CreateTable"), "{role}");
    let stop = Duration::from_secs(container["stopTimeout"].as_u64().unwrap());
    // After the drain come the surfaces' clients and the last blocking calls.
    assert!(stop >= Duration::from_secs(90 + 10), "{stop:?}");
}
