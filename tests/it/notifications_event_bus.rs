//! EventBridge, with moto as EventBridge and SQS: what is put is matched by a rule, and read from its queue.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::python::{self, Moto};
use crate::support::status::proven_retired;
use crate::support::world::secret_name;
use crate::support::{OLD, Policy, World, eventually};

/// Makes a bus, a queue, and a rule between them that wants what rekeyd tells of a policy.
const PREPARE: &str = "
import boto3, json, sys
url = sys.argv[1]
events, sqs = (boto3.client(name, region_name='us-east-1', endpoint_url=url) for name in ('events', 'sqs'))
events.create_event_bus(Name='security')
queue = sqs.create_queue(QueueName='told')['QueueUrl']
arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=['QueueArn'])['Attributes']['QueueArn']
pattern = {'source': ['rekeyd'], 'detail': {'policy': ['orders']}}
events.put_rule(Name='told', EventBusName='security', EventPattern=json.dumps(pattern))
events.put_targets(Rule='told', EventBusName='security', Targets=[{'Id': 'q', 'Arn': arn}])
";

/// All that the queue holds.
const READ: &str = "
import boto3, json, sys
sqs = boto3.client('sqs', region_name='us-east-1', endpoint_url=sys.argv[1])
queue = sqs.get_queue_url(QueueName='told')['QueueUrl']
got = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=0).get('Messages', [])
print(json.dumps([json.loads(message['Body']) for message in got]))
";

async fn script(text: &str, url: &str) -> Vec<u8> {
    let output = tokio::process::Command::new(python::bin().join("python"))
        .args(["-c", text, url])
        .env("AWS_ACCESS_KEY_ID", "TEST")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .stdin(Stdio::null())
        .output()
        .await
        .expect("python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn events_on_a_bus_are_matched_by_rules_and_say_what_happened() {
    let moto = Moto::start().await;
    script(PREPARE, &moto.url).await;
    let world = World::start().await;
    let arn = world.live_user("user1", OLD).await;
    let secret = secret_name("user1");
    let table = "[notify.bus]\ntype = \"eventbridge\"\naws = \"main\"\nevent_bus = \"security\"\n\
                 events = [\"succeeded\", \"retired\"]\n";
    let daemon = world
        .daemon("rekeyd")
        .place_key(
            "eventbridge_endpoint_url",
            &format!("{:?}", moto.url.trim_end_matches('/')),
        )
        .policy(Policy::new("orders", &["user1"]))
        .more(table)
        .run()
        .await;
    daemon.checked(&secret).await;
    daemon.rotate(&secret).await;
    let status = daemon.wait(&secret, "rotated", proven_retired).await;
    let got = eventually("the queue holds two events", || async {
        let got: Vec<Value> = serde_json::from_slice(&script(READ, &moto.url).await).unwrap();
        match got.len() {
            2 => Ok(got),
            _ => Err(format!("{got:?}; {}", daemon.log_text())),
        }
    })
    .await;
    let of = |words: &str| got.iter().find(|event| event["detail-type"] == words).cloned();
    let succeeded = of("Rotation Succeeded").expect("a success");
    assert!(of("Previous Password Retired").is_some());
    assert_eq!(succeeded["source"], "rekeyd");
    assert_eq!(succeeded["resources"], json!([arn]));
    let detail = &succeeded["detail"];
    assert_eq!(
        (&detail["event"], &detail["secret"]),
        (&json!("succeeded"), &json!(secret))
    );
    assert_eq!(detail["version"], json!(status.current_version));
    assert!(detail["id"].as_str().unwrap().starts_with("msg_"));
    let password = world.password(&secret, "AWSCURRENT").await.unwrap();
    assert!(got.iter().all(|event| !event.to_string().contains(&password)));
    let metrics = daemon.get("/metrics").await.body;
    assert!(
        metrics.contains("rekeyd_notifications_total{notify=\"bus\",outcome=\"delivered\"} 2"),
        "{metrics}"
    );
    assert!(metrics.contains("rekeyd_aws_requests_total{operation=\"PutEvents\",outcome=\"ok\",service=\"events\"}"));

    let gone = table
        .replace("\"security\"", "\"none-of-that-name\"")
        .replace("notify.bus", "notify.gone");
    let policy = Policy::new("orders", &["user1"]);
    let other = world.daemon("rekeyd").policy(policy).more(&gone);
    let other = other.place_key("eventbridge_endpoint_url", "\"http://127.0.0.1:9\"");
    let refused = other.cli(&["notify", "test", "gone"]).await;
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("PutEvents"), "{}", refused.stderr);
}
