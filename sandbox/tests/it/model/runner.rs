//! Runs one case against a door and the reference, and compares after every step.

use std::collections::BTreeMap;

use rekeyd_sandbox::{Fault, FaultKind};
use serde_json::{Value, json};

use super::call::{Call, Case, Step, Version, World, is_about_secrets};
use super::compare::difference;
use super::doors::{Answer, Door};
use super::generator::{NAMES, NODES, PASSWORDS, SECRETS, VALUES};
use super::reference::{Reference, secret_name, status};
use super::tally::Tally;
use super::wire;

/// After how many steps everything is compared.
const COMPARE_EVERY: usize = 15;

pub struct Runner<'a> {
    door: &'a mut Door,
    reference: Reference,
    tally: &'a mut Tally,
}

/// Runs a case; an error says where sandbox and reference part.
pub async fn run(door: &mut Door, case: &Case, tally: &mut Tally) -> Result<(), String> {
    let result = run_steps(door, case, tally).await;
    tally.end(result.is_ok());
    result
}

async fn run_steps(door: &mut Door, case: &Case, tally: &mut Tally) -> Result<(), String> {
    door.begin(&settings(&case.world)).await;
    let reference = Reference::new(&case.world, door.now());
    let mut runner = Runner { door, reference, tally };
    runner.make_caches(&case.world).await?;
    for (n, step) in case.steps.iter().enumerate() {
        let result = runner.step(step).await;
        result.map_err(|why| format!("step {}, {}: {why}", n + 1, json!(step)))?;
        if (n + 1) % COMPARE_EVERY == 0 || n + 1 == case.steps.len() {
            runner
                .compare_all()
                .await
                .map_err(|why| format!("after step {}: {why}", n + 1))?;
        }
    }
    runner.no_password_in_the_log()
}

fn settings(world: &World) -> Value {
    let delay = |n: usize| json!({"min": world.delays[n].0, "max": world.delays[n].1});
    json!({
        "node_propagation_ms": {NODES[0]: delay(0), NODES[1]: delay(1), NODES[2]: delay(2)},
        "detached_modifying_ms": world.detached_modifying_ms,
        "group_busy": world.group_busy,
        "enforce_password_characters": world.enforce_password_characters,
        "doubts": {"wrong_remove_from_code": world.wrong_remove_from_code},
    })
}

impl Runner<'_> {
    /// A cache of two nodes for the group `g0`, and a second one of one node if the world has it.
    async fn make_caches(&mut self, world: &World) -> Result<(), String> {
        let mut caches = vec![("rg0", "g0", &world.delays[..2])];
        caches.extend(
            world
                .second_cache
                .as_ref()
                .map(|group| ("rg1", group.as_str(), &world.delays[2..])),
        );
        for (cache, group, delays) in caches {
            if !self.reference.groups.contains_key(group) {
                let call = Call::CreateUserGroup {
                    group: group.to_owned(),
                    users: vec!["default".to_owned()],
                };
                self.exchange(&call, None).await?;
            }
            let input = json!({
                "ReplicationGroupId": cache, "ReplicationGroupDescription": "d", "UserGroupIds": [group],
                "TransitEncryptionEnabled": true, "NumCacheClusters": delays.len(),
            });
            let answer = self.door.call("CreateReplicationGroup", &input).await;
            if !matches!(answer, Answer::Ok(_)) {
                return Err(format!("the cache {cache} was not made: {answer:?}"));
            }
            self.reference.create_cache(cache, group, delays);
        }
        Ok(())
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        if matches!(step, Step::Call(call, _) if !is_about_secrets(call.operation())) {
            self.look_at_statuses().await;
        }
        match step {
            Step::Call(call, fault) => {
                let answer = self.exchange(call, *fault).await?;
                self.tally.count(call.operation(), &answer);
            }
            Step::Wait(ms) => {
                self.door.wait(*ms);
                self.reference.wait(*ms);
            }
            Step::Login { node, name, password } => self.login(node, name, password)?,
        }
        Ok(())
    }

    fn login(&mut self, node: &str, name: &str, password: &str) -> Result<(), String> {
        self.tally.logins += 1;
        let allowed = self.reference.login(node, name, password);
        let got = self.door.login(node, name, password);
        if allowed.contains(&got) {
            return Ok(());
        }
        Err(format!(
            "{node} says {got:?} to {name} with {password}; allowed is {allowed:?}"
        ))
    }

    /// Makes a call at the door and in the reference, and compares what comes of it.
    async fn exchange(&mut self, call: &Call, fault: Option<FaultKind>) -> Result<Answer, String> {
        let input = wire::input(call, &self.reference);
        if let Some(kind) = fault {
            self.door.set_faults(vec![fault_on(call.operation(), kind)]).await;
        }
        let answer = self.door.call(call.operation(), &input).await;
        if let Some(kind) = fault.filter(|kind| *kind != FaultKind::ReplyLost) {
            let code = fault_code(kind, call.operation());
            let injected = Answer::Refused {
                code: code.to_owned(),
                status: status(code),
            };
            return same(&answer, &injected).map(|()| answer);
        }
        match self.reference.call(call) {
            _ if fault.is_some() => same(&answer, &Answer::Lost)?,
            Ok(expected) => {
                let Answer::Ok(reply) = &answer else {
                    return Err(format!("expected {expected}, got {answer:?}"));
                };
                if let Some(difference) = difference(&expected, reply) {
                    return Err(difference);
                }
                self.check_arn(reply)?;
            }
            Err(codes) => match &answer {
                Answer::Refused { code, status: got } if codes.contains(code.as_str()) && *got == status(code) => {}
                _ => return Err(format!("expected one of {codes:?}, got {answer:?}")),
            },
        }
        Ok(answer)
    }

    /// A secret keeps its ARN.
    fn check_arn(&mut self, reply: &Value) -> Result<(), String> {
        let (Some(name), Some(arn)) = (reply["Name"].as_str(), reply["ARN"].as_str()) else {
            return Ok(());
        };
        let Some(secret) = self.reference.secrets.get_mut(secret_name(name)) else {
            return Ok(());
        };
        match secret.arn.get_or_insert_with(|| arn.to_owned()) {
            known if known == arn => Ok(()),
            known => Err(format!("{name} was {known} and is {arn}")),
        }
    }

    /// Lets the reference know which of the statuses that drawn delays leave open have come about.
    async fn look_at_statuses(&mut self) {
        if !self.reference.unsure() {
            return;
        }
        self.tally.looks += 1;
        let Answer::Ok(reply) = self.door.call("DescribeUsers", &json!({})).await else {
            return;
        };
        let text = |user: &Value, key: &str| user[key].as_str().unwrap_or_default().to_owned();
        let users = reply["Users"].as_array().into_iter().flatten();
        let shown: BTreeMap<_, _> = users.map(|user| (text(user, "UserId"), text(user, "Status"))).collect();
        self.reference.resolve(&shown);
    }

    /// Compares everything that can be seen.
    async fn compare_all(&mut self) -> Result<(), String> {
        self.look_at_statuses().await;
        let mut reads = vec![
            Call::DescribeUsers { user: None },
            Call::DescribeUserGroups { group: None },
        ];
        for secret in SECRETS.map(str::to_owned) {
            let named = self.reference.secrets.get(&secret);
            reads.extend(
                named
                    .into_iter()
                    .flat_map(|named| named.versions.keys())
                    .map(|id| Call::GetSecretValue {
                        secret: secret.clone(),
                        version: Some(Version::Id(id.clone())),
                        stage: None,
                    }),
            );
            reads.push(Call::ListSecretVersionIds {
                secret: secret.clone(),
                include_deprecated: true,
            });
            reads.push(Call::DescribeSecret { secret });
        }
        for read in reads {
            self.tally.looks += 1;
            let what = json!(read);
            let answer = self
                .exchange(&read, None)
                .await
                .map_err(|why| format!("{what}: {why}"))?;
            if let Answer::Ok(reply) = answer {
                invariants(&reply).map_err(|why| format!("{what}: {why}: {reply}"))?;
            }
        }
        for node in NODES {
            for name in NAMES {
                PASSWORDS
                    .iter()
                    .try_for_each(|password| self.login(node, name, password))?;
            }
        }
        Ok(())
    }

    fn no_password_in_the_log(&self) -> Result<(), String> {
        let log = serde_json::to_string(&self.door.log()).unwrap();
        match PASSWORDS.iter().chain(&VALUES).find(|word| log.contains(**word)) {
            Some(word) => Err(format!("{word} is in the log")),
            None => Ok(()),
        }
    }
}

/// What holds whatever the reference says.
fn invariants(reply: &Value) -> Result<(), String> {
    let list = |key: &str| reply[key].as_array().cloned().unwrap_or_default();
    let mut labels: Vec<String> = Vec::new();
    for version in list("Versions") {
        for label in version["VersionStages"].as_array().into_iter().flatten() {
            labels.push(label.as_str().unwrap_or_default().to_owned());
        }
    }
    labels.sort();
    if let Some(pair) = labels.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("{} is on two versions", pair[0]));
    }
    if !list("Versions").is_empty() && !labels.iter().any(|label| label == "AWSCURRENT") {
        return Err("no version is AWSCURRENT".to_owned());
    }
    for user in list("Users") {
        let count = &user["Authentication"]["PasswordCount"];
        let count = count
            .as_u64()
            .or_else(|| count.as_str().and_then(|text| text.parse().ok()));
        if count.is_some_and(|count| count > 2) {
            return Err("a user has more than two passwords".to_owned());
        }
    }
    Ok(())
}

fn same(got: &Answer, expected: &Answer) -> Result<(), String> {
    if got == expected {
        Ok(())
    } else {
        Err(format!("expected {expected:?}, got {got:?}"))
    }
}

/// A fault that hits the next call to an operation.
fn fault_on(operation: &str, kind: FaultKind) -> Fault {
    let mut fault = Fault::next(operation, kind);
    fault.code = (kind == FaultKind::Code).then(|| fault_code(kind, operation).to_owned());
    fault
}

/// What a fault that refuses a call answers with, by the table in the sandbox's README.
fn fault_code(kind: FaultKind, operation: &str) -> &'static str {
    match (kind, is_about_secrets(operation)) {
        (FaultKind::Throttle, true) => "ThrottlingException",
        (FaultKind::Throttle, false) => "Throttling",
        (FaultKind::Error, true) => "InternalServiceError",
        (FaultKind::Error, false) => "InternalFailure",
        (_, true) => "AccessDeniedException",
        (_, false) => "AccessDenied",
    }
}
