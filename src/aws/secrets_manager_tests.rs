use super::super::ErrorClass;
use super::super::wire::{Answer, Wire};
use super::*;

const ARN: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:orders-AbCdEf";

fn json(body: &str) -> Answer {
    Answer::new(200, body).header("content-type", "application/x-amz-json-1.1")
}

fn error(code: &str, message: &str) -> Answer {
    Answer::new(400, &format!(r#"{{"__type":"{code}","Message":"{message}"}}"#))
}

fn described(stages: &str, more: &str) -> Answer {
    json(&format!(
        r#"{{"ARN":"{ARN}","Name":"orders","LastChangedDate":1700000000.5,"VersionIdsToStages":{{{stages}}}{more}}}"#
    ))
}

fn listed(versions: &str, token: &str) -> Answer {
    json(&format!(
        r#"{{"ARN":"{ARN}","Name":"orders","Versions":[{versions}]{token}}}"#
    ))
}

fn moment() -> Timestamp {
    Timestamp::from_timestamp(1_700_000_000, 0).unwrap()
}

const ONE: &str = r#"{"VersionId":"v1","VersionStages":["AWSCURRENT"],"CreatedDate":1600000000.0}"#;

#[tokio::test]
async fn a_secret_is_read_with_all_its_versions() {
    let wire = Wire::start(vec![
        described(
            r#""v1":["AWSCURRENT"],"v2":["AWSPENDING","mine"]"#,
            r#","RotationEnabled":true,"OwningService":"rds""#,
        ),
        listed(
            r#"{"VersionId":"v0","CreatedDate":1500000000.0},"#.trim_end_matches(','),
            r#","NextToken":"t""#,
        ),
        listed(
            &format!(r#"{ONE},{{"VersionId":"v2","VersionStages":["AWSPENDING","mine"],"CreatedDate":1700000000.25}}"#),
            "",
        ),
    ])
    .await;
    let state = wire.ports().secrets.secret("orders").await.unwrap();
    assert_eq!((state.arn.as_str(), state.name.as_str()), (ARN, "orders"));
    assert!(state.rotation_enabled && !state.replicated && state.deleted.is_none());
    assert_eq!(state.owning_service.as_deref(), Some("rds"));
    assert_eq!(state.last_changed.unwrap().timestamp_millis(), 1_700_000_000_500);
    assert_eq!(state.versions.keys().collect::<Vec<_>>(), ["v0", "v1", "v2"]);
    assert_eq!(state.versions["v0"].stages.len(), 0);
    assert_eq!(
        state.versions["v2"].created.unwrap().timestamp_millis(),
        1_700_000_000_250
    );
    assert_eq!(state.holder("AWSCURRENT"), Some("v1"));
    let requests = wire.take();
    assert!(
        requests[1].body.contains(r#""IncludeDeprecated":true"#) && requests[2].body.contains(r#""NextToken":"t""#)
    );
}

#[tokio::test]
async fn readings_that_contradict_each_other_are_read_again() {
    let stale = r#"{"VersionId":"v1","VersionStages":["AWSPREVIOUS"],"CreatedDate":1600000000.0}"#;
    let stages = r#""v1":["AWSCURRENT"]"#;
    let wire = Wire::start(vec![
        described(stages, ""),
        listed(stale, ""),
        described(stages, ""),
        listed(ONE, ""),
    ])
    .await;
    assert_eq!(
        wire.ports()
            .secrets
            .secret("orders")
            .await
            .unwrap()
            .holder("AWSCURRENT"),
        Some("v1")
    );
    assert_eq!(wire.take().len(), 4);
}

#[tokio::test]
async fn describe_secret_wins_when_the_contradiction_stays() {
    let stages = r#""v1":["AWSCURRENT"],"placeholder":["AWSPENDING"]"#;
    let pair = [described(stages, ""), listed(ONE, "")];
    let wire = Wire::start([pair.clone(), pair.clone(), pair].concat()).await;
    let state = wire.ports().secrets.secret("orders").await.unwrap();
    assert_eq!(state.holder("AWSPENDING"), Some("placeholder"));
    assert_eq!(state.versions["placeholder"].created, None);
    assert_eq!(wire.take().len(), 6);
}

#[tokio::test]
async fn a_secret_marked_for_deletion_is_described_only() {
    let wire = Wire::start(vec![described(
        r#""v1":["AWSCURRENT"]"#,
        r#","DeletedDate":1700000000.0"#,
    )])
    .await;
    assert_eq!(
        wire.ports().secrets.secret("orders").await.unwrap().deleted,
        Some(moment())
    );
    assert_eq!(wire.take().len(), 1);
}

#[tokio::test]
async fn a_secret_with_replicas_or_a_primary_elsewhere_is_replicated() {
    for more in [
        r#","ReplicationStatus":[{"Region":"eu-west-1","Status":"InSync"}]"#,
        r#","PrimaryRegion":"eu-west-1""#,
    ] {
        let wire = Wire::start(vec![described(r#""v1":["AWSCURRENT"]"#, more), listed(ONE, "")]).await;
        assert!(
            wire.ports().secrets.secret("orders").await.unwrap().replicated,
            "{more}"
        );
    }
}

#[tokio::test]
async fn a_listing_of_versions_that_fails_is_an_error() {
    let wire = Wire::start(vec![described("", ""), error("InternalServiceError", "oops")]).await;
    assert_eq!(
        wire.ports().secrets.secret("orders").await.unwrap_err().class,
        ErrorClass::Unavailable
    );
}

#[tokio::test]
async fn a_value_is_read_by_its_version_id() {
    let text = r#"{\"username\":\"u\",\"user_arn\":\"arn:aws:elasticache:us-east-1:123456789012:user:u\"}"#;
    let wire = Wire::start(vec![
        json(&format!(
            r#"{{"ARN":"{ARN}","Name":"orders","VersionId":"v1","SecretString":"{text}"}}"#
        )),
        json(&format!(
            r#"{{"ARN":"{ARN}","Name":"orders","VersionId":"v1","SecretBinary":"AAEC"}}"#
        )),
        json(&format!(
            r#"{{"ARN":"{ARN}","Name":"orders","VersionId":"v9","SecretString":"x"}}"#
        )),
        error(
            "ResourceNotFoundException",
            "Secrets Manager can't find the specified secret value for VersionId: v1",
        ),
    ])
    .await;
    let secrets = wire.ports().secrets;
    assert_eq!(secrets.value(ARN, "v1").await.unwrap().ok().unwrap().username(), "u");
    assert_eq!(
        secrets.value(ARN, "v1").await.unwrap().err(),
        Some(DocumentError::Binary)
    );
    assert_eq!(
        secrets.value(ARN, "v1").await.err().unwrap().class,
        ErrorClass::Unavailable
    );
    let failure = secrets.value(ARN, "v1").await.err().unwrap();
    assert_eq!(
        (failure.class, failure.code.as_str()),
        (ErrorClass::NotFound, "ResourceNotFoundException")
    );
    assert!(wire.take()[0].body.contains(r#""VersionId":"v1""#));
}

#[tokio::test]
async fn only_what_the_prefix_and_every_tag_match_is_selected() {
    let entry =
        |name: &str, tags: &str, more: &str| format!(r#"{{"ARN":"arn-{name}","Name":"{name}","Tags":[{tags}]{more}}}"#);
    let orders = r#"{"Key":"team","Value":"orders"}"#;
    let both = r#"{"Key":"team","Value":"orders"},{"Key":"env","Value":"prod"}"#;
    let first = [
        entry("prod/a", both, ""),
        entry("prod/b", orders, ""),
        entry("prod/c", both, r#","DeletedDate":1700000000.0"#),
        entry("Prod/d", both, ""),
    ];
    let wire = Wire::start(vec![
        json(&format!(r#"{{"SecretList":[{}],"NextToken":"t"}}"#, first.join(","))),
        json(&format!(r#"{{"SecretList":[{}]}}"#, entry("prod/e", both, ""))),
    ])
    .await;
    let selection = Selection {
        secrets: Vec::new(),
        name_prefix: Some("prod/".to_owned()),
        tags: [("team", "orders"), ("env", "prod")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into(),
    };
    let found = wire.ports().secrets.select(&selection).await.unwrap();
    assert_eq!(
        found.iter().map(|secret| secret.name.as_str()).collect::<Vec<_>>(),
        ["prod/a", "prod/e"]
    );
    let body = &wire.take()[0].body;
    assert!(
        body.contains(r#"{"Key":"name","Values":["prod/"]}"#) && body.contains(r#"{"Key":"tag-key","Values":["env"]}"#)
    );
}

#[tokio::test]
async fn a_selection_that_fails_on_its_second_page_is_an_error() {
    let wire = Wire::start(vec![
        json(r#"{"SecretList":[],"NextToken":"t"}"#),
        error("ThrottlingException", "Rate exceeded"),
    ])
    .await;
    let failure = wire.ports().secrets.select(&Selection::default()).await.unwrap_err();
    assert_eq!(
        (failure.class, failure.operation),
        (ErrorClass::Throttled, "ListSecrets")
    );
}

#[tokio::test]
async fn writes_are_dated_as_told_and_name_what_they_replace() {
    let written = format!(r#"{{"ARN":"{ARN}","Name":"orders","VersionId":"0123456789abcdef0123456789abcdef"}}"#);
    let wire = Wire::start(vec![json(&written)]).await;
    let writer = wire.ports().secrets_writer;
    let document = SecretString::from("{\"password\":\"x\"}".to_owned());
    writer
        .put_pending(ARN, "0123456789abcdef0123456789abcdef", &document, moment())
        .await
        .unwrap();
    writer.move_current(ARN, "v1", "v2", moment()).await.unwrap();
    writer.remove_pending(ARN, "v2", moment()).await.unwrap();
    let requests = wire.take();
    assert_eq!(requests.len(), 3);
    assert!(
        requests
            .iter()
            .all(|request| request.header("x-amz-date") == Some("20231114T221320Z"))
    );
    assert_eq!(
        requests[0].header("x-amz-target"),
        Some("secretsmanager.PutSecretValue")
    );
    assert!(
        requests[0]
            .body
            .contains(r#""ClientRequestToken":"0123456789abcdef0123456789abcdef""#)
    );
    assert!(requests[0].body.contains(r#""VersionStages":["AWSPENDING"]"#));
    for part in [
        r#""VersionStage":"AWSCURRENT""#,
        r#""RemoveFromVersionId":"v1""#,
        r#""MoveToVersionId":"v2""#,
    ] {
        assert!(requests[1].body.contains(part), "{part}");
    }
    assert!(requests[2].body.contains(r#""RemoveFromVersionId":"v2""#) && !requests[2].body.contains("MoveTo"));
}

#[tokio::test]
async fn a_write_that_fails_is_sent_once_and_has_its_class() {
    let table = [
        (
            Answer::new(500, r#"{"__type":"InternalServiceError"}"#),
            ErrorClass::Unavailable,
        ),
        (
            error("InvalidParameterException", "The parameter RemoveFromVersionId …"),
            ErrorClass::Conflict,
        ),
        (
            error("InvalidRequestException", "… marked for deletion."),
            ErrorClass::Conflict,
        ),
        (error("LimitExceededException", "labels"), ErrorClass::Quota),
        (
            error(
                "InvalidSignatureException",
                "Signature expired: a is now earlier than b",
            ),
            ErrorClass::Expired,
        ),
        (Answer::new(200, "<html>"), ErrorClass::Unavailable),
    ];
    for (answer, class) in table {
        let wire = Wire::start(vec![answer]).await;
        let failure = wire
            .ports()
            .secrets_writer
            .move_current(ARN, "v1", "v2", moment())
            .await
            .unwrap_err();
        assert_eq!(failure.class, class, "{failure}");
        assert_eq!(wire.take().len(), 1, "{failure}");
    }
}

#[tokio::test]
async fn a_secret_whose_labels_are_left_out_is_no_secret_without_a_current_version() {
    let unlabelled = json(&format!(r#"{{"ARN":"{ARN}","Name":"orders"}}"#));
    let pair = [unlabelled.clone(), listed(ONE, "")];
    let wire = Wire::start([pair.clone(), pair.clone(), pair].concat()).await;
    let failure = wire.ports().secrets.secret("orders").await.unwrap_err();
    assert_eq!(
        (failure.class, failure.operation),
        (ErrorClass::Unavailable, "DescribeSecret")
    );
    // Only a secret without versions has no labels to show.
    let wire = Wire::start(vec![unlabelled, listed("", "")]).await;
    assert!(wire.ports().secrets.secret("orders").await.unwrap().versions.is_empty());
}
