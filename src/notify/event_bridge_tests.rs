//! Messages as events of a bus.

use std::sync::Mutex;

use super::*;
use crate::aws::AwsResult;
use crate::clock::Timestamp;

/// A bus that refuses some.
struct Fake {
    refused: Vec<usize>,
    put: Mutex<Vec<BusEvent>>,
}

#[async_trait]
impl EventBus for Fake {
    async fn put(&self, _: &str, events: &[BusEvent]) -> AwsResult<Vec<Result<(), String>>> {
        self.put.lock().unwrap().extend(events.iter().cloned());
        let answer = |index| match self.refused.contains(&index) {
            true => Err("ThrottlingException: slower".to_owned()),
            false => Ok(()),
        };
        Ok((0..events.len()).map(answer).collect())
    }
}

fn outbox(count: usize) -> Vec<Outgoing> {
    let message = |number: usize| Message {
        message_type: "secret.halted".to_owned(),
        timestamp: Timestamp::from_timestamp(1_800_000_000, 0).unwrap(),
        data: Data {
            event: "halted".to_owned(),
            secret_arn: Some(format!("arn:{number}")),
            ..Data::default()
        },
    };
    let outgoing = |number| Outgoing {
        target: "bus".to_owned(),
        id: format!("msg_{number}"),
        at: Timestamp::UNIX_EPOCH,
        message: serde_json::to_string(&message(number)).unwrap(),
    };
    (0..count).map(outgoing).collect()
}

fn bus(refused: &[usize]) -> (Bus, Arc<Fake>) {
    let fake = Arc::new(Fake {
        refused: refused.to_vec(),
        put: Mutex::default(),
    });
    (
        Bus::new(fake.clone(), "default".to_owned(), Duration::from_secs(10)),
        fake,
    )
}

#[tokio::test]
async fn ten_go_in_a_call_each_with_its_id_its_kind_in_words_and_its_secret() {
    let (bus, fake) = bus(&[]);
    let group = bus.group(&outbox(12));
    assert_eq!(group.len(), 10);
    let attempt = bus.deliver(&group).await;
    assert_eq!((attempt.delivered.len(), attempt.failure), (10, None));
    let put = fake.put.lock().unwrap();
    assert_eq!((put[3].source, put[3].detail_type), ("rekeyd", "Secret Halted"));
    assert_eq!(put[3].resource.as_deref(), Some("arn:3"));
    let detail: serde_json::Value = serde_json::from_str(&put[3].detail).unwrap();
    assert_eq!(
        (&detail["id"], &detail["type"]),
        (&"msg_3".into(), &"secret.halted".into())
    );
    assert_eq!(detail["event"], "halted");
}

#[tokio::test]
async fn of_those_that_the_bus_refused_in_part_only_the_refused_ones_wait() {
    let (bus, _) = bus(&[1, 2]);
    let attempt = bus.deliver(&outbox(4)).await;
    assert_eq!(attempt.delivered, ["msg_0", "msg_3"]);
    let failure = attempt.failure.unwrap();
    assert_eq!(
        (failure.words.as_str(), failure.of_message),
        ("ThrottlingException: slower", false)
    );
}

#[tokio::test]
async fn what_cannot_be_read_does_not_hold_up_the_others() {
    let (bus, _) = bus(&[]);
    let mut group = outbox(2);
    group[0].message = "{".to_owned();
    assert_eq!(bus.deliver(&group).await.delivered, ["msg_1"]);
    assert!(bus.deliver(&group[..1]).await.failure.unwrap().of_message);
}
