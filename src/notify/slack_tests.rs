//! What Slack is sent.

use super::*;
use crate::clock::Timestamp;
use crate::notify::message::Data;

fn message(kind: &str, secret: &str) -> Message {
    Message {
        message_type: format!("secret.{kind}"),
        timestamp: Timestamp::from_timestamp(1_800_000_000, 0).unwrap(),
        data: Data {
            summary: format!("{secret} (policy orders) halted: foreign_pending: <!channel> & so on"),
            event: kind.to_owned(),
            policy: Some("orders".to_owned()),
            secret: Some(secret.to_owned()),
            secret_arn: Some(format!("arn:{secret}")),
            reason: Some("foreign_pending".to_owned()),
            host: "host1".to_owned(),
            rekeyd: "0.1.0".to_owned(),
            ..Data::default()
        },
    }
}

fn waiting(number: usize, kind: &str, secret: &str) -> Outgoing {
    let message = message(kind, secret);
    Outgoing {
        target: "team".to_owned(),
        id: format!("msg_{number}"),
        at: message.timestamp,
        message: serde_json::to_string(&message).unwrap(),
    }
}

fn ids(group: &[Outgoing]) -> Vec<&str> {
    group.iter().map(|outgoing| outgoing.id.as_str()).collect()
}

#[test]
fn one_is_told_in_full_and_nothing_in_it_is_a_mention() {
    let body = shape(&[message("halted", "a")]).unwrap();
    assert_eq!(body["blocks"][0]["text"]["text"], "Secret Halted");
    let text = body["blocks"][1]["text"]["text"].as_str().unwrap();
    assert_eq!(
        text,
        "a (policy orders) halted: foreign_pending: &lt;!channel&gt; &amp; so on"
    );
    assert_eq!(body["text"], format!("Secret Halted: {text}"));
    assert_eq!(
        body["blocks"][2]["elements"][0]["text"],
        "rekeyd 0.1.0 on host1, 2027-01-15 08:00:00 UTC"
    );
}

#[test]
fn of_many_ten_are_named_and_the_others_counted() {
    let many: Vec<Message> = (0..37).map(|number| message("halted", &format!("s{number}"))).collect();
    let body = shape(&many).unwrap();
    assert_eq!(body["blocks"][0]["text"]["text"], "Secret Halted: 37 times");
    let text = body["blocks"][1]["text"]["text"].as_str().unwrap();
    assert_eq!(text.lines().count(), 11);
    assert!(text.starts_with("• s0 (policy orders): foreign_pending\n"), "{text}");
    assert!(text.contains("and 27 more"), "{text}");
}

#[test]
fn no_text_is_longer_than_slack_takes_and_no_escape_is_cut_in_two() {
    let text = escaped(&"&".repeat(5_000), LONGEST_TEXT);
    assert!(text.chars().count() <= LONGEST_TEXT + 1);
    assert!(text.ends_with("&amp;…"), "{}", &text[text.len() - 20..]);
    let longest = "x".repeat(600);
    let many: Vec<Message> = (0..20).map(|_| message("halted", &longest)).collect();
    let body = shape(&many).unwrap();
    let section = body["blocks"][1]["text"]["text"].as_str().unwrap();
    assert!(section.chars().count() <= 3_000);
}

#[test]
fn what_is_of_one_kind_goes_together_and_nothing_overtakes_another_about_its_secret() {
    let outbox = [
        waiting(0, "halted", "a"),
        waiting(1, "halted", "b"),
        waiting(2, "halt_ended", "a"),
        waiting(3, "halted", "a"),
        waiting(4, "halted", "c"),
    ];
    assert_eq!(ids(&of_one_kind(&outbox)), ["msg_0", "msg_1", "msg_4"]);
    assert_eq!(ids(&of_one_kind(&outbox[2..])), ["msg_2"]);
    assert_eq!(of_one_kind(&[]), []);
}

#[test]
fn what_cannot_be_read_goes_alone() {
    let broken = Outgoing {
        message: "{".to_owned(),
        ..waiting(0, "halted", "a")
    };
    let outbox = [broken, waiting(1, "halted", "b")];
    assert_eq!(ids(&of_one_kind(&outbox)), ["msg_0"]);
}
