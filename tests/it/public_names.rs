//! Every name that others rely on, frozen in `tests/fixtures/public_names.txt`: commands and flags, exit codes, keys of the
//! configuration, metrics with their labels, paths of HTTP, and the fields of JSON. A name may come; one that goes or changes
//! breaks somebody. Whoever adds one runs `UPDATE_GOLDEN=1 cargo test -p rekeyd --test it public_names`.

mod designed;
mod fields;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rekeyd::cli::exit::Exit;
use rekeyd::config::schema;
use rekeyd::metrics::Metrics;
use serde_json::Value;

use super::help::commands;
use crate::support::golden;

/// A command's flags, and what it takes by place.
fn of_commands(names: &mut BTreeSet<String>) {
    for command in commands() {
        let name = match command.get_name() {
            "rekeyd" => "command".to_owned(),
            name => format!("command {name}"),
        };
        names.insert(name.clone());
        let is_main = command.get_name() == "rekeyd";
        let own = |argument: &&clap::Arg| (is_main || !argument.is_global_set()) && argument.get_id() != "help";
        for argument in command.get_arguments().filter(own) {
            names.insert(match argument.get_long() {
                Some(long) => format!("{name} --{long}"),
                None => format!(
                    "{name} {}",
                    argument.get_value_names().map_or("", |names| names[0].as_str())
                ),
            });
        }
    }
}

fn of_keys(schema: &Value, path: &str, names: &mut BTreeSet<String>) {
    let join = |key: &str| {
        if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}.{key}")
        }
    };
    for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
        if schema["type"] != "object" {
            names.insert(format!("key {}", join(key)));
        }
        of_keys(schema, &join(key), names);
    }
    let named = schema["patternProperties"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(_, table)| table);
    let named = named.chain(
        schema["additionalProperties"]
            .as_object()
            .map(|_| &schema["additionalProperties"]),
    );
    for table in named {
        names.insert(format!("key {}", join("NAME")));
        of_keys(table, &join("NAME"), names);
    }
}

/// What the routers serve, as the source says.
fn of_http(names: &mut BTreeSet<String>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/server");
    let files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    for file in files
        .into_iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
    {
        let text = std::fs::read_to_string(file).unwrap();
        for route in text.split(".route(").skip(1) {
            let mut parts = route.split(['"', '(']).map(|part| part.trim_matches([',', ' ', '\n']));
            let (path, method) = (parts.nth(1).unwrap(), parts.next().unwrap());
            names.insert(format!("http {} {path}", method.to_uppercase()));
        }
    }
}

fn all(fields: BTreeSet<String>) -> BTreeSet<String> {
    let mut names = fields;
    of_commands(&mut names);
    for exit in Exit::ALL {
        names.insert(format!("exit code {:>2} {exit:?}", exit as u8));
    }
    of_keys(schema(), "", &mut names);
    of_http(&mut names);
    for (family, labels) in Metrics::new(&[]).families() {
        let labels = if labels.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", labels.join(","))
        };
        names.insert(format!("metric {family}{labels}"));
    }
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn no_public_name_is_gone_or_another_one() {
    let mut fields = fields::of_types();
    fields.extend(fields::of_shapes());
    fields.extend(fields::of_a_daemon().await);
    let names = all(fields);
    for (kind, designed) in designed::NAMES {
        for name in designed.iter().map(|name| format!("{kind}{name}")) {
            assert!(names.contains(&name), "{name} is missing in {names:#?}");
        }
    }
    let text: String = names.iter().map(|name| format!("{name}\n")).collect();
    golden::compare(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/public_names.txt"),
        &text,
    );
}
